
namespace WebSocketServerKit;

/// <summary>A client has left. Raised exactly once for each client for which <see cref="WebSocketServer.ClientConnected"/> was raised.</summary>
public sealed class ClientDisconnectedEventArgs : EventArgs
{
    internal ClientDisconnectedEventArgs(WebSocketClient client, Connections.Closing.ConnectionEnding ending, bool wasClean)
    {
        Client = client;
        Groups = client.LeftGroups;
        Cause = ending.Cause;
        ClosedBy = ending.ClosedBy;
        CloseCode = ending.Code;
        CloseReason = ending.Reason;
        Exception = ending.Exception;
        WasClean = wasClean;
    }

    /// <summary>The client, with its totals. It is no longer in <see cref="WebSocketServer.Clients"/>, and sends to it fail.</summary>
    public WebSocketClient Client { get; }

    /// <summary>The groups that the client was in, in no particular order. It has left them all.</summary>
    public IReadOnlyList<string> Groups { get; }

    /// <summary>Why the connection ended: the first cause.</summary>
    public DisconnectCause Cause { get; }

    /// <summary>Which side ended it. A lost connection counts as ended by the client.</summary>
    public ConnectionSide ClosedBy { get; }

    /// <summary>
    /// The code of the first Close frame, whichever side sent it. 1005 (<see cref="CloseCode.NoStatusReceived"/>) if it had none, 1006
    /// (<see cref="CloseCode.AbnormalClosure"/>) if the connection ended without a Close frame.
    /// </summary>
    public CloseCode CloseCode { get; }

    /// <summary>The reason of that Close frame; empty if it had none. It is the client's text if the client closed: it may have line breaks and any other characters.</summary>
    public string CloseReason { get; }

    /// <summary>Whether the closing handshake was completed: both sides have sent a Close frame, so each has received all that the other sent before it.</summary>
    public bool WasClean { get; }

    /// <summary>The exception that ended the connection, of a handler or of the network; null if there was none.</summary>
    public Exception? Exception { get; }
}
