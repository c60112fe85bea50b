using WebSocketServerKit.Connections.Handling;

namespace WebSocketServerKit.Connections.Watching;

/// <summary>Detects handlers that run for long. Made by the first beat that sees handlers run, dropped by the next that sees none. For the heartbeat alone.</summary>
/// <param name="run">The value of <see cref="HandlerScope.Run"/> at that beat.</param>
/// <param name="now">The time of that beat.</param>
internal sealed class SlowHandlers(long run, long now)
{
    private long _since = now; // long.MaxValue once they were reported

    /// <summary>Whether the same event is still being handled.</summary>
    public bool IsSameRun(long current) => current == run;

    /// <summary>Whether the handlers have run longer than the threshold. True once.</summary>
    public bool ShouldReport(long now, long threshold)
    {
        if (now - _since < threshold)
            return false;
        _since = long.MaxValue;
        return true;
    }
}
