using System.Diagnostics.Metrics;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Backplane;

/// <summary>The instruments of all nodes of the process. Thread-safe.</summary>
internal static class RedisMetrics
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "WebSocketServerKit.Redis";

    private static readonly Meter Meter = new(MeterName, PackageVersion.Of(typeof(RedisMetrics).Assembly));
    private static readonly List<RedisNode> Nodes = []; // its own lock
    private static readonly KeyValuePair<string, object?> Limit = new("reason", "pending_limit"), Lost = new("reason", "connection_lost"), Slow = new("reason", "received_limit");

    private static readonly Counter<long> DroppedMessages = Meter.CreateCounter<long>("websocket.redis.messages.dropped", "{message}",
        "Messages that were dropped; reason: pending_limit (too much waited for Redis), connection_lost, received_limit (too much waited for the server).");

    static RedisMetrics()
    {
        Meter.CreateObservableUpDownCounter("websocket.redis.pending.size", () => Sum(static node => node.Outbox.PendingBytes), "By", "Bytes that are published and not answered by Redis.");
        Meter.CreateObservableUpDownCounter("websocket.redis.channels", () => Sum(static node => node.ChannelCount), "{channel}", "Channels that are subscribed to.");
    }

    public static Counter<long> Published { get; } = Meter.CreateCounter<long>("websocket.redis.messages.published", "{message}", "Messages that were handed to Redis.");

    public static Counter<long> Received { get; } = Meter.CreateCounter<long>("websocket.redis.messages.received", "{message}", "Messages that servers took, those that they had published themselves included.");

    public static void DroppedAboveLimit() => DroppedMessages.Add(1, Limit);

    public static void DroppedWhileLost() => DroppedMessages.Add(1, Lost);

    public static void DroppedOfReceived() => DroppedMessages.Add(1, Slow);

    public static void Add(RedisNode node)
    {
        lock (Nodes)
            Nodes.Add(node);
    }

    public static void Remove(RedisNode node)
    {
        lock (Nodes)
            Nodes.Remove(node);
    }

    private static long Sum(Func<RedisNode, long> read)
    {
        lock (Nodes)
            return Nodes.Sum(read);
    }
}
