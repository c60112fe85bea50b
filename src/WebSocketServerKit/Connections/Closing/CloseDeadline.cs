using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Closing;

/// <summary>
/// Bounds how long the end of a connection takes. The peer has the close timeout since its last progress, and the maximum close duration in total. After the
/// connection was cut, its handlers have the close timeout too.
/// <para>The deadlines are plain fields, and the heartbeat checks them. Thread-safe; only the heartbeat calls <see cref="IsOver"/>.</para>
/// </summary>
internal sealed class CloseDeadline(TransportConnection transport, ConnectionSettings settings, Heartbeat heartbeat)
{
    private long _deadline = long.MaxValue;   // when the connection is cut; progress of the peer moves it
    private long _closeBy = long.MaxValue;    // when progress no longer moves the deadline
    private long _bytesTaken;                 // the bytes that the peer had taken at the last beat
    private long _abandonAt = long.MaxValue;  // when the handlers are given up

    /// <summary>Starts the close timeout. Again restarts it, but not the maximum close duration.</summary>
    public void Start()
    {
        _bytesTaken = transport.BytesTaken;
        Volatile.Write(ref _deadline, heartbeat.After(settings.CloseTimeout));
        Interlocked.CompareExchange(ref _closeBy, heartbeat.After(settings.MaxCloseDuration), long.MaxValue);
    }

    /// <summary>Starts another timeout instead. Progress moves it only if <see cref="Start"/> was called before.</summary>
    public void StartWith(TimeSpan time) => Volatile.Write(ref _deadline, heartbeat.After(time));

    /// <summary>Removes the peer's deadline, because the connection was cut.</summary>
    public void Stop() => Volatile.Write(ref _deadline, long.MaxValue);

    /// <summary>Starts the close timeout for the handlers. Further calls do nothing.</summary>
    public void StartForHandlers() => Interlocked.CompareExchange(ref _abandonAt, heartbeat.After(settings.CloseTimeout), long.MaxValue);

    /// <summary>Whether the handlers' timeout is over.</summary>
    public bool IsOverForHandlers(long now) => now >= Volatile.Read(ref _abandonAt);

    /// <summary>Whether the peer's deadline has passed; true once for each start. Moves the deadline if the peer has made progress.</summary>
    public bool IsOver(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        // If another thread restarts the deadline at this moment, the exchange fails and the new deadline counts.
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
