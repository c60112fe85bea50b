namespace WebSocketServerKit.Connections;

/// <summary>What <see cref="KeepAlive.Beat"/> asks for.</summary>
internal enum KeepAliveAction
{
    None,
    Ping,
    PingTimeout,
    SendTimeout,
}

/// <summary>
/// Notices that a peer is gone although TCP has not: silence is answered by a ping, and a ping without any answer by the end. Every received
/// byte is a sign of life, and so is a write that had to wait for the peer and got on. Plain fields, looked at by the heartbeat.
/// </summary>
internal struct KeepAlive(long now)
{
    private long _heard = now;
    private long _pingedAt;    // the beat of the ping that is under way; 0 for none
    private long _stuckSince;  // since when the transport has been busy without getting on; 0 while it is not
    private int _writesSeen;
    private bool _wasDraining;

    /// <summary>Stamped by the receive loop with each read.</summary>
    public void Heard(long now)
    {
        Volatile.Write(ref _heard, now);
        Volatile.Write(ref _pingedAt, 0);
    }

    /// <summary>Whether nothing was heard since the last beat.</summary>
    public readonly bool IsSilent(long now) => Volatile.Read(in _heard) < now;

    /// <summary>Decides what to do now. <paramref name="holdingBack"/>: our side does not read at present, so silence is not the peer's fault.</summary>
    public KeepAliveAction Beat(long now, long interval, long timeout, bool holdingBack, bool draining, int writesDone)
    {
        bool gotOn = _wasDraining && writesDone != _writesSeen;
        bool stuck = _wasDraining && draining && !gotOn;
        _wasDraining = draining;
        _writesSeen = writesDone;

        if (!stuck)
            _stuckSince = 0;
        else if (_stuckSince == 0)
            _stuckSince = now;
        else if (now - _stuckSince >= interval + timeout)
            return KeepAliveAction.SendTimeout;

        if (holdingBack || gotOn)
            Heard(now);

        long pingedAt = Volatile.Read(ref _pingedAt);
        if (pingedAt != 0)
            return now - pingedAt >= timeout ? KeepAliveAction.PingTimeout : KeepAliveAction.None;
        if (now - Volatile.Read(ref _heard) < interval)
            return KeepAliveAction.None;
        _pingedAt = now;
        return KeepAliveAction.Ping;
    }
}
