using System.Buffers.Binary;

namespace WebSocketServerKit.Connections.Watching;

/// <summary>
/// Measures the time from a ping to its pong. The payload of the ping is the timestamp at which it was sent. From any thread.
/// <para>
/// Invariant against lost wake-ups: a caller registers as a waiter before it checks whether a ping is under way and whether the connection ends. Who changes either of these does so before
/// it checks for waiters.
/// </para>
/// </summary>
internal struct PingLatency()
{
    /// <summary>The length of a ping's payload.</summary>
    public const int PayloadSize = sizeof(long);

    private long _sentAt;       // timestamp of the ping that waits for its pong; 0 for none
    private long _latency = -1; // ticks of TimeSpan; -1 before the first pong
    private TaskCompletionSource<TimeSpan?>? _answer; // made for the first waiter; null again after the next pong

    /// <summary>The latest round-trip time, or null before the first pong.</summary>
    public readonly TimeSpan? Latency => Volatile.Read(in _latency) is >= 0 and var ticks ? new TimeSpan(ticks) : null;

    /// <summary>Registers a waiter. Completes with the next round-trip time; with null if the connection ends before.</summary>
    public Task<TimeSpan?> WhenAnswered()
    {
        var mine = new TaskCompletionSource<TimeSpan?>(TaskCreationOptions.RunContinuationsAsynchronously);
        return (Interlocked.CompareExchange(ref _answer, mine, null) ?? mine).Task;
    }

    /// <summary>Starts a measurement, unless a ping was sent less than the timeout ago and waits for its pong. True if it was started: the caller sends the ping at once.</summary>
    public bool TryBegin(Heartbeat heartbeat, TimeSpan timeout, Span<byte> payload)
    {
        long now = heartbeat.Timestamp();
        long sentAt = Volatile.Read(ref _sentAt);
        if (sentAt != 0 && heartbeat.Elapsed(sentAt, now) < timeout)
            return false;
        // A race of two callers: one of them sends the ping.
        if (Interlocked.CompareExchange(ref _sentAt, now, sentAt) != sentAt)
            return false;
        BinaryPrimitives.WriteInt64BigEndian(payload, now);
        return true;
    }

    /// <summary>
    /// Writes the payload of a ping that is sent in any case. While a ping waits for its pong, the payload is that ping's: the answer to either counts for it, since a peer may answer the latest
    /// only.
    /// </summary>
    public void BeginOrRepeat(Heartbeat heartbeat, TimeSpan timeout, Span<byte> payload)
    {
        if (!TryBegin(heartbeat, timeout, payload))
            BinaryPrimitives.WriteInt64BigEndian(payload, Volatile.Read(ref _sentAt));
    }

    /// <summary>Ends the measurement if the payload is that of the latest ping. Any other pong is ignored.</summary>
    /// <returns>The round-trip time; null for any other pong.</returns>
    public TimeSpan? End(Heartbeat heartbeat, ReadOnlySpan<byte> payload)
    {
        long sentAt = Volatile.Read(ref _sentAt);
        // 5.5.3: "A Pong frame sent in response to a Ping frame must have identical "Application data" as found in the message body of the Ping
        // frame being replied to."
        if (sentAt == 0 || payload.Length != PayloadSize || BinaryPrimitives.ReadInt64BigEndian(payload) != sentAt)
            return null;
        TimeSpan latency = heartbeat.Elapsed(sentAt, heartbeat.Timestamp());
        Volatile.Write(ref _latency, latency.Ticks);
        Interlocked.CompareExchange(ref _sentAt, 0, sentAt); // unless the next ping was sent meanwhile
        Interlocked.Exchange(ref _answer, null)?.TrySetResult(latency);
        return latency;
    }

    /// <summary>Ends the wait for a pong. The connection is marked as ending before.</summary>
    public void Abandon()
    {
        Interlocked.MemoryBarrier();
        Interlocked.Exchange(ref _answer, null)?.TrySetResult(null);
    }
}
