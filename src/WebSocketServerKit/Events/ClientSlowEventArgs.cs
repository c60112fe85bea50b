namespace WebSocketServerKit;

/// <summary>A client has begun to read too slowly, or has caught up: see <see cref="WebSocketServer.ClientSlow"/>.</summary>
public sealed class ClientSlowEventArgs : EventArgs
{
    internal ClientSlowEventArgs(WebSocketClient client, bool isSlow)
    {
        Client = client;
        IsSlow = isSlow;
    }

    /// <summary>The client.</summary>
    public WebSocketClient Client { get; }

    /// <summary>True when the client has begun to read too slowly, false when it has taken all that was pending.</summary>
    public bool IsSlow { get; }
}
