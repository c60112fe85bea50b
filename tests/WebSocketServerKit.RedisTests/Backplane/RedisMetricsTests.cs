using System.Diagnostics.Metrics;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Backplane;

public class RedisMetricsTests
{
    [Fact]
    public async Task Messages_and_channels_are_counted()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        using MeterListener listener = new();
        Dictionary<string, long> figures = new(StringComparer.Ordinal);
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Meter.Name == RedisMetrics.MeterName)
                it.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            string name = instrument.Name + (tags.Length > 0 ? $" {tags[0].Value}" : "");
            lock (figures)
                figures[name] = instrument.IsObservable ? value : figures.GetValueOrDefault(name) + value;
        });
        listener.Start();

        await using TestNode a = await TestNode.StartAsync(redis, options => options.MaxPendingBytes = 1_000);
        await using TestNode b = await TestNode.StartAsync(redis, options => options.MaxReceivedBytes = 400);
        await b.SubscribeAsync("group");
        await a.PublishAsync("group", "1");
        await b.NextAsync();
        Assert.False(a.TryPublish("group", new string('x', 1_000)));
        await a.PublishAsync("group", new string('x', 300));
        await Polling.UntilAsync(() => Read("websocket.redis.messages.dropped received_limit") > 0);
        await redis.KillAsync();
        await Polling.UntilAsync(() => !a.Connection.IsConnected);
        Assert.False(a.TryPublish("group", "2"));
        listener.RecordObservableInstruments();

        // Other tests run at the same time, and are counted as well.
        Assert.True(Read("websocket.redis.messages.published") >= 2);
        Assert.True(Read("websocket.redis.messages.received") >= 1);
        Assert.True(Read("websocket.redis.messages.dropped pending_limit") >= 1);
        Assert.True(Read("websocket.redis.messages.dropped connection_lost") >= 1);
        Assert.True(Read("websocket.redis.channels") >= 1);
        Assert.True(Read("websocket.redis.pending.size") >= 0);

        long Read(string name)
        {
            lock (figures)
                return figures.GetValueOrDefault(name, -1);
        }
    }

    [Fact]
    public async Task A_listener_that_throws_loses_no_message_and_keeps_no_room()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Meter.Name == RedisMetrics.MeterName && !instrument.IsObservable)
                it.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => throw new InvalidOperationException("on purpose"));
        listener.Start();

        await using TestNode a = await TestNode.StartAsync(redis, options => options.MaxPendingBytes = 1_000);
        await using TestNode b = await TestNode.StartAsync(redis, options => options.MaxReceivedBytes = 400);
        await b.SubscribeAsync("group");
        await a.PublishAsync("group", new string('x', 300)); // too much for what b may hold
        Assert.False(a.TryPublish("group", new string('x', 1_000)));
        for (int i = 0; i < 20; i++)
        {
            await a.PublishAsync("group", $"{i}");
            Assert.Equal($"{i}", (await b.NextAsync()).Message);
        }
    }
}
