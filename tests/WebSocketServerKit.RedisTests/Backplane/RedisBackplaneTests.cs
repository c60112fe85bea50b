using System.Globalization;
using StackExchange.Redis;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Backplane;

public class RedisBackplaneTests
{
    public static TheoryData<RedisPubSub, string> Modes => new()
    {
        { RedisPubSub.Classic, "" }, { RedisPubSub.Sharded, "" }, { RedisPubSub.Classic, ",protocol=resp2" }, { RedisPubSub.Sharded, ",protocol=resp2" },
    };

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task A_message_comes_to_all_that_have_subscribed_to_its_channel(RedisPubSub mode, string more)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        await using TestNode b = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        await using TestNode c = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        await Task.WhenAll(b.SubscribeAsync("one"), c.SubscribeAsync("one"), c.SubscribeAsync("two"));

        Assert.Equal(2, await a.PublishAsync("one", "1"));
        Assert.Equal(1, await a.PublishAsync("two", "2"));
        Assert.True(a.TryPublish("one", "3"));

        Assert.Equal(("one", "1"), await b.NextAsync());
        Assert.Equal(("one", "3"), await b.NextAsync());
        Assert.Equal([("one", "1"), ("one", "3"), ("two", "2")], [.. new[] { await c.NextAsync(), await c.NextAsync(), await c.NextAsync() }.Order()]);
        Assert.Equal(0, b.Received);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task A_node_is_told_that_nobody_else_listens_until_somebody_does(RedisPubSub mode, string more)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        await using TestNode b = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        await a.SubscribeAsync("group");

        Assert.True(a.Connection.IsWanted("group"));
        await a.PublishAsync("group", "1");
        Assert.False(a.Connection.IsWanted("group"));
        Assert.True(a.Connection.IsWanted("other"));

        await b.SubscribeAsync("group");
        Assert.True(a.Connection.IsWanted("group"));
        await a.PublishAsync("group", "2");
        Assert.True(a.Connection.IsWanted("group"));
        Assert.Equal(("group", "2"), await b.NextAsync());

        await b.Connection.UnsubscribeAsync("group");
        Assert.Equal(0, await a.PublishAsync("group", "3"));
        Assert.False(a.Connection.IsWanted("group"));
    }

    [Fact]
    public async Task A_message_that_is_published_after_a_subscription_is_never_left_out()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis);
        using CancellationTokenSource stop = new();
        // All the time answers come that say nobody listens.
        Task flood = Task.Run(
            async () =>
            {
                for (int i = 0; !stop.IsCancellationRequested; i = (i + 1) % 20)
                    await a.PublishAsync($"group{i}", "flood");
            },
            TestContext.Current.CancellationToken);

        for (int i = 0; i < 20; i++)
        {
            await b.SubscribeAsync($"group{i}");
            string message = $"after {i}";
            if (a.Connection.IsWanted($"group{i}"))
                Assert.True(a.TryPublish($"group{i}", message));
            while ((await b.NextAsync()).Message != message)
            {
            }

            await b.Connection.UnsubscribeAsync($"group{i}");
        }

        await stop.CancelAsync();
        await flood;
    }

    [Fact]
    public async Task A_channel_may_have_any_name()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis);
        string[] names = ["", " ", "*", "[a-z]?", "{a}", "}{", "\0\r\n", "ü€😀", "\ud800", "\udc00", "nodes", new('x', 5000)];
        foreach (string name in names)
            await b.SubscribeAsync(name);
        foreach (string name in names)
        {
            Assert.Equal(1, await a.PublishAsync(name, "message"));
            Assert.Equal((name, "message"), await b.NextAsync());
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task Messages_of_one_thread_keep_their_order_in_each_channel(RedisPubSub mode, string more)
    {
        const int Threads = 4, Channels = 5, Messages = 2_000;
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        await using TestNode b = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        for (int i = 0; i < Channels; i++)
            await b.SubscribeAsync($"{i}");

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() =>
        {
            for (int i = 0; i < Messages; i++)
                Assert.True(a.TryPublish($"{i % Channels}", $"{thread} {i}"));
        })));

        Dictionary<(string Channel, string Thread), int> last = [];
        for (int i = 0; i < Threads * Messages; i++)
        {
            (string channel, string message) = await b.NextAsync();
            string[] parts = message.Split(' ');
            int number = int.Parse(parts[1], CultureInfo.InvariantCulture);
            Assert.True(number > last.GetValueOrDefault((channel, parts[0]), -1));
            last[(channel, parts[0])] = number;
        }
    }

    [Fact]
    public async Task Messages_of_one_channel_come_one_after_the_other()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis);
        int inside = 0, most = 0;
        b.OnReceive = _ =>
        {
            most = Math.Max(most, Interlocked.Increment(ref inside));
            Thread.Yield();
            Interlocked.Decrement(ref inside);
        };
        await b.SubscribeAsync("group");
        for (int i = 0; i < 1_000; i++)
            Assert.True(a.TryPublish("group", $"{i}"));
        Assert.Equal([.. Enumerable.Range(0, 1_000).Select(i => $"{i}")], await b.TakeAsync(1_000));
        Assert.Equal(1, most);
    }

    [Fact]
    public async Task After_an_unsubscription_and_another_subscription_messages_come_again()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis);
        for (int i = 0; i < 10; i++)
        {
            await b.SubscribeAsync("group");
            Assert.True(a.Connection.IsWanted("group"));
            Assert.Equal(1, await a.PublishAsync("group", $"{i}"));
            Assert.Equal(("group", $"{i}"), await b.NextAsync());
            await b.Connection.UnsubscribeAsync("group");
            Assert.Equal(0, await a.PublishAsync("group", "nobody"));
        }
    }

    [Fact]
    public async Task Servers_of_one_backplane_reach_each_other()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(a.Backplane);
        await using TestNode c = await TestNode.StartAsync(redis);
        await a.SubscribeAsync("group");
        await a.PublishAsync("group", "nobody");
        Assert.Equal(("group", "nobody"), await a.NextAsync());
        Assert.False(a.Connection.IsWanted("group"));
        Assert.True(b.Connection.IsWanted("group"));
        await b.SubscribeAsync("group");
        Assert.True(a.Connection.IsWanted("group"));
        Assert.Equal(1, await a.PublishAsync("group", "1"));
        Assert.Equal(("group", "1"), await b.NextAsync());

        await a.DisposeAsync();
        Assert.Equal(1, await c.PublishAsync("group", "2"));
        Assert.Equal(("group", "2"), await b.NextAsync());
    }

    [Fact]
    public async Task A_client_of_the_application_is_used_and_not_disposed_of()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer multiplexer = await redis.ConnectAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        RedisBackplane backplane = new(multiplexer, "chat");
        for (int i = 0; i < 2; i++)
        {
            await using TestNode b = await TestNode.StartAsync(backplane);
            await b.SubscribeAsync("group");
            Assert.Equal(1, await a.PublishAsync("group", "1"));
            Assert.Equal(("group", "1"), await b.NextAsync());
            await b.DisposeAsync();
            await Polling.UntilAsync(() => a.PublishAsync("group", "2").Result == 0);
        }

        Assert.True(multiplexer.IsConnected);
        Assert.Contains("\"chat\" already", Assert.Throws<InvalidOperationException>(() => new RedisBackplane(multiplexer, "chat")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_cannot_use_a_backplane_does_not_take_its_prefix()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer multiplexer = await redis.ConnectAsync();
        await using WebSocketServer server = new(new WebSocketServerOptions());
        server.UseBackplane(new InProcessBackplane());
        for (int i = 0; i < 2; i++)
            Assert.Contains("has a backplane already", Assert.Throws<InvalidOperationException>(() => server.UseRedis(multiplexer, "chat")).Message, StringComparison.Ordinal);
        await using WebSocketServer other = new(new WebSocketServerOptions());
        other.UseRedis(multiplexer, "chat");
    }

    [Fact]
    public async Task Applications_with_different_prefixes_do_not_meet()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis, prefix: "other");
        await b.SubscribeAsync("group");
        Assert.Equal(0, await a.PublishAsync("group", "1"));
    }

    [Fact]
    public async Task A_node_that_has_left_receives_no_more()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        TestNode b = await TestNode.StartAsync(redis);
        await b.SubscribeAsync("group");
        await b.DisposeAsync();
        await Polling.UntilAsync(() => a.PublishAsync("group", "1").Result == 0);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => b.SubscribeAsync("group"));
    }

    [Fact]
    public async Task What_was_published_before_a_stop_is_sent()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        TestNode b = await TestNode.StartAsync(redis, options => options.StopPatience = TimeSpan.FromSeconds(30));
        await a.SubscribeAsync("group");
        for (int i = 0; i < 1_000; i++)
            Assert.True(b.TryPublish("group", $"{i}"));
        await b.DisposeAsync();
        Assert.Equal([.. Enumerable.Range(0, 1_000).Select(i => $"{i}")], await a.TakeAsync(1_000));
    }

    [Fact]
    public async Task Many_channels_are_subscribed_to_at_once()
    {
        const int Channels = 5_000;
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis);
        await Task.WhenAll(Enumerable.Range(0, Channels).Select(i => b.SubscribeAsync($"group{i}")));
        for (int i = 0; i < Channels; i++)
            Assert.True(a.TryPublish($"group{i}", "message"));
        HashSet<string> channels = [];
        while (channels.Count < Channels)
            Assert.True(channels.Add((await b.NextAsync()).Channel));
    }
}
