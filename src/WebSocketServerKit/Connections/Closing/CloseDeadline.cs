using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Closing;

/// <summary>
/// How long the end of a connection may take. The peer has the close timeout, counted from its last progress, but no longer than the maximum close duration. The handlers of a connection
/// that was cut have the close timeout as well. Plain fields that the heartbeat looks at. Thread-safe.
/// </summary>
internal sealed class CloseDeadline(TransportConnection transport, ConnectionSettings settings, Heartbeat heartbeat)
{
    private long _deadline = long.MaxValue;   // when the connection is cut, unless the peer makes progress
    private long _closeBy = long.MaxValue;    // from when on progress does not count
    private long _bytesTaken;                 // by the peer, when the heartbeat last looked
    private long _abandonAt = long.MaxValue;  // when the handlers are given up

    /// <summary>From now on the peer has to take what is sent to it, or to end.</summary>
    public void Start()
    {
        _bytesTaken = transport.BytesTaken;
        Volatile.Write(ref _deadline, heartbeat.After(settings.CloseTimeout));
        Interlocked.CompareExchange(ref _closeBy, heartbeat.After(settings.MaxCloseDuration), long.MaxValue);
    }

    /// <summary>Allows the peer this time from now on. Progress counts only if <see cref="Start"/> was called.</summary>
    public void StartWith(TimeSpan time) => Volatile.Write(ref _deadline, heartbeat.After(time));

    /// <summary>The connection is cut: the peer is not waited for any more.</summary>
    public void Stop() => Volatile.Write(ref _deadline, long.MaxValue);

    /// <summary>From now on the handlers have the close timeout. The first call counts.</summary>
    public void StartForHandlers() => Interlocked.CompareExchange(ref _abandonAt, heartbeat.After(settings.CloseTimeout), long.MaxValue);

    /// <summary>Whether the handlers' time is over.</summary>
    public bool IsOverForHandlers(long now) => now >= Volatile.Read(ref _abandonAt);

    /// <summary>Whether the peer's time is over; true once for each start. Moves the deadline on if the peer made progress.</summary>
    public bool IsOver(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        // If the deadline was started anew in this very moment, the connection must not be cut for the old one.
        if (now >= deadline)
            return Interlocked.CompareExchange(ref _deadline, long.MaxValue, deadline) == deadline;
        if (Volatile.Read(ref _closeBy) != long.MaxValue)
            LookForProgress(now, deadline);
        return false;
    }

    private void LookForProgress(long now, long deadline)
    {
        long taken = transport.BytesTaken;
        if (taken != _bytesTaken && now < Volatile.Read(ref _closeBy) && deadline != long.MaxValue)
            Interlocked.CompareExchange(ref _deadline, heartbeat.After(settings.CloseTimeout), deadline);
        _bytesTaken = taken;
    }
}
