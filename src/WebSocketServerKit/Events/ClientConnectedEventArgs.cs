namespace WebSocketServerKit;

/// <summary>A client has connected. Its first message waits until the handlers of this event have ended, async ones included.</summary>
public sealed class ClientConnectedEventArgs : EventArgs
{
    private readonly long _run;

    internal ClientConnectedEventArgs(WebSocketClient client, HandshakeRequest request, long run)
    {
        Client = client;
        Request = request;
        _run = run;
    }

    /// <summary>The client. It is in <see cref="WebSocketServer.Clients"/> already and can be sent to.</summary>
    public WebSocketClient Client { get; }

    /// <summary>The request that it connected with. The server does not keep it: take over what is needed later.</summary>
    public HandshakeRequest Request { get; }

    /// <summary>
    /// Lets the client's first message come although the handlers of this event have not ended: for an async handler that goes on for as long as the client is connected, or that waits
    /// for an answer of the client's. Handlers that go on are still waited for when the server stops, and what they throw is treated as before.
    /// </summary>
    /// <remarks>Does nothing when the handlers have ended. A handler that blocks its thread holds back the client's messages all the same.</remarks>
    public void ContinueReceiving() => Client.ContinueReceiving(_run);
}
