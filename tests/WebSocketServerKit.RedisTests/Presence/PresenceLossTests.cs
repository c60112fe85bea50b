using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Presence;

// Nodes that die or are paused, and a Redis that is away or has lost its contents.
public class PresenceLossTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_clients_of_a_dead_node_are_gone_and_a_surviving_node_removes_its_keys()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node survivor = await Node.StartAsync(connection), witness = await Node.StartAsync(connection), dying = await Node.StartAsync(connection, Node.Mortal);
        await survivor.ConnectAsync("alice", "/", "all");
        await Answer.UntilAsync(1, () => survivor.Presence.CountGroupAsync("all", Token));
        await dying.ConnectManyAsync(300, "all", "dying");
        await Answer.UntilAsync(301, () => witness.Presence.CountGroupAsync("all", Token));
        await dying.DieAsync();

        await Answer.UntilAsync(1, () => witness.Presence.CountGroupAsync("all", Token));
        Assert.Equal(1, await witness.Presence.CountAsync(Token));
        Assert.False(await witness.Presence.IsOnlineAsync("user7", Token));
        Assert.Empty(await witness.Presence.FindUserAsync("user7", Token));
        Assert.Equal("alice", Assert.Single(await witness.Presence.FindInGroupAsync("all", Token)).UserId);
        Assert.Equal("alice", Assert.Single(await witness.Presence.ListAsync(Token).ToListAsync(Token)).UserId);
        Assert.Equal(2, (await witness.Presence.GetNodesAsync(Token)).Count);
        await Answer.UntilAsync(false, async () => (await RedisPresenceTests.KeysAsync(connection)).Any(key => key.Contains(dying.Presence.NodeId, StringComparison.Ordinal)));
        Assert.Equal(1, await witness.Presence.CountAsync(Token));
    }

    [Fact]
    public async Task The_clients_of_a_dead_node_are_gone_even_if_nobody_has_removed_its_keys()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node silent = await Node.StartAsync(connection, Node.Silent), dying = await Node.StartAsync(connection, Node.Mortal);
        await dying.ConnectAsync("bob", "/", "all");
        await Answer.UntilAsync(1, () => silent.Presence.CountGroupAsync("all", Token));
        await dying.DieAsync();

        await Answer.UntilAsync(0, () => silent.Presence.CountGroupAsync("all", Token));
        Assert.Equal(0, await silent.Presence.CountAsync(Token));
        Assert.Equal(0, await silent.Presence.CountUserAsync("bob", Token));
        Assert.Empty(await silent.Presence.FindInGroupAsync("all", Token));
        Assert.Empty(await silent.Presence.FindUserAsync("bob", Token));
        Assert.Empty(await silent.Presence.ListAsync(Token).ToListAsync(Token));
        Assert.Equal(silent.Presence.NodeId, Assert.Single(await silent.Presence.GetNodesAsync(Token)).NodeId);
        Assert.Contains(await RedisPresenceTests.KeysAsync(connection), key => key.EndsWith(":user:bob", StringComparison.Ordinal));
    }

    [Fact]
    public async Task When_all_nodes_have_died_the_next_start_removes_their_keys()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node first = await Node.StartAsync(connection, Node.Mortal), second = await Node.StartAsync(connection, Node.Mortal);
        await first.ConnectManyAsync(20, "all");
        await second.ConnectManyAsync(20, "all");
        await Answer.UntilAsync(40, () => first.Presence.CountGroupAsync("all", Token));
        await Task.WhenAll(first.DieAsync(), second.DieAsync());
        await Answer.UntilAsync(0, () => first.Presence.CountAsync(Token));

        await using Node next = await Node.StartAsync(connection, Node.Silent);
        await Answer.UntilAsync(2, async () => (await RedisPresenceTests.KeysAsync(connection)).Length); // The nodes, and the new one.
        Assert.Equal(next.Presence.NodeId, Assert.Single(await next.Presence.GetNodesAsync(Token)).NodeId);
        await Answer.UntilAsync(2, () => Task.FromResult(next.Log.GetSnapshot().Count(entry => entry.Id.Id == 234)));
    }

    [Fact]
    public async Task A_node_that_was_paused_comes_back_with_everything()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        RedisPresenceOptions options = Node.Mortal;
        FakeTimeProvider time = new();
        options.TimeProvider = time;
        await using Node paused = await Node.StartAsync(connection, options), witness = await Node.StartAsync(connection);
        await paused.ConnectManyAsync(50, "all");
        await Answer.UntilAsync(false, async () => (await witness.Presence.GetNodesAsync(Token)).Any(node => node.NodeId == paused.Presence.NodeId)); // Its time stands still.
        Assert.Equal(0, await witness.Presence.CountGroupAsync("all", Token));

        await Answer.UntilAsync(50, () => BeatAsync(() => witness.Presence.CountGroupAsync("all", Token)));
        Assert.Equal(paused.Presence.NodeId, (await BeatAsync(() => witness.Presence.FindUserAsync("user7", Token)))[0].NodeId);
        // What its first registration has left is removed: there are the users, the group, the clients and the node.
        await Answer.UntilAsync(53, () => BeatAsync(async () => (await RedisPresenceTests.KeysAsync(connection)).Count(key => key.Contains(paused.Presence.NodeId, StringComparison.Ordinal))));
        Assert.Contains(paused.Log.GetSnapshot(), entry => entry.Id.Id == 232);

        Task<T> BeatAsync<T>(Func<Task<T>> query)
        {
            time.Advance(options.HeartbeatInterval);
            return query();
        }
    }

    [Fact]
    public async Task A_Redis_that_was_restarted_empty_is_told_everything_anew()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectAsync(redis);
        await using Node first = await Node.StartAsync(connection), second = await Node.StartAsync(connection);
        await first.ConnectManyAsync(100, "all");
        WebSocketClient leaving = await second.ConnectAsync("alice", "/", "all");
        await Answer.UntilAsync(101, () => second.Presence.CountGroupAsync("all", Token));

        await redis.KillAsync();
        leaving.Abort();
        await second.ConnectAsync("bob", "/", "all");
        await redis.RestartAsync();
        await Answer.UntilAsync(101, () => second.Presence.CountGroupAsync("all", Token));
        await Answer.UntilAsync(false, () => second.Presence.IsOnlineAsync("alice", Token));
        Assert.True(await first.Presence.IsOnlineAsync("bob", Token));
        Assert.Equal(2, (await first.Presence.GetNodesAsync(Token)).Count);
        Assert.Equal(1, first.Log.GetSnapshot().Count(entry => entry.Id.Id == 232));
    }
    [Fact]
    public async Task While_Redis_is_away_queries_throw_and_the_node_goes_on_and_logs_once()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectAsync(redis);
        await using Node node = await Node.StartAsync(connection);
        await node.ConnectAsync("alice");
        await Answer.UntilAsync(1, () => node.Presence.CountAsync(Token));
        for (int episode = 1; episode <= 2; episode++)
        {
            await redis.KillAsync();
            await node.ConnectAsync($"user{episode}");
            Exception? thrown = await Record.ExceptionAsync(() => node.Presence.CountAsync(Token));
            Assert.True(thrown is RedisConnectionException or TimeoutException, thrown?.ToString());
            thrown = await Record.ExceptionAsync(() => node.Presence.FindUserAsync("alice", Token));
            Assert.True(thrown is RedisConnectionException or TimeoutException, thrown?.ToString());
            await Answer.UntilAsync(episode, () => LoggedAsync(230));
            await redis.RestartAsync();
            await Answer.UntilAsync(1 + episode, () => node.Presence.CountAsync(Token));
            Assert.Equal((episode, episode), (await LoggedAsync(230), await LoggedAsync(231)));
        }

        Task<int> LoggedAsync(int id) => Task.FromResult(node.Log.GetSnapshot().Count(entry => entry.Id.Id == id));
    }

    [Fact]
    public async Task Changes_that_a_paused_Redis_answers_late_are_made_once_and_in_order()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectAsync(redis);
        await using Node node = await Node.StartAsync(connection);
        WebSocketClient alice = await node.ConnectAsync("alice", "/", "a"), bob = await node.ConnectAsync("bob", "/", "a");
        await Answer.UntilAsync(2, () => node.Presence.CountGroupAsync("a", Token));

        redis.Pause();
        alice.Leave("a");
        await Answer.UntilAsync(true, () => Task.FromResult(node.Log.GetSnapshot().Any(entry => entry.Id.Id == 230)));
        alice.Join("b");
        bob.Abort();
        redis.Resume();
        await Answer.UntilAsync(1, () => node.Presence.CountGroupAsync("b", Token));
        await Answer.UntilAsync(1, () => node.Presence.CountAsync(Token));
        Assert.Equal(0, await node.Presence.CountGroupAsync("a", Token));
        Assert.DoesNotContain(node.Log.GetSnapshot(), entry => entry.Id.Id == 232); // It is the same registration.
    }

    [Fact]
    public async Task A_Redis_that_is_away_keeps_no_node_from_starting_and_none_from_stopping()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectAsync(redis);
        await redis.KillAsync();
        await using Node node = await Node.StartAsync(connection), other = await Node.StartAsync(connection);
        Assert.Equal(LogLevel.Warning, node.Log.GetSnapshot().Single(entry => entry.Id.Id == 230).Level);
        await node.ConnectAsync("alice");
        await other.Presence.DisposeAsync();
        Assert.Contains(other.Log.GetSnapshot(), entry => entry.Id.Id == 233);

        await redis.RestartAsync();
        await Answer.UntilAsync(true, () => node.Presence.IsOnlineAsync("alice", Token));
        Assert.Equal(node.Presence.NodeId, Assert.Single(await node.Presence.GetNodesAsync(Token)).NodeId);
    }

    [Fact]
    public async Task A_log_that_cannot_be_written_keeps_no_node_from_following()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectAsync(redis);
        await redis.KillAsync();
        await using WebSocketServer server = new(new WebSocketServerOptions());
        RedisPresence presence = new(server, connection, Node.Prefix, Node.Lasting, new ThrowingLog());
        await presence.StartAsync(Token).WaitAsync(TimeSpan.FromSeconds(30), Token);
        await redis.RestartAsync();
        await Answer.UntilAsync(1, async () => (await presence.GetNodesAsync(Token)).Count);
        await presence.DisposeAsync();
    }

    [Fact]
    public async Task A_node_whose_name_somebody_has_made_up_forges_no_log_line()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await connection.GetDatabase().SortedSetAddAsync($"{{{Node.Prefix}}}:presence:nodes", "x\nAll is well.1", 1);
        await using Node node = await Node.StartAsync(connection, Node.Silent);
        await Answer.UntilAsync(true, () => Task.FromResult(node.Log.GetSnapshot().Any(entry => entry.Id.Id == 234)));
        Assert.Contains("x\\u000AAll is well", node.Log.GetSnapshot().Single(entry => entry.Id.Id == 234).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Redis_that_forgets_at_once_is_not_written_to_without_end()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        RedisPresenceOptions options = Node.Silent;
        await using Node node = await Node.StartAsync(connection, options);
        await connection.GetDatabase().KeyDeleteAsync($"{{{Node.Prefix}}}:presence:nodes");
        await node.ConnectAsync("alice");
        await Answer.UntilAsync(true, () => Task.FromResult(node.Log.GetSnapshot().Any(entry => entry.Id.Id == 232)));
        Assert.Empty(await node.Presence.GetNodesAsync(Token)); // Its time stands still.

        await Answer.UntilAsync(true, () =>
        {
            ((FakeTimeProvider)options.TimeProvider).Advance(TimeSpan.FromSeconds(1));
            return node.Presence.IsOnlineAsync("alice", Token);
        });
    }

    [Fact]
    public async Task The_clients_of_a_process_that_is_killed_are_gone()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node node = await Node.StartAsync(connection);
        string program = Path.ChangeExtension(typeof(KilledNode).Assembly.Location, null);
        var start = new ProcessStartInfo(program, ["-class", typeof(KilledNode).FullName!, "-explicit", "only"]) { UseShellExecute = false, RedirectStandardOutput = true };
        start.Environment[KilledNode.Variable] = redis.Configuration;
        using Process killed = Process.Start(start)!;
        try
        {
            killed.BeginOutputReadLine();
            await Answer.UntilAsync(3, () => node.Presence.CountGroupAsync("all", Token));
        }
        finally
        {
            killed.Kill(); // SIGKILL
        }

        await Answer.UntilAsync(0, () => node.Presence.CountGroupAsync("all", Token));
        await Answer.UntilAsync(2, async () => (await RedisPresenceTests.KeysAsync(connection)).Length); // The nodes, and this one.
    }

    // One that gives up and reconnects soon.
    private static async Task<ConnectionMultiplexer> ConnectAsync(RedisServer redis)
    {
        var options = ConfigurationOptions.Parse(redis.Configuration);
        options.AsyncTimeout = options.SyncTimeout = 300; // That of a call that waits for a connection is the second.
        options.HeartbeatInterval = TimeSpan.FromMilliseconds(50);
        options.ReconnectRetryPolicy = new LinearRetry(50);
        return await ConnectionMultiplexer.ConnectAsync(options);
    }
}
