namespace WebSocketServerKit.Connections.Watching;

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
    private Draining? _draining; // while bytes wait for the peer; an idle connection has none

    /// <summary>Stamped by the receive loop with each read.</summary>
    public void Heard(long now)
    {
        Volatile.Write(ref _heard, now);
        Volatile.Write(ref _pingedAt, 0);
    }

    /// <summary>Whether nothing was heard since the last beat.</summary>
    public readonly bool IsSilent(long now) => Volatile.Read(in _heard) < now;

    /// <summary>Decides what to do now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="interval">After how much silence the peer is pinged.</param>
    /// <param name="timeout">How long it may stay silent then.</param>
    /// <param name="holdingBack">Whether our side does not read at present, so that silence is not the peer's fault.</param>
    /// <param name="draining">Whether bytes wait for the peer to take them.</param>
    /// <param name="taken">The bytes that it has taken, if some wait.</param>
    public KeepAliveAction Beat(long now, long interval, long timeout, bool holdingBack, bool draining, long taken)
    {
        bool gotOn = false;
        if (!draining)
        {
            _draining = null;
        }
        else if (_draining is null)
        {
            _draining = new Draining { TakenSeen = taken };
        }
        else
        {
            gotOn = taken != _draining.TakenSeen;
            _draining.TakenSeen = taken;
            if (gotOn)
                _draining.StuckSince = 0;
            else if (_draining.StuckSince == 0)
                _draining.StuckSince = now;
            else if (now - _draining.StuckSince >= interval + timeout)
                return KeepAliveAction.SendTimeout;
        }

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

    // Two beats in a row that see bytes wait can tell whether the peer took some in between.
    private sealed class Draining
    {
        public long TakenSeen { get; set; }

        /// <summary>Since when the transport has been busy without progress; 0 while it makes progress.</summary>
        public long StuckSince { get; set; }
    }
}
