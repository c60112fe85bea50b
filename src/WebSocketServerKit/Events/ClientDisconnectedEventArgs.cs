
namespace WebSocketServerKit;

/// <summary>A client has left. Raised exactly once for each client for which <see cref="WebSocketServer.ClientConnected"/> was raised.</summary>
public sealed class ClientDisconnectedEventArgs : EventArgs
{
    internal ClientDisconnectedEventArgs(WebSocketClient client, Connections.Closing.ConnectionEnding ending, bool wasClean)
    {
        Client = client;
        Cause = ending.Cause;
        ClosedBy = ending.ClosedBy;
        CloseCode = ending.Code;
        CloseReason = ending.Reason;
        Exception = ending.Exception;
        WasClean = wasClean;
    }

    /// <summary>The client, with its totals. It is no longer in <see cref="WebSocketServer.Clients"/> and cannot be sent to.</summary>
    public WebSocketClient Client { get; }

    /// <summary>Why the connection ended: the first cause.</summary>
    public DisconnectCause Cause { get; }

    /// <summary>Which side ended it. A lost connection counts as ended by the client.</summary>
    public ConnectionSide ClosedBy { get; }

    /// <summary>
    /// The code of the Close frame that began the end, whichever side sent it. 1005 (<see cref="CloseCode.NoStatusReceived"/>) if it had none, 1006 if the
    /// connection ended without a Close frame.
    /// </summary>
    public CloseCode CloseCode { get; }

    /// <summary>The reason of that Close frame, which may have any characters, line breaks included; empty if it had none.</summary>
    public string CloseReason { get; }

    /// <summary>Whether both sides sent a Close frame, so that each knows that the other got everything up to it.</summary>
    public bool WasClean { get; }

    /// <summary>What was thrown, where an exception is behind it: that of a handler, or the network's.</summary>
    public Exception? Exception { get; }
}
