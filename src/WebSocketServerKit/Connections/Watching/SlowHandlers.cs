using WebSocketServerKit.Connections.Handling;

namespace WebSocketServerKit.Connections.Watching;

/// <summary>Notices handlers that run for long. Made by the first beat that sees handlers run, and dropped by the next that sees none.</summary>
/// <param name="run">The value of <see cref="HandlerScope.Run"/> at that beat.</param>
/// <param name="now">The time of that beat.</param>
internal sealed class SlowHandlers(long run, long now)
{
    private long _since = now; // long.MaxValue once they were reported

    /// <summary>Whether the same handlers still run, so that the beat has to look at the peer for them.</summary>
    public bool AreStill(long current) => current == run;

    /// <summary>Whether they have been running for so long since that beat. True once.</summary>
    public bool IsFirstOver(long now, long threshold)
    {
        if (now - _since < threshold)
            return false;
        _since = long.MaxValue;
        return true;
    }
}
