namespace WebSocketServerKit.Connections.Watching;

/// <summary>What <see cref="KeepAlivePings.Beat"/> asks for.</summary>
internal enum KeepAliveAction
{
    None,
    Ping,
    PingTimeout,
    SendTimeout,
}

/// <summary>
/// Detects a dead peer that TCP has not detected. A silent peer is pinged; without a sign of life after the ping the connection ends. A sign of life is any
/// received byte, or progress of a pending write. A write without progress for the ping interval and timeout together ends the connection too.
/// <para>The heartbeat alone calls <see cref="Beat"/>; any thread may call <see cref="Heard"/>.</para>
/// </summary>
internal struct KeepAlivePings(long now)
{
    private long _heard = now;
    private long _pingedAt;    // the time of the ping that is not answered yet; 0 for none
    private Draining? _draining; // null unless a write is pending, so an idle connection has none

    /// <summary>Notes a sign of life.</summary>
    public void Heard(long now)
    {
        Volatile.Write(ref _heard, now);
        Volatile.Write(ref _pingedAt, 0);
    }

    /// <summary>Whether nothing was received since the last beat.</summary>
    public readonly bool IsSilent(long now) => Volatile.Read(in _heard) < now;

    /// <summary>Decides what to do at this beat.</summary>
    /// <param name="now">The time.</param>
    /// <param name="interval">After how much silence the peer is pinged.</param>
    /// <param name="timeout">How long it may stay silent after the ping.</param>
    /// <param name="holdingBack">Whether the server does not read at present, so that silence proves nothing.</param>
    /// <param name="draining">Whether a write is pending.</param>
    /// <param name="taken">The bytes that the peer has taken so far, if a write is pending.</param>
    public KeepAliveAction Beat(long now, long interval, long timeout, bool holdingBack, bool draining, long taken)
    {
        bool hasProgress = false;
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
            hasProgress = taken != _draining.TakenSeen;
            _draining.TakenSeen = taken;
            if (hasProgress)
                _draining.StuckSince = 0;
            else if (_draining.StuckSince == 0)
                _draining.StuckSince = now;
            else if (now - _draining.StuckSince >= interval + timeout)
                return KeepAliveAction.SendTimeout;
        }

        if (holdingBack || hasProgress)
            Heard(now);

        long pingedAt = Volatile.Read(ref _pingedAt);
        if (pingedAt != 0)
            return now - pingedAt >= timeout ? KeepAliveAction.PingTimeout : KeepAliveAction.None;
        // A Ping behind bytes that do not leave could not be answered.
        if (now - Volatile.Read(ref _heard) < interval || _draining is { StuckSince: not 0 })
            return KeepAliveAction.None;
        _pingedAt = now;
        return KeepAliveAction.Ping;
    }

    // Progress of a pending write, measured from beat to beat.
    private sealed class Draining
    {
        public long TakenSeen { get; set; }

        /// <summary>The beat that first saw no progress; 0 while there is progress.</summary>
        public long StuckSince { get; set; }
    }
}
