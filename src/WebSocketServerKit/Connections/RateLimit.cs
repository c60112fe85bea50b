namespace WebSocketServerKit.Connections;

/// <summary>
/// How much one client may send: in the long run so much per second, in a burst one second's worth. What it sent beyond that, in bytes that were
/// read before they could be counted, it pays for by waiting longer. Times are timestamps of the heartbeat.
/// </summary>
internal struct RateLimit(long? perSecond, long second)
{
    private readonly double _cost = perSecond is { } limit ? (double)second / limit : 0; // time that each unit takes; 0 without a limit
    private double _owed;   // time until all that was counted is worked off, as of _countedAt
    private long _countedAt;

    /// <summary>Counts what the client has sent.</summary>
    public void Count(long amount, long now)
    {
        if (_cost == 0)
            return;
        _owed = Math.Max(0, _owed - (now - _countedAt)) + amount * _cost;
        _countedAt = now;
    }

    /// <summary>Whether the client has to wait.</summary>
    public readonly bool IsReached(long now) => _cost != 0 && _owed - (now - _countedAt) >= second;
}
