namespace WebSocketServerKit;

/// <summary>Why a client did not leave cleanly when the server was stopped.</summary>
public enum CutReason
{
    /// <summary>
    /// Something else ended it while the server was stopping: its connection was lost, it ended its side without a Close frame, it broke a rule of the protocol, or the host application cut it.
    /// <see cref="WebSocketServer.ClientDisconnected"/> tells which.
    /// </summary>
    EndedOtherwise,

    /// <summary>It was sent everything and the Close frame, and did not answer with its own in time.</summary>
    NotAnswered,

    /// <summary>It did not take in time what was waiting to be sent to it. What it did not take is lost.</summary>
    NotRead,

    /// <summary>A handler of the host application for this client did not end in time.</summary>
    HandlerRunning,

    /// <summary>The token of the stop was cancelled, or the server was disposed of, before the client had left.</summary>
    StopCancelled,
}
