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

    private static readonly Counter<long> PublishedMessages = Meter.CreateCounter<long>("websocket.redis.messages.published", "{message}", "Messages that were handed to Redis.");

    private static readonly Counter<long> ReceivedMessages = Meter.CreateCounter<long>("websocket.redis.messages.received", "{message}", "Messages that servers took, those that they had published themselves included.");

    private static readonly Counter<long> DroppedMessages = Meter.CreateCounter<long>("websocket.redis.messages.dropped", "{message}",
        "Messages that were dropped; reason: pending_limit (too much waited for Redis), connection_lost, received_limit (too much waited for the server).");

    static RedisMetrics()
    {
        Meter.CreateObservableUpDownCounter("websocket.redis.pending.size", () => Sum(static node => node.Outbox.PendingBytes), "By", "Bytes that are published and not answered by Redis.");
        Meter.CreateObservableUpDownCounter("websocket.redis.channels", () => Sum(static node => node.ChannelCount), "{channel}", "Channels that are subscribed to.");
    }

    public static void Published() => Count(PublishedMessages, 1);

    public static void Received(int messages) => Count(ReceivedMessages, messages);

    public static void DroppedAboveLimit() => Count(DroppedMessages, 1, Limit);

    public static void DroppedWhileLost() => Count(DroppedMessages, 1, Lost);

    public static void DroppedOfReceived() => Count(DroppedMessages, 1, Slow);

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

    // A listener is code of the host. What it throws must not end a loop, nor keep what is reserved for a message.
    private static void Count(Counter<long> counter, int messages, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        try
        {
            counter.Add(messages, tags);
        }
        catch (Exception)
        {
            // The measurement is lost.
        }
    }

    private static long Sum(Func<RedisNode, long> read)
    {
        lock (Nodes)
            return Nodes.Sum(read);
    }
}
