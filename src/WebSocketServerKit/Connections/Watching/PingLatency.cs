using System.Buffers.Binary;

namespace WebSocketServerKit.Connections.Watching;

/// <summary>
/// The time from a Ping to its Pong. The payload of the Ping is the timestamp at which it was sent. From any thread.
/// <para>
/// Whoever waits for an answer registers first, and looks afterwards whether a Ping is under way and whether the connection ends. Whoever changes these does it first, and looks afterwards
/// who waits. So no waiter is missed.
/// </para>
/// </summary>
internal struct PingLatency()
{
    /// <summary>The length of a Ping's payload.</summary>
    public const int PayloadSize = sizeof(long);

    private long _sentAt;       // exact timestamp of the Ping that waits for its Pong; 0 for none
    private long _latency = -1; // ticks of TimeSpan; -1 before the first Pong
    private TaskCompletionSource<TimeSpan?>? _answer; // made for the first that waits, until the next Pong

    /// <summary>The latest time, or null before the first Pong.</summary>
    public readonly TimeSpan? Latency => Volatile.Read(in _latency) is >= 0 and var ticks ? new TimeSpan(ticks) : null;

    /// <summary>Completes with the time of the next Pong that counts; with null if the connection ends before.</summary>
    public Task<TimeSpan?> WhenAnswered()
    {
        var mine = new TaskCompletionSource<TimeSpan?>(TaskCreationOptions.RunContinuationsAsynchronously);
        return (Interlocked.CompareExchange(ref _answer, mine, null) ?? mine).Task;
    }

    /// <summary>A Ping is sent now, unless one that was sent less than the timeout ago waits for its Pong. True if it is to be sent; then its payload was written.</summary>
    public bool TryBegin(Heartbeat heartbeat, TimeSpan timeout, Span<byte> payload)
    {
        long now = heartbeat.Timestamp();
        long sentAt = Volatile.Read(ref _sentAt);
        if (sentAt != 0 && heartbeat.Elapsed(sentAt, now) < timeout)
            return false;
        // Of two callers that find none under way, one sends it.
        if (Interlocked.CompareExchange(ref _sentAt, now, sentAt) != sentAt)
            return false;
        BinaryPrimitives.WriteInt64BigEndian(payload, now);
        return true;
    }

    /// <summary>A Ping is sent now, whether or not one waits for its Pong: writes its payload.</summary>
    public void Begin(Heartbeat heartbeat, Span<byte> payload)
    {
        long now = heartbeat.Timestamp();
        Volatile.Write(ref _sentAt, now);
        BinaryPrimitives.WriteInt64BigEndian(payload, now);
    }

    /// <summary>A Pong came. One with another payload than the latest Ping's is ignored.</summary>
    public void End(Heartbeat heartbeat, ReadOnlySpan<byte> payload)
    {
        long sentAt = Volatile.Read(ref _sentAt);
        // 5.5.3: "A Pong frame sent in response to a Ping frame must have identical "Application data" as found in the message body of the Ping
        // frame being replied to."
        if (sentAt == 0 || payload.Length != PayloadSize || BinaryPrimitives.ReadInt64BigEndian(payload) != sentAt)
            return;
        TimeSpan latency = heartbeat.Elapsed(sentAt, heartbeat.Timestamp());
        Volatile.Write(ref _latency, latency.Ticks);
        Interlocked.CompareExchange(ref _sentAt, 0, sentAt); // unless the next Ping was sent meanwhile
        Interlocked.Exchange(ref _answer, null)?.TrySetResult(latency);
    }

    /// <summary>The connection ends, as everybody can see already: no Pong will count any more.</summary>
    public void Abandon()
    {
        Interlocked.MemoryBarrier();
        Interlocked.Exchange(ref _answer, null)?.TrySetResult(null);
    }
}
