using System.Globalization;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Backplane;

public class LostRedisTests
{
    [Theory]
    [MemberData(nameof(RedisBackplaneTests.Modes), MemberType = typeof(RedisBackplaneTests))]
    public async Task After_a_restart_of_Redis_all_channels_are_subscribed_to_again(RedisPubSub mode, string more)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        await using TestNode b = await TestNode.StartAsync(redis, options => options.PubSub = mode, more);
        for (int i = 0; i < 20; i++)
            await b.SubscribeAsync($"{i}");
        Assert.True(a.Connection.IsConnected && b.Connection.IsConnected);

        await redis.KillAsync();
        await Polling.UntilAsync(() => !a.Connection.IsConnected && !b.Connection.IsConnected);
        Assert.False(a.TryPublish("0", "lost"));
        await Assert.ThrowsAsync<IOException>(() => a.PublishAsync("0", "lost"));
        await Polling.UntilAsync(() => b.HasLogged(201));

        await redis.RestartAsync();
        await Polling.UntilAsync(() => a.Connection.IsConnected && b.Connection.IsConnected);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(a.Connection.IsWanted($"{i}"));
            Assert.Equal(1, await a.PublishAsync($"{i}", $"{i}"));
        }

        Assert.Equal(20, (await b.TakeAsync(20)).Distinct(StringComparer.Ordinal).Count());
        Assert.Single(b.Logs, record => record.Id.Id == 202);
        Assert.Contains("1 messages could not be published", a.Logs.Single(record => record.Id.Id == 202).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_restart_of_Redis_nobody_believes_that_nobody_listens()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis);
        await b.SubscribeAsync("group");
        await redis.KillAsync();
        await Polling.UntilAsync(() => !a.Connection.IsConnected && !b.Connection.IsConnected);
        await redis.RestartAsync();
        // It may learn that nobody listens before the other is back.
        while (!b.Connection.IsConnected)
        {
            if (a.Connection.IsConnected && a.Connection.IsWanted("group"))
                a.TryPublish("group", "early");
            await Task.Yield();
        }

        await Polling.UntilAsync(() => a.Connection.IsConnected);
        Assert.True(a.Connection.IsWanted("group"));
    }

    [Fact]
    public async Task A_subscription_fails_while_Redis_is_lost_and_succeeds_after_it()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis);
        await redis.KillAsync();
        await Polling.UntilAsync(() => !a.Connection.IsConnected && !b.Connection.IsConnected);
        await Assert.ThrowsAnyAsync<Exception>(() => b.SubscribeAsync("group"));
        await redis.RestartAsync();
        await Polling.UntilAsync(() => a.Connection.IsConnected && b.Connection.IsConnected);
        Assert.Equal(0, await a.PublishAsync("group", "nobody"));
        await b.SubscribeAsync("group");
        Assert.Equal(1, await a.PublishAsync("group", "message"));
        Assert.Equal(("group", "message"), await b.NextAsync());
    }

    [Fact]
    public async Task A_start_without_Redis_fails_and_says_what_to_do()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await redis.KillAsync();
        IOException exception = await Assert.ThrowsAsync<IOException>(() => TestNode.StartAsync(redis, more: ",connectTimeout=200,connectRetry=1"));
        Assert.Contains("redis.sock cannot be reached. Check that it runs", exception.Message, StringComparison.Ordinal);
        Assert.Contains("StartWithoutRedis", exception.Message, StringComparison.Ordinal);

        await redis.RestartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
    }

    [Fact]
    public async Task A_server_may_start_without_Redis_and_finds_it_later()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await redis.KillAsync();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.StartWithoutRedis = true, ",connectTimeout=200,connectRetry=1");
        Assert.False(a.Connection.IsConnected);
        Assert.True(a.HasLogged(207));
        Assert.True(a.Connection.IsWanted("group"));
        Assert.False(a.TryPublish("group", "lost"));
        await Assert.ThrowsAsync<IOException>(() => a.SubscribeAsync("group"));

        await redis.RestartAsync();
        await Polling.UntilAsync(() => a.Connection.IsConnected);
        await using TestNode b = await TestNode.StartAsync(redis);
        await a.SubscribeAsync("group");
        Assert.Equal(1, await b.PublishAsync("group", "message"));
        Assert.Equal(("group", "message"), await a.NextAsync());
    }

    [Fact]
    public async Task While_Redis_does_not_answer_only_so_much_is_kept_and_nothing_waits()
    {
        const int Size = 1024, Limit = 100 * (Size + 5 + Outbox.Overhead); // 5: the name of the channel
        await using RedisServer redis = await RedisServer.StartAsync();
        FakeTimeProvider time = new();
        await using TestNode a = await TestNode.StartAsync(
            redis,
            options =>
            {
                options.MaxPendingBytes = Limit;
                options.Time = time;
            },
            ",asyncTimeout=300");
        await using TestNode b = await TestNode.StartAsync(redis);
        await b.SubscribeAsync("group");
        string message = new('x', Size);

        redis.Pause();
        int taken = 0;
        // It lasts for longer than the client waits for an answer, and what it still holds goes on to count.
        Task<int> unanswered = a.PublishAsync("group", message);
        while (!unanswered.IsCompleted)
        {
            if (a.TryPublish("group", message))
                taken++;
            await Task.Yield();
        }

        Assert.Equal(99, taken);
        Assert.IsAssignableFrom<TimeoutException>((await Assert.ThrowsAsync<IOException>(() => unanswered)).InnerException);
        Assert.False(a.TryPublish("group", message));
        await Assert.ThrowsAsync<IOException>(() => a.PublishAsync("group", message));
        Assert.Single(a.Logs, record => record.Id.Id == 203);

        redis.Resume();
        Assert.Equal(100, (await b.TakeAsync(100)).Count);
        await a.PublishWithRoomAsync("group", "last");
        Assert.Equal("last", (await b.NextAsync()).Message);
        time.Advance(TimeSpan.FromSeconds(10));
        await a.PublishAsync("group", "more");
        Assert.Single(a.Logs, record => record.Id.Id == 204);
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_a_Redis_that_does_not_answer()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        TestNode a = await TestNode.StartAsync(redis, more: ",syncTimeout=60000,asyncTimeout=60000");
        await a.SubscribeAsync("group");
        redis.Pause();
        Assert.True(a.TryPublish("group", "message"));
        Task subscribing = a.SubscribeAsync("other");
        await a.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        await Assert.ThrowsAnyAsync<Exception>(() => subscribing);
    }

    [Fact]
    public async Task What_the_server_has_no_time_for_is_dropped_and_the_rest_keeps_its_order()
    {
        const int Size = 1024, Limit = 100 * (Size + Inbox.Overhead), Messages = 1_000;
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis);
        await using TestNode b = await TestNode.StartAsync(redis, options => options.MaxReceivedBytes = Limit);
        using ManualResetEventSlim go = new();
        b.OnReceive = _ => go.Wait(TestContext.Current.CancellationToken);
        await b.SubscribeAsync("group");
        for (int i = 0; i < Messages; i++)
            Assert.True(a.TryPublish("group", $"{i}".PadRight(Size)));
        // Redis has sent all of it.
        await a.PublishAsync("other", "");
        await b.PublishAsync("other", "");
        go.Set();
        List<int> taken = [];
        do
        {
            Assert.True(a.TryPublish("group", $"{Messages}"));
            taken.Add(int.Parse((await b.NextAsync()).Message, CultureInfo.InvariantCulture));
        }
        while (!b.HasLogged(205) || taken[^1] < Messages);

        Assert.Equal(0, taken[0]);
        Assert.Equal(taken.Order(), taken);
        Assert.InRange(taken.Count(number => number < Messages), 100, Messages - 1);
    }

    [Fact]
    public async Task A_node_that_does_not_acknowledge_is_given_up()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer hung = await redis.ConnectAsync();
        FakeTimeProvider time = new();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.Time = time);
        await hung.GetSubscriber().SubscribeAsync(RedisChannel.Sharded("chat:nodes"));
        Task subscribing = a.SubscribeAsync("group");
        await Polling.UntilAsync(() =>
        {
            time.Advance(Announcements.Patience);
            return subscribing.IsCompleted;
        });
        await subscribing;
        Assert.Contains("of 2 nodes did not acknowledge", a.Logs.Single(record => record.Id.Id == 208).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_that_cannot_be_written_keeps_no_server_from_Redis()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.LoggerFactory = new ThrowingLog());
        await using TestNode b = await TestNode.StartAsync(redis, options => options.LoggerFactory = new ThrowingLog());
        await redis.KillAsync();
        await Polling.UntilAsync(() => !a.Connection.IsConnected && !b.Connection.IsConnected);
        await redis.RestartAsync();
        await Polling.UntilAsync(() => a.Connection.IsConnected && b.Connection.IsConnected);
        await b.SubscribeAsync("group");
        Assert.Equal(1, await a.PublishAsync("group", "message"));
        Assert.Equal(("group", "message"), await b.NextAsync());
    }

    [Fact]
    public async Task A_start_that_is_given_up_leaves_no_node_behind()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer multiplexer = await redis.ConnectAsync();
        RedisBackplane backplane = new(multiplexer, "chat");
        using CancellationTokenSource impatient = new();
        redis.Pause();
        Task starting = backplane.ConnectAsync(new Silent(), impatient.Token).AsTask();
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        redis.Resume();
        // What was under way has ended, and so has what it would have begun.
        for (int i = 0; i < 20; i++)
            await multiplexer.GetSubscriber().PingAsync();
        await Polling.UntilAsync(() => ((RedisResult[])multiplexer.GetDatabase().Execute("PUBSUB", "SHARDCHANNELS")!).Length == 0);
    }

    [Fact]
    public async Task A_subscription_that_Redis_confirms_too_late_is_ended()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis, more: ",asyncTimeout=1000");
        await using TestNode b = await TestNode.StartAsync(redis);
        redis.Pause();
        await Assert.ThrowsAnyAsync<Exception>(() => a.SubscribeAsync("group"));
        redis.Resume();
        await Polling.UntilAsync(() => b.PublishAsync("group", "nobody").Result == 0);
        await a.SubscribeAsync("group");
        Assert.Equal(1, await b.PublishAsync("group", "message"));
        Assert.Equal(("group", "message"), await a.NextAsync());
    }

    [Fact]
    public async Task A_client_that_its_application_disposes_of_too_early_fails_no_stop()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        ConnectionMultiplexer multiplexer = await redis.ConnectAsync();
        TestNode a = await TestNode.StartAsync(new RedisBackplane(multiplexer, "chat"));
        await a.SubscribeAsync("group");
        await multiplexer.DisposeAsync();
        Assert.False(a.TryPublish("group", "lost"));
        await a.DisposeAsync();
    }

    [Fact]
    public async Task It_is_believed_for_30_s_that_nobody_listens()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        FakeTimeProvider time = new();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.Time = time);
        await a.PublishAsync("group", "1");
        Assert.False(a.Connection.IsWanted("group"));
        time.Advance(TimeSpan.FromSeconds(29.9));
        Assert.False(a.Connection.IsWanted("group"));
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.True(a.Connection.IsWanted("group"));
        Assert.True(a.Connection.TryPublish("group", Encoding.UTF8.GetBytes("2")));
        await Polling.UntilAsync(() => !a.Connection.IsWanted("group"));
    }

    private sealed class Silent : IBackplaneReceiver
    {
        public string NodeId => "silent";

        public void Receive(string channel, ReadOnlySpan<ReadOnlyMemory<byte>> messages)
        {
        }
    }
}
