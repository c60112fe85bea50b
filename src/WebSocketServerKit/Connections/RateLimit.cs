namespace WebSocketServerKit.Connections;

/// <summary>How much one client may send within one beat of the heartbeat. What is over has to wait for the next beat.</summary>
internal struct RateLimit(long perBeat)
{
    private readonly long _perBeat = perBeat;
    private long _used;
    private long _beat;

    /// <summary>Counts <paramref name="amount"/>; true when the client has used up what this beat gives.</summary>
    public bool IsReached(long amount, long beat)
    {
        if (_perBeat == long.MaxValue)
            return false;
        if (beat != _beat)
            (_used, _beat) = (0, beat);
        _used += amount;
        return _used >= _perBeat;
    }
}
