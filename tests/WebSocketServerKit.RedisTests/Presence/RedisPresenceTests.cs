using StackExchange.Redis;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Presence;

public class RedisPresenceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_is_found_from_every_node_with_all_that_is_told_of_it()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node here = await Node.StartAsync(connection), there = await Node.StartAsync(connection);
        WebSocketClient client = await here.ConnectAsync("alice", "/rooms/7", "staff", "night");
        await Answer.UntilAsync(1, () => there.Presence.CountGroupAsync("night", Token));

        foreach (RedisPresence presence in new[] { here.Presence, there.Presence })
        {
            OnlineClient found = Assert.Single(await presence.FindUserAsync("alice", Token));
            Assert.Equal(here.Presence.NodeId, found.NodeId);
            Assert.Equal(client.Id, found.ClientId);
            Assert.Equal("alice", found.UserId);
            Assert.Equal("/rooms/7", found.Path);
            Assert.Equal(client.ConnectedAt.ToUnixTimeMilliseconds(), found.Since.ToUnixTimeMilliseconds());
            Assert.Equal(["night", "staff"], found.Groups);
            Assert.Equal(found.ClientId, Assert.Single(await presence.FindInGroupAsync("staff", Token)).ClientId);
            Assert.True(await presence.IsOnlineAsync("alice", Token));
            Assert.Equal(1, await presence.CountAsync(Token));
        }
    }

    [Fact]
    public async Task A_client_that_leaves_is_gone_everywhere_and_leaves_no_key()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node here = await Node.StartAsync(connection), there = await Node.StartAsync(connection);
        long keys = (await KeysAsync(connection)).Length;
        WebSocketClient client = await here.ConnectAsync("alice", "/", "staff");
        await Answer.UntilAsync(1, () => there.Presence.CountGroupAsync("staff", Token));

        client.Abort();
        await Answer.UntilAsync(0, () => there.Presence.CountAsync(Token));
        Assert.False(await there.Presence.IsOnlineAsync("alice", Token));
        Assert.Empty(await there.Presence.FindUserAsync("alice", Token));
        Assert.Equal(0, await there.Presence.CountGroupAsync("staff", Token));
        Assert.Empty(await there.Presence.FindInGroupAsync("staff", Token));
        Assert.Equal(keys, (await KeysAsync(connection)).Length);
    }

    [Fact]
    public async Task Clients_that_are_connected_at_the_start_are_told_in_few_calls()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        RedisPresenceOptions options = Node.Silent;
        options.MaxChangesPerCall = 100;
        await using Node node = await Node.MakeAsync(connection, options);
        await node.ConnectManyAsync(1000, "all");

        await node.Presence.StartAsync(Token);
        await Answer.UntilAsync(1000, () => node.Presence.CountGroupAsync("all", Token));
        Assert.Equal("10", await connection.GetDatabase().HashGetAsync($"{{{Node.Prefix}}}:presence:{node.Presence.NodeId}.1:node", "call"));
    }

    [Fact]
    public async Task A_user_is_online_until_the_last_connection_on_any_node_has_ended()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node first = await Node.StartAsync(connection), second = await Node.StartAsync(connection), third = await Node.StartAsync(connection);
        List<WebSocketClient> clients = [];
        foreach (Node node in new[] { first, second, third, first, second, first })
            clients.Add(await node.ConnectAsync("alice"));
        await first.ConnectAsync("bob");
        await Answer.UntilAsync(6, () => third.Presence.CountUserAsync("alice", Token));
        Assert.Equal([3, 2, 1], (await second.Presence.FindUserAsync("alice", Token)).CountBy(client => client.NodeId).Select(node => node.Value).OrderDescending());

        for (int left = 5; left >= 0; left--)
        {
            clients[left].Abort();
            await Answer.UntilAsync(left, () => second.Presence.CountUserAsync("alice", Token));
            Assert.Equal(left > 0, await third.Presence.IsOnlineAsync("alice", Token));
        }

        await Answer.UntilAsync(1, () => third.Presence.CountAsync(Token));
    }

    [Fact]
    public async Task Groups_that_are_joined_and_left_are_followed()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node here = await Node.StartAsync(connection), there = await Node.StartAsync(connection);
        WebSocketClient client = await here.ConnectAsync("alice", "/", "a", "b");
        await Answer.UntilAsync("a b", GroupsAsync);
        client.Join("c");
        await Answer.UntilAsync("a b c", GroupsAsync);
        client.Leave("a");
        client.Leave("b");
        await Answer.UntilAsync("c", GroupsAsync);
        Assert.Equal(0, await there.Presence.CountGroupAsync("a", Token));
        Assert.Equal(1, await there.Presence.CountGroupAsync("c", Token));
        client.Leave("c");
        await Answer.UntilAsync("", GroupsAsync);
        Assert.Equal(0, await there.Presence.CountGroupAsync("c", Token));

        async Task<string> GroupsAsync() => string.Join(' ', (await there.Presence.FindUserAsync("alice", Token)).SelectMany(client => client.Groups));
    }

    [Fact]
    public async Task An_anonymous_client_counts_and_is_listed()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node node = await Node.StartAsync(connection);
        await node.ConnectAsync();
        await Answer.UntilAsync(1, () => node.Presence.CountAsync(Token));
        OnlineClient client = Assert.Single(await node.Presence.ListAsync(Token).ToListAsync(Token));
        Assert.Null(client.UserId);
        Assert.Empty(client.Groups);
    }

    [Fact]
    public async Task A_thousand_clients_are_listed_and_found_once_each()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node big = await Node.StartAsync(connection), small = await Node.StartAsync(connection);
        await big.ConnectManyAsync(1000, "all", "big");
        await small.ConnectManyAsync(100, "all");
        await Answer.UntilAsync(1100, () => small.Presence.CountGroupAsync("all", Token));

        IEnumerable<(string, long)> connected = [.. big.Server.Clients.Select(client => (big.Presence.NodeId, client.Id)), .. small.Server.Clients.Select(client => (small.Presence.NodeId, client.Id))];
        connected = connected.Order();
        Assert.Equal(connected, (await small.Presence.ListAsync(Token).ToListAsync(Token)).Select(client => (client.NodeId, client.ClientId)).Order());
        Assert.Equal(connected, (await small.Presence.FindInGroupAsync("all", Token)).Select(client => (client.NodeId, client.ClientId)).Order());
        Assert.Equal(1000, (await small.Presence.FindInGroupAsync("big", Token)).Count);
        Assert.Equal(2, await small.Presence.CountUserAsync("user99", Token));

        foreach (WebSocketClient client in big.Server.Clients)
            client.Abort();
        await Answer.UntilAsync(100, () => small.Presence.CountAsync(Token));
        Assert.Equal(0, await small.Presence.CountGroupAsync("big", Token));
        Assert.Equal(100, await small.Presence.CountGroupAsync("all", Token));
    }

    [Theory]
    [InlineData("clients")]
    [InlineData("a:b:user:c")]
    [InlineData("{x}\r\n\"quoted\" \\")]
    [InlineData("\0")]
    [InlineData("Zoë 日本 🚀")]
    [InlineData("half \ud83d of a pair")]
    [InlineData("@name %d 1e5")]
    public async Task Users_and_groups_have_any_name(string name)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node node = await Node.StartAsync(connection);
        node.Server.Handshaking += (_, e) => e.UserId = name;
        WebSocketClient client = await node.ConnectAsync("", "/", name);
        await Answer.UntilAsync(1, () => node.Presence.CountGroupAsync(name, Token));
        Assert.Equal(client.Id, Assert.Single(await node.Presence.FindUserAsync(name, Token)).ClientId);
        OnlineClient found = Assert.Single(await node.Presence.FindInGroupAsync(name, Token));
        string read = name.Replace('\ud83d', name.Contains('\ude80', StringComparison.Ordinal) ? '\ud83d' : '\ufffd'); // As in every UTF-8 text.
        Assert.Equal(read, found.UserId);
        Assert.Equal([read], found.Groups);
    }

    [Fact]
    public async Task Servers_with_another_prefix_are_another_cluster()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node chat = await Node.StartAsync(connection), games = await Node.MakeAsync(connection, prefix: "games");
        await games.Presence.StartAsync(Token);
        await chat.ConnectAsync("alice");
        await games.ConnectAsync("bob");
        await Answer.UntilAsync(1, () => chat.Presence.CountAsync(Token));
        await Answer.UntilAsync(1, () => games.Presence.CountAsync(Token));
        Assert.False(await games.Presence.IsOnlineAsync("alice", Token));
        Assert.Equal(games.Presence.NodeId, Assert.Single(await games.Presence.GetNodesAsync(Token)).NodeId);
    }

    [Fact]
    public async Task All_keys_are_in_one_hash_slot()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node node = await Node.StartAsync(connection);
        await node.ConnectAsync("alice", "/", "staff");
        await Answer.UntilAsync(1, () => node.Presence.CountGroupAsync("staff", Token));
        string[] keys = await KeysAsync(connection);
        Assert.Equal(5, keys.Length); // nodes, node, clients, a user, a group
        Assert.All(keys, key => Assert.StartsWith($"{{{Node.Prefix}}}:presence:", key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nodes_are_told_with_their_clients_and_their_last_heartbeat()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node here = await Node.StartAsync(connection), there = await Node.StartAsync(connection, Node.Silent);
        await here.ConnectManyAsync(3);
        await there.ConnectAsync();
        await Answer.UntilAsync(4, () => here.Presence.CountAsync(Token));

        IReadOnlyList<OnlineNode> nodes = await there.Presence.GetNodesAsync(Token);
        Assert.Equal(2, nodes.Count);
        OnlineNode silent = nodes.Single(node => node.NodeId == there.Presence.NodeId), beating = nodes.Single(node => node.NodeId == here.Presence.NodeId);
        Assert.Equal((3, 1), (beating.Clients, silent.Clients));
        Assert.InRange(beating.LastHeartbeat, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
        await Answer.UntilAsync(true, async () => (await there.Presence.GetNodesAsync(Token)).Single(node => node.NodeId == beating.NodeId).LastHeartbeat > beating.LastHeartbeat);
        Assert.Equal(silent, (await there.Presence.GetNodesAsync(Token)).Single(node => node.NodeId == silent.NodeId));
    }

    [Fact]
    public async Task Counts_cost_one_command_for_each_node_however_many_clients_there_are()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(redis.Configuration + ",allowAdmin=true");
        await using Node first = await Node.StartAsync(connection), second = await Node.StartAsync(connection);
        await first.ConnectManyAsync(200, "all");
        await second.ConnectManyAsync(200, "all");
        await Answer.UntilAsync(400, () => first.Presence.CountGroupAsync("all", Token));

        long before = await CallsAsync(connection, "scard");
        Assert.Equal(400, await first.Presence.CountGroupAsync("all", Token));
        Assert.Equal(2, await first.Presence.CountUserAsync("user7", Token));
        Assert.Equal(before + 4, await CallsAsync(connection, "scard"));
    }

    [Fact]
    public async Task A_change_of_what_is_not_told_writes_no_client()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(redis.Configuration + ",allowAdmin=true");
        await using Node node = await Node.StartAsync(connection, Node.Silent);
        WebSocketClient client = await node.ConnectAsync("alice", "/", "b", "a");
        await Answer.UntilAsync(1, () => node.Presence.CountGroupAsync("a", Token));
        (long adds, long calls) = (await CallsAsync(connection, "sadd"), await CallAsync());
        client.AddTag("vip");
        await Answer.UntilAsync(true, async () => await CallAsync() > calls);
        Assert.Equal(adds, await CallsAsync(connection, "sadd"));

        async Task<long> CallAsync() => (long)await connection.GetDatabase().HashGetAsync($"{{{Node.Prefix}}}:presence:{node.Presence.NodeId}.1:node", "call");
    }

    [Fact]
    public async Task A_clean_stop_removes_the_clients_at_once_and_all_keys()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node here = await Node.StartAsync(connection), there = await Node.MakeAsync(connection);
        await here.ConnectManyAsync(300, "all");
        await Answer.UntilAsync(300, () => there.Presence.CountGroupAsync("all", Token));
        await here.Presence.DisposeAsync();
        Assert.Equal(0, await there.Presence.CountAsync(Token));
        Assert.Empty(await there.Presence.GetNodesAsync(Token));
        Assert.Empty(await KeysAsync(connection));
    }

    [Fact]
    public async Task A_server_that_stops_and_starts_again_is_followed_until_it_is_disposed_of()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node node = await Node.StartAsync(connection);
        await node.ConnectAsync();
        await Answer.UntilAsync(1, () => node.Presence.CountAsync(Token));
        await node.Server.StopAsync(Token);
        await Answer.UntilAsync(0, () => node.Presence.CountAsync(Token));
        await node.Server.StartAsync(Token);
        await node.ConnectAsync();
        await Answer.UntilAsync(1, () => node.Presence.CountAsync(Token));
        await node.Server.DisposeAsync();
        await Answer.UntilAsync(0, () => node.Presence.CountAsync(Token));
        DateTimeOffset last = Assert.Single(await node.Presence.GetNodesAsync(Token)).LastHeartbeat;
        await Answer.UntilAsync(true, async () => Assert.Single(await node.Presence.GetNodesAsync(Token)).LastHeartbeat > last);
    }

    [Fact]
    public async Task It_is_started_once()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node node = await Node.StartAsync(connection);
        await Assert.ThrowsAsync<InvalidOperationException>(() => node.Presence.StartAsync(Token));
        await node.Presence.DisposeAsync();
        await node.Presence.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => node.Presence.StartAsync(Token));
    }

    [Fact]
    public async Task Clients_are_not_counted_twice_because_two_follow_the_same_server()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using Node node = await Node.StartAsync(connection);
        await using RedisPresence again = new(node.Server, connection, Node.Prefix), elsewhere = new(node.Server, connection, "other");
        Assert.Contains(Node.Prefix, (await Assert.ThrowsAsync<InvalidOperationException>(() => again.StartAsync(Token))).Message, StringComparison.Ordinal);
        await elsewhere.StartAsync(Token);
        await node.Presence.DisposeAsync();
        await again.StartAsync(Token);
        await node.ConnectAsync("alice");
        await Answer.UntilAsync(1, () => again.CountAsync(Token));
        await Answer.UntilAsync(1, () => elsewhere.CountAsync(Token));
    }

    [Fact]
    public async Task A_prefix_or_an_option_that_cannot_be_used_is_refused()
    {
        await using var server = new WebSocketServer(new WebSocketServerOptions());
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync("127.0.0.1:1,abortConnect=false,connectTimeout=1,connectRetry=0");
        Assert.Throws<ArgumentException>(() => new RedisPresence(server, connection, ""));
        Assert.Throws<ArgumentException>(() => new RedisPresence(server, connection, "{chat}"));
        Refused(options => options.HeartbeatInterval = TimeSpan.FromMilliseconds(9));
        Refused(options => options.Expiry = TimeSpan.FromSeconds(9.9));
        Refused(options => options.Expiry = TimeSpan.FromHours(2));
        Refused(options => options.MaxChangesPerCall = 0);
        Refused(options => options.TimeProvider = null!);

        void Refused(Action<RedisPresenceOptions> set)
        {
            var options = new RedisPresenceOptions();
            set(options);
            Assert.StartsWith("RedisPresenceOptions.", Assert.Throws<ArgumentException>(() => new RedisPresence(server, connection, "chat", options)).Message, StringComparison.Ordinal);
        }
    }

    internal static async Task<string[]> KeysAsync(ConnectionMultiplexer connection)
    {
        List<string> keys = await connection.GetServers()[0].KeysAsync().Select(key => (string)key!).ToListAsync(Token);
        return [.. keys.Distinct(StringComparer.Ordinal)];
    }

    // How often Redis has run a command, in scripts too.
    private static async Task<long> CallsAsync(ConnectionMultiplexer connection, string command)
    {
        string info = (string)(await connection.GetDatabase().ExecuteAsync("INFO", "commandstats"))!;
        string? line = info.Split('\n').FirstOrDefault(line => line.StartsWith($"cmdstat_{command}:calls=", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.Split('=', ',')[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
