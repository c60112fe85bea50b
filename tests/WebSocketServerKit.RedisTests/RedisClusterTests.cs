using System.Net;
using StackExchange.Redis;
using WebSocketServerKit.Backplane;
using WebSocketServerKit.History;
using WebSocketServerKit.Presence;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>With a real Redis Cluster, whose shards share the channels.</summary>
public sealed class RedisClusterTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Channels_of_all_shards_come_once_and_in_order_and_what_nobody_wants_is_known()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync();
        await using TestNode a = await StartAsync(cluster), b = await StartAsync(cluster), c = await StartAsync(cluster);
        string[] channels = [.. Enumerable.Range(0, 30).Select(i => $"group {i}")];
        await using ConnectionMultiplexer client = await ConnectionMultiplexer.ConnectAsync(cluster.Configuration);
        Assert.Equal([0, 1, 2], channels.Select(channel => RedisCluster.ShardOf(client, $"chat:c:{channel}")).Distinct().Order());

        foreach (string channel in channels)
        {
            Assert.Equal(0, await a.PublishAsync(channel, "nobody"));
            Assert.False(a.Connection.IsWanted(channel));
            await b.SubscribeAsync(channel);
            await c.SubscribeAsync(channel);
            Assert.True(a.Connection.IsWanted(channel));
        }

        for (int i = 0; i < 50; i++)
        {
            foreach (string channel in channels)
                Assert.True(a.TryPublish(channel, $"{i}"));
        }

        foreach (TestNode node in (TestNode[])[b, c])
        {
            List<(string Channel, string Message)> received = [];
            while (received.Count < 50 * channels.Length)
                received.Add(await node.NextAsync());
            foreach (string channel in channels)
                Assert.Equal(Enumerable.Range(0, 50).Select(i => $"{i}"), received.Where(message => message.Channel == channel).Select(message => message.Message), StringComparer.Ordinal);
        }

        Assert.Equal(2, await a.PublishAsync(channels[0], "last"));
    }

    [Fact]
    public async Task Presence_and_history_work_with_it()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync();
        await using ConnectionMultiplexer client = await ConnectionMultiplexer.ConnectAsync(cluster.Configuration);
        await using (Node here = await Node.StartAsync(client), there = await Node.StartAsync(client))
        {
            await here.ConnectAsync("alice", "/rooms/7", "staff");
            await Answer.UntilAsync(1, () => there.Presence.CountGroupAsync("staff", Token));
            Assert.Equal(here.Presence.NodeId, Assert.Single(await there.Presence.FindUserAsync("alice", Token)).NodeId);
        }

        await using HistoryNode one = await HistoryNode.StartAsync(cluster.Configuration), two = await HistoryNode.StartAsync(cluster.Configuration);
        await using HistoryClient before = await one.JoinAsync();
        await two.PublishAsync(1, 5);
        await before.ReadAsync(1, 5);
        await one.PublishAsync(6, 10);
        await using HistoryClient after = await two.JoinAsync(before.Last);
        await two.PublishAsync(11, 12);
        await after.ReadAsync(6, 12);
    }

    [Fact]
    public async Task While_a_shard_is_gone_the_channels_of_the_others_go_on_and_afterwards_all_do()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync();
        await using TestNode a = await StartAsync(cluster), b = await StartAsync(cluster);
        await using ConnectionMultiplexer client = await ConnectionMultiplexer.ConnectAsync(cluster.Configuration);
        string[] channels = [.. Enumerable.Range(0, 3).Select(shard => ChannelOf(client, shard))];
        foreach (string channel in channels)
            await b.SubscribeAsync(channel);

        int nodes = RedisCluster.ShardOf(client, "chat:nodes"), lost = (nodes + 1) % 3, other = (nodes + 2) % 3;
        await cluster.Shards[lost].KillAsync();
        await Polling.UntilAsync(() => !b.Connection.IsConnected);
        await a.PublishAsync(channels[other], "goes on");
        Assert.Equal((channels[other], "goes on"), await b.NextAsync());

        await cluster.Shards[lost].RestartAsync();
        await Polling.UntilAsync(() => a.Connection.IsConnected && b.Connection.IsConnected);
        Assert.Equal(1, await a.PublishAsync(channels[lost], "is back"));
        Assert.Equal((channels[lost], "is back"), await b.NextAsync());
    }

    [Fact]
    public async Task What_a_shard_that_hangs_has_not_answered_is_bounded_although_the_others_answer()
    {
        const int Count = 100, Size = 1024, Limit = Count * (Size + 10 + Outbox.Overhead); // 10: the name of the channel
        await using RedisCluster cluster = await RedisCluster.StartAsync();
        await using ConnectionMultiplexer client = await ConnectionMultiplexer.ConnectAsync($"{cluster.Configuration},asyncTimeout=300");
        RedisBackplaneOptions options = new() { MaxPendingBytes = Limit };
        await using TestNode a = await TestNode.StartAsync(new RedisBackplane(client, "chat", options)), b = await StartAsync(cluster);
        string channel = ChannelOf(client, shard: 0);
        await b.SubscribeAsync(channel);
        string message = new('x', Size);

        cluster.Shards[0].Pause();
        foreach (Task<int> unanswered in Enumerable.Range(0, Count).Select(_ => a.PublishAsync(channel, message)).ToArray())
            Assert.IsAssignableFrom<TimeoutException>((await Assert.ThrowsAsync<IOException>(() => unanswered)).InnerException);
        for (int round = 0; round < 10; round++)
        {
            foreach (IPEndPoint other in cluster.EndPoints.Skip(1))
                await client.GetServer(other).PingAsync();
            Assert.False(a.TryPublish(channel, message));
        }

        cluster.Shards[0].Resume();
        await b.TakeAsync(Count);
        await a.PublishWithRoomAsync(channel, "room again");
        Assert.Equal("room again", (await b.NextAsync()).Message);
    }

    // Its name has ten characters.
    private static string ChannelOf(ConnectionMultiplexer client, int shard) =>
        Enumerable.Range(1_000, 100).Select(i => $"group {i}").First(channel => RedisCluster.ShardOf(client, $"chat:c:{channel}") == shard);

    private static Task<TestNode> StartAsync(RedisCluster cluster) => TestNode.StartAsync(cluster.Configuration);
}
