namespace WebSocketServerKit;

/// <summary>A client has connected. Its first message waits until the handlers of this event have ended, async ones included.</summary>
public sealed class ClientConnectedEventArgs : EventArgs
{
    internal ClientConnectedEventArgs(WebSocketConnection client, HandshakeRequest request)
    {
        Client = client;
        Request = request;
    }

    /// <summary>The client. It is in <see cref="WebSocketServer.Clients"/> already and can be sent to.</summary>
    public WebSocketConnection Client { get; }

    /// <summary>The request that it connected with. The server does not keep it: take over what is needed later.</summary>
    public HandshakeRequest Request { get; }
}
