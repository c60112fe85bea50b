namespace WebSocketServerKit;

/// <summary>Why a client is no longer connected: the first thing that went wrong, or that nothing did.</summary>
public enum DisconnectCause
{
    /// <summary>One side closed politely with a Close frame; <see cref="ClientDisconnectedEventArgs.ClosedBy"/> tells which.</summary>
    Closed,

    /// <summary>The connection ended without a Close frame: the program was killed, the network failed, the browser tab crashed.</summary>
    ConnectionLost,

    /// <summary>The client broke a rule of the protocol or a limit of the options; the close code and reason say which.</summary>
    ProtocolViolation,

    /// <summary>The client was silent for <see cref="WebSocketServerOptions.PingInterval"/> and did not answer a ping within <see cref="WebSocketServerOptions.PingTimeout"/>.</summary>
    PingTimeout,

    /// <summary>The client took nothing of what was sent to it for as long as a silent client is given.</summary>
    SendTimeout,

    /// <summary>A handler of the host application threw an exception; <see cref="ClientDisconnectedEventArgs.Exception"/> is it.</summary>
    HandlerFailed,

    /// <summary>The server was stopped.</summary>
    ServerStopping,

    /// <summary>The host application called <see cref="WebSocketClient.Abort"/>, or cancelled the token that it gave to AcceptAsync.</summary>
    Aborted,

    /// <summary>
    /// A message that was sent while it was being written could not be finished, because its writer threw; <see cref="ClientDisconnectedEventArgs.Exception"/> is what it threw.
    /// </summary>
    MessageUnfinished,

    /// <summary>
    /// The server held more bytes for its clients than <see cref="WebSocketServerOptions.MaxBufferedBytes"/>, and this client was one of those that made it hold most. The close code is 1013
    /// ("try again later").
    /// </summary>
    OutOfMemoryBudget,
}
