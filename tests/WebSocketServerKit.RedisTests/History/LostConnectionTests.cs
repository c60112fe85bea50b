using System.Reflection;
using StackExchange.Redis;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.History;

public class LostConnectionTests
{
    [Fact]
    public async Task A_node_whose_subscriptions_are_cut_again_and_again_loses_nothing()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.JoinAsync();
        for (int i = 0; i < 5; i++)
        {
            await node.CutSubscriptionsAsync();
            await node.PublishAsync((i * 10) + 1, (i * 10) + 10);
            await client.ReadAsync((i * 10) + 1, (i * 10) + 10);
        }
    }

    [Fact]
    public async Task What_was_published_while_a_node_did_not_listen_comes_though_nothing_follows()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient a = await node.JoinAsync(), b = await node.JoinAsync();
        await node.CutSubscriptionsAsync();
        await node.PublishAsync(1, 1);
        await a.ReadAsync(1, 1);
        await b.ReadAsync(1, 1);
    }

    [Fact]
    public async Task What_neither_came_nor_is_kept_is_a_gap_for_clients_that_are_connected()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new() { MaxMessages = 3 });
        await using HistoryClient client = await node.JoinAsync();
        await node.PublishAsync(1, 1);
        await client.ReadAsync(1, 1);
        IDatabase database = node.Redis.GetDatabase();
        await database.HashSetAsync("{test}:history-head:room", "n", 9);
        await database.KeyDeleteAsync("{test}:history:room");
        await node.PublishAsync(10, 10);
        Assert.Equal("gap 2-9", await client.ReadAsync());
        await client.ReadAsync(10, 10);
    }

    [Fact]
    public async Task A_stream_that_Redis_has_lost_begins_again_and_clients_are_told()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.JoinAsync();
        HistoryOffset before = await node.PublishAsync(1, 3);
        await client.ReadAsync(1, 3);
        await redis.KillAsync();
        await redis.RestartAsync();
        Assert.Equal("gap", await client.ReadAsync());

        await using HistoryNode other = await HistoryNode.StartAsync(redis);
        HistoryOffset after = await other.PublishAsync(1, 3);
        Assert.Equal(3, after.Number);
        Assert.NotEqual(before.Epoch, after.Epoch, StringComparer.Ordinal);
        await client.ReadAsync(1, 3);
        Assert.Equal(after, client.Last);

        await using HistoryClient late = await other.ConnectAsync();
        Assert.Equal(new HistoryResume(true, after, 3, new HistoryGap(null, null)), await other.ResumeAsync(late, before));
        Assert.Equal("gap", await late.ReadAsync());
        await late.ReadAsync(1, 3);
    }

    [Fact]
    public async Task A_stream_whose_keys_are_deleted_begins_again_and_clients_are_told_with_the_next_message()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.JoinAsync();
        await node.PublishAsync(1, 5);
        await client.ReadAsync(1, 5);
        await node.Redis.GetDatabase().KeyDeleteAsync(["{test}:history:room", "{test}:history-head:room"]);
        await node.PublishAsync(1, 2);
        Assert.Equal("gap", await client.ReadAsync());
        await client.ReadAsync(1, 2);
        await node.PublishAsync(3, 20);
        await client.ReadAsync(3, 20);
    }

    [Fact]
    public async Task A_stream_that_has_lost_its_end_tells_a_gap_and_goes_on()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.JoinAsync();
        await node.PublishAsync(1, 5);
        await client.ReadAsync(1, 5);
        IDatabase database = node.Redis.GetDatabase();
        await database.KeyDeleteAsync("{test}:history:room"); // with the number that its last entry had
        await database.HashSetAsync("{test}:history-head:room", "n", 3);
        await node.CutSubscriptionsAsync();
        Assert.Equal("gap", await client.ReadAsync());
        await node.PublishAsync(4, 8);
        await client.ReadAsync(4, 8);
    }

    [Fact]
    public async Task A_subscription_that_Redis_answers_too_late_is_ended()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, more: ",asyncTimeout=1000");
        await using HistoryClient client = await node.ConnectAsync();
        redis.Pause();
        await Assert.ThrowsAnyAsync<Exception>(() => node.ResumeAsync(client));
        redis.Resume();
        await using ConnectionMultiplexer other = await redis.ConnectAsync();
        await Polling.UntilAsync(() => Record.Exception(() => node.Redis.GetSubscriber().Ping()) is null);
        await Polling.UntilAsync(() => other.GetServers()[0].SubscriptionSubscriberCount(RedisChannel.Literal("{test}:history:room")) == 0);
    }

    [Fact]
    public async Task A_node_that_is_flooded_does_not_hold_what_it_can_read_again()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        using ManualResetEventSlim go = new();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new()
        {
            MaxMessages = 10,
            Format = message =>
            {
                go.Wait(TestContext.Current.CancellationToken);
                return PreparedMessage.FromText($"{message.Offset} {message.Text.TrimEnd()}");
            },
        });
        await using HistoryNode other = await HistoryNode.StartAsync(redis, new() { MaxMessages = 10 });
        await using HistoryClient client = await node.JoinAsync();
        for (int i = 1; i <= 60; i++)
            await other.PublishAsync($"{i}".PadRight(60_000));
        await node.Redis.GetSubscriber().PingAsync(); // Redis has sent all of it before
        go.Set();
        await client.ReadAsync(1, 1);
        Assert.Equal("gap 2-50", await client.ReadAsync());
        await client.ReadAsync(51, 60);
    }

    [Fact]
    public async Task A_connection_that_its_application_disposes_of_too_early_fails_no_disposal()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        IConnectionMultiplexer early = DispatchProxy.Create<IConnectionMultiplexer, EarlyEnd>();
        var end = (EarlyEnd)early;
        end.Redis = node.Redis;
        RedisHistory history = new(early, "test");
        await using HistoryClient client = await node.ConnectAsync();
        await history.ResumeAsync(client.Client, "other", cancellationToken: TestContext.Current.CancellationToken);
        end.HasEnded = true;
        await node.CutSubscriptionsAsync();
        await Polling.UntilAsync(() => end.Refused > 0);
        await history.DisposeAsync();
    }

    [Fact]
    public async Task Clients_catch_up_after_Redis_has_not_answered_for_a_while()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis), other = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.JoinAsync();
        await node.PublishAsync(1, 5);
        redis.Pause();
        Task<HistoryOffset> publishing = other.PublishAsync("6");
        redis.Resume();
        await publishing;
        await other.PublishAsync(7, 9);
        await client.ReadAsync(1, 9);
    }

    // A connection that refuses, from some moment on, what one refuses that is disposed of.
    public class EarlyEnd : DispatchProxy
    {
        internal IConnectionMultiplexer Redis { get; set; } = null!;

        internal bool HasEnded { get; set; }

        internal int Refused { get; private set; }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (!HasEnded || !targetMethod!.Name.StartsWith("Get", StringComparison.Ordinal))
                return targetMethod!.Invoke(Redis, args);
            Refused++;
            throw new ObjectDisposedException(nameof(ConnectionMultiplexer));
        }
    }
}
