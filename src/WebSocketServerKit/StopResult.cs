namespace WebSocketServerKit;

/// <summary>How the clients left when the server was stopped.</summary>
public readonly record struct StopResult
{
    /// <summary>Clients that answered the server's Close frame, and whose handlers have ended.</summary>
    public int ClosedCleanly { get; init; }

    /// <summary>Clients that did not, or not in time, and clients whose handlers did not end in time.</summary>
    public int Cut { get; init; }

    /// <summary>
    /// Clients that have left, but have events that have not ended: they wait for <see cref="WebSocketServerOptions.EventContext"/>, or their handlers of
    /// <see cref="WebSocketServer.ClientDisconnected"/> go on. Handlers that go on after <c>ContinueReceiving</c> count too.
    /// </summary>
    public int Unfinished { get; init; }
}
