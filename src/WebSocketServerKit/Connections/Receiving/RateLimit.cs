namespace WebSocketServerKit.Connections.Receiving;

/// <summary>
/// A leaky bucket: limits the messages or bytes of one client to an average per second, with a burst of one second's worth. A read may exceed the limit before
/// it is counted; then the client waits longer.
/// <para>Not thread-safe: the receive loop alone uses it. Times are timestamps of the heartbeat.</para>
/// </summary>
internal sealed class RateLimit(long perSecond, long second)
{
    private readonly double _cost = (double)second / perSecond; // time per message or byte
    private double _level;  // the level of the bucket at _countedAt, as the time in which it empties
    private long _countedAt;

    /// <summary>Counts what the client has sent.</summary>
    public void Count(long amount, long now)
    {
        _level = Math.Max(0, _level - (now - _countedAt)) + amount * _cost;
        _countedAt = now;
    }

    /// <summary>Whether the client has to wait.</summary>
    public bool IsReached(long now) => _level - (now - _countedAt) >= second;
}
