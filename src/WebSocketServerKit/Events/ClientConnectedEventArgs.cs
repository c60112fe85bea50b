namespace WebSocketServerKit;

/// <summary>A client has connected. Its first message is raised when the handlers of this event have ended, async ones included.</summary>
public sealed class ClientConnectedEventArgs : EventArgs
{
    private readonly long _run;

    internal ClientConnectedEventArgs(WebSocketClient client, HandshakeRequest request, long run)
    {
        Client = client;
        Request = request;
        _run = run;
    }

    /// <summary>The client. It is in <see cref="WebSocketServer.Clients"/> already, and messages can be sent to it.</summary>
    public WebSocketClient Client { get; }

    /// <summary>The request of its opening handshake. The server does not keep it; it may be kept by whoever needs it later.</summary>
    public HandshakeRequest Request { get; }

    /// <summary>
    /// Lets the server raise the client's first message before the handlers of this event have ended: for an async handler that runs for as long as the client is connected, or that awaits
    /// a message of the client. The stop of the server still waits for the handlers, and their exceptions are treated as before.
    /// </summary>
    /// <remarks>Does nothing when the handlers have ended. A handler that blocks its thread still delays the client's messages.</remarks>
    public void ContinueReceiving() => Client.ContinueReceiving(_run);
}
