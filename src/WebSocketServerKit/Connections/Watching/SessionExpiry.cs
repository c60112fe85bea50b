namespace WebSocketServerKit.Connections.Watching;

/// <summary>What the heartbeat does about the expiry of a session.</summary>
internal enum ExpiryAction
{
    None,

    /// <summary>Tell the host that it expires soon.</summary>
    Notify,

    /// <summary>Close the connection.</summary>
    Close,
}

/// <summary>
/// When the session of one client expires. By the wall clock, because the expiry of a token is a date: if the clock is set forward, the session ends sooner. Made for the first date.
/// <para>Thread-safe. One compare-exchange decides between a renewal and the end: a renewal that succeeds is never followed by the end of the earlier date.</para>
/// </summary>
internal sealed class SessionExpiry
{
    private const long Never = long.MaxValue;

    private long _at = Never;              // ticks of UTC; the complement of the date once it has expired
    private long _notifiedFor = Never;     // the date that was told; the heartbeat alone uses it

    /// <summary>The date; null for none. Setting it does nothing once the session has expired.</summary>
    public DateTimeOffset? At
    {
        get
        {
            long at = Volatile.Read(ref _at);
            at = at < 0 ? ~at : at;
            return at == Never ? null : new DateTimeOffset(at, TimeSpan.Zero);
        }

        set
        {
            long wanted = value?.UtcTicks ?? Never;
            long at = Volatile.Read(ref _at);
            while (at >= 0 && Interlocked.CompareExchange(ref _at, wanted, at) is var found && found != at)
                at = found;
        }
    }

    /// <summary>Called by the heartbeat.</summary>
    /// <param name="now">The time.</param>
    /// <param name="notice">How long before the end the host is told. Zero: not at all.</param>
    /// <param name="at">The date that the action is about.</param>
    public ExpiryAction Beat(DateTimeOffset now, TimeSpan notice, out DateTimeOffset at)
    {
        long ticks = Volatile.Read(ref _at);
        at = default;
        if (ticks is < 0 or Never)
            return ExpiryAction.None;
        at = new DateTimeOffset(ticks, TimeSpan.Zero);
        if (now >= at)
            return Interlocked.CompareExchange(ref _at, ~ticks, ticks) == ticks ? ExpiryAction.Close : ExpiryAction.None;
        if (notice == TimeSpan.Zero || at - now > notice || _notifiedFor == ticks)
            return ExpiryAction.None;
        _notifiedFor = ticks;
        return ExpiryAction.Notify;
    }
}
