using System.Buffers.Binary;

namespace WebSocketServerKit.Connections.Watching;

/// <summary>
/// Measures the time from a ping to its pong. The payload of the ping is the timestamp at which it was sent. Ping and pong may be handled on different threads.
/// </summary>
internal struct PingLatency()
{
    /// <summary>The length of a ping's payload.</summary>
    public const int PayloadSize = sizeof(long);

    private long _sentAt;       // timestamp of the ping that waits for its pong; 0 for none
    private long _latency = -1; // ticks of TimeSpan; -1 before the first pong

    /// <summary>The latest round-trip time, or null before the first pong.</summary>
    public readonly TimeSpan? Latency => Volatile.Read(in _latency) is >= 0 and var ticks ? new TimeSpan(ticks) : null;

    /// <summary>Whether a ping was sent less than <paramref name="timeout"/> ago and waits for its pong.</summary>
    public readonly bool IsUnderWay(Heartbeat heartbeat, TimeSpan timeout)
    {
        long sentAt = Volatile.Read(in _sentAt);
        return sentAt != 0 && heartbeat.Elapsed(sentAt, heartbeat.Timestamp()) < timeout;
    }

    /// <summary>Starts a measurement: writes the payload of the ping, which the caller sends at once.</summary>
    public void Begin(Heartbeat heartbeat, Span<byte> payload)
    {
        long now = heartbeat.Timestamp();
        Volatile.Write(ref _sentAt, now);
        BinaryPrimitives.WriteInt64BigEndian(payload, now);
    }

    /// <summary>Ends the measurement if the payload is that of the latest ping. Any other pong is ignored.</summary>
    public void End(Heartbeat heartbeat, ReadOnlySpan<byte> payload)
    {
        long sentAt = Volatile.Read(ref _sentAt);
        // 5.5.3: "A Pong frame sent in response to a Ping frame must have identical "Application data" as found in the message body of the Ping
        // frame being replied to."
        if (sentAt == 0 || payload.Length != PayloadSize || BinaryPrimitives.ReadInt64BigEndian(payload) != sentAt)
            return;
        Volatile.Write(ref _latency, heartbeat.Elapsed(sentAt, heartbeat.Timestamp()).Ticks);
        Volatile.Write(ref _sentAt, 0);
    }
}
