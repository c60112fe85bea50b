namespace WebSocketServerKit;

/// <summary>How the clients were disconnected when the server was stopped.</summary>
public sealed record StopResult
{
    /// <summary>Clients that answered the server's Close frame, and whose handlers have ended.</summary>
    public int ClosedCleanly { get; init; }

    /// <summary>Clients whose connection was reset because they did not answer in time, and clients whose handlers did not end in time.</summary>
    public int Aborted { get; init; }

    /// <summary>
    /// Clients that have left, but whose events have not ended: the events wait for <see cref="WebSocketServerOptions.EventContext"/>, or handlers of
    /// <see cref="WebSocketServer.ClientDisconnected"/> still run. Handlers that run on after <c>ContinueReceiving</c> count too.
    /// </summary>
    public int Unfinished { get; init; }
}
