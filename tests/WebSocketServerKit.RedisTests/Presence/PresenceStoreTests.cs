using StackExchange.Redis;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Presence;

public class PresenceStoreTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task A_call_is_applied_once_and_only_in_order()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        PresenceStore store = new(connection, "chat");
        Assert.False(await store.WriteAsync("node.1", 1, Long, "node.0", Client(1)));
        Assert.True(await store.WriteAsync("node.1", 0, Long, "node.0", []));
        Assert.True(await store.WriteAsync("node.1", 1, Long, "node.0", Client(1)));
        Assert.True(await store.WriteAsync("node.1", 1, Long, "node.0", Client(2)));
        Assert.Equal(1, await store.CountAsync(PresenceStore.AllClients));
        Assert.False(await store.WriteAsync("node.1", 3, Long, "node.0", Client(3)));
        Assert.False(await store.WriteAsync("node.1", 0, Long, "node.0", Client(3)));
        Assert.Equal(1, await store.CountAsync(PresenceStore.AllClients));
        Assert.True(await store.WriteAsync("node.1", 2, Long, "node.0", [1, ""]));
        Assert.Equal(0, await store.CountAsync(PresenceStore.AllClients));
    }

    [Fact]
    public async Task A_registration_that_has_ended_never_counts_again()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        PresenceStore store = new(connection, "chat");
        Assert.True(await store.WriteAsync("node.1", 0, TimeSpan.FromMilliseconds(1), "node.0", Client(1)));
        await Answer.UntilAsync(0, () => store.CountAsync(PresenceStore.AllClients));
        Assert.False(await store.WriteAsync("node.1", 1, Long, "node.0", []));
        Assert.False(await store.WriteAsync("node.1", 0, Long, "node.0", []));
        Assert.Equal(0, await store.CountAsync(PresenceStore.AllClients));
    }

    [Fact]
    public async Task A_new_registration_ends_the_one_before()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        PresenceStore store = new(connection, "chat");
        Assert.True(await store.WriteAsync("node.1", 0, Long, "node.0", Client(1)));
        Assert.True(await store.WriteAsync("node.2", 0, Long, "node.1", Client(1)));
        Assert.Equal(1, await store.CountAsync(PresenceStore.AllClients));
        Assert.Equal("node.2", Assert.Single(await store.GetNodesAsync()).Registration);
    }

    [Fact]
    public async Task Scripts_that_Redis_has_forgotten_are_sent_again()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        PresenceStore store = new(connection, "chat");
        Assert.True(await store.WriteAsync("node.1", 0, Long, "node.0", Client(1)));
        await connection.GetDatabase().ExecuteAsync("SCRIPT", "FLUSH");
        Assert.True(await store.WriteAsync("node.1", 1, Long, "node.0", Client(2)));
        Assert.Equal(2, await store.CountAsync(PresenceStore.AllClients));
    }

    [Fact]
    public async Task What_has_ended_is_removed_in_steps_of_bounded_size()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        PresenceStore store = new(connection, "chat");
        Assert.True(await store.WriteAsync("node.1", 0, Long, "node.0", [.. Enumerable.Range(1, 1000).SelectMany(Client)]));
        Assert.True(await store.WriteAsync("other.1", 0, Long, "other.0", Client(1)));
        Assert.Null(await store.RemoveStepAsync(null, 60));
        await store.LeaveAsync("node.1");

        int steps = 0;
        long left = 1000;
        PresenceStore.Scan? scan = null;
        do
        {
            scan = await store.RemoveStepAsync(scan, 60);
            long now = await connection.GetDatabase().HashLengthAsync("{chat}:presence:node.1:clients");
            Assert.InRange(left - now, 0, 20); // A client, its user and its group.
            left = now;
            steps++;
        }
        while (scan is not null);
        Assert.InRange(steps, 50, 500);
        Assert.DoesNotContain(await RedisPresenceTests.KeysAsync(connection), key => key.Contains("node.1", StringComparison.Ordinal));
        Assert.Equal(1, await store.CountAsync(PresenceStore.GroupSet("all")));
    }

    [Fact]
    public async Task Several_nodes_may_remove_the_same_at_the_same_time()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        PresenceStore store = new(connection, "chat");
        foreach (string registration in new[] { "a.1", "b.1" })
        {
            Assert.True(await store.WriteAsync(registration, 0, Long, "", [.. Enumerable.Range(1, 300).SelectMany(Client)]));
            await store.LeaveAsync(registration);
        }

        await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ =>
        {
            PresenceStore.Scan? scan = null;
            do
                scan = await store.RemoveStepAsync(scan, 30);
            while (scan is not null);
        }));
        Assert.Empty(await RedisPresenceTests.KeysAsync(connection));
    }

    private static RedisValue[] Client(int id) => [id, $$"""{"user":"user{{id}}","path":"/","since":0,"groups":["all"]}"""];
}
