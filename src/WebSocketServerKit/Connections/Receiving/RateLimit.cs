namespace WebSocketServerKit.Connections.Receiving;

/// <summary>
/// How much one client may send: in the long run so much per second, in a burst one second's worth. What it sent beyond that, in bytes that were
/// read before they could be counted, it pays for by waiting longer. Times are timestamps of the heartbeat.
/// </summary>
internal sealed class RateLimit(long perSecond, long second)
{
    private readonly double _cost = (double)second / perSecond; // time that each unit takes
    private double _owed;   // time until all that was counted is worked off, as of _countedAt
    private long _countedAt;

    /// <summary>Counts what the client has sent.</summary>
    public void Count(long amount, long now)
    {
        _owed = Math.Max(0, _owed - (now - _countedAt)) + amount * _cost;
        _countedAt = now;
    }

    /// <summary>Whether the client has to wait.</summary>
    public bool IsReached(long now) => _owed - (now - _countedAt) >= second;
}
