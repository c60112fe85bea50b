namespace WebSocketServerKit;

/// <summary>A client sends more than it may: see <see cref="WebSocketServer.ClientOverRate"/>.</summary>
public sealed class ClientOverRateEventArgs : EventArgs
{
    internal ClientOverRateEventArgs(WebSocketClient client, RateLimitReaction reaction)
    {
        Client = client;
        Reaction = reaction;
    }

    /// <summary>The client.</summary>
    public WebSocketClient Client { get; }

    /// <summary>What the server does about it.</summary>
    public RateLimitReaction Reaction { get; }
}
