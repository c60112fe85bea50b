namespace WebSocketServerKit;

/// <summary>How the clients were disconnected when the server was stopped. Two results are equal if their numbers are.</summary>
public sealed record StopResult
{
    /// <summary>Clients that left with a complete closing handshake while the server was stopping, and whose handlers have ended.</summary>
    public int ClosedCleanly { get; init; }

    /// <summary>All others that left while the server was stopping: most were reset because they did not answer in time, or their handlers did not end in time. <see cref="Cut"/> has the cause of each.</summary>
    public int Aborted { get; init; }

    /// <summary>
    /// Clients that have left, but whose events have not ended: the events wait for <see cref="WebSocketServerOptions.EventContext"/>, or handlers of
    /// <see cref="WebSocketServer.ClientDisconnected"/> still run. Handlers that run on after <c>ContinueReceiving</c> count too.
    /// </summary>
    public int Unfinished { get; init; }

    /// <summary>
    /// The clients that did not leave cleanly, and why. Those of <see cref="Aborted"/>; and of <see cref="Unfinished"/> those that were cut and whose
    /// <see cref="WebSocketServer.ClientDisconnected"/> has not ended.
    /// </summary>
    public IReadOnlyList<CutClient> Cut { get; init; } = [];

    /// <summary>Whether the numbers are the same.</summary>
    public bool Equals(StopResult? other) => other is not null && (ClosedCleanly, Aborted, Unfinished) == (other.ClosedCleanly, other.Aborted, other.Unfinished);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ClosedCleanly, Aborted, Unfinished);
}
