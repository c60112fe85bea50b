using System.Net;
using System.Text;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Servers with clients that act as one over a real Redis.</summary>
public sealed class ClusterTests
{
    private static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    // A chat room whose code knows nothing of other servers.
    private static async Task<WebSocketServer> StartAsync(string configuration, RedisPubSub pubSub = RedisPubSub.Auto)
    {
        WebSocketServer server = new(new WebSocketServerOptions { Urls = ["http://127.0.0.1:0"], PingInterval = Timeout.InfiniteTimeSpan });
        server.UseRedis(configuration, "chat", new RedisBackplaneOptions { PubSub = pubSub });
        server.Handshaking += (_, e) => e.UserId = e.Request.Path[1..];
        server.ClientConnected += async (_, e) =>
        {
            await e.Client.JoinAsync("room");
            await e.Client.SendAsync("welcome");
        };
        server.MessageReceived += (_, e) => server.Clients.InGroup("room").Except(e.Client).Broadcast(e);
        await server.StartAsync(Timely);
        return server;
    }

    private static async Task<RawClient> EnterAsync(WebSocketServer server, string user)
    {
        RawClient client = await RawClient.ConnectAsync((IPEndPoint)server.EndPoints[0]);
        await client.WriteAsync(RawClient.Request($"/{user}"));
        await client.ReadAcceptanceAsync();
        Assert.Equal("welcome", await ReadAsync(client));
        return client;
    }

    private static async Task<string> ReadAsync(RawClient client) => Encoding.UTF8.GetString((await client.ReadFrameAsync().WaitAsync(Timely))!.Payload.Span);

    private static Task SayAsync(RawClient client, string text) => client.WriteAsync(ClientFrame.Text(text).ToBytes());

    // Others may hear the text several times before it has come through.
    private static async Task SayUntilHeardAsync(RawClient speaker, RawClient listener, string text)
    {
        Task<string> hearing = ReadAsync(listener);
        while (!hearing.IsCompleted)
        {
            await SayAsync(speaker, text);
            await Task.WhenAny(hearing, Task.Delay(50, Timely));
        }

        Assert.Equal(text, await hearing);
    }

    [Theory]
    [InlineData(RedisPubSub.Sharded)]
    [InlineData(RedisPubSub.Classic)]
    public async Task A_room_has_members_on_three_servers_who_get_every_message_once_and_in_order(RedisPubSub pubSub)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WebSocketServer one = await StartAsync(redis.Configuration, pubSub), two = await StartAsync(redis.Configuration, pubSub), three = await StartAsync(redis.Configuration, pubSub);
        using RawClient ada = await EnterAsync(one, "ada"), bob = await EnterAsync(one, "bob"), eve = await EnterAsync(two, "eve"), mia = await EnterAsync(three, "mia");
        for (int i = 0; i < 200; i++)
            await SayAsync(ada, $"{i}");
        for (int i = 0; i < 200; i++)
        {
            foreach (RawClient listener in (RawClient[])[bob, eve, mia])
                Assert.Equal($"{i}", await ReadAsync(listener));
        }

        await SayAsync(mia, "back");
        foreach (RawClient listener in (RawClient[])[ada, bob, eve])
            Assert.Equal("back", await ReadAsync(listener));
    }

    [Fact]
    public async Task A_report_tells_what_became_of_a_message_on_all_servers()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WebSocketServer one = await StartAsync(redis.Configuration), two = await StartAsync(redis.Configuration), three = await StartAsync(redis.Configuration);
        using RawClient ada = await EnterAsync(one, "ada"), alsoAda = await EnterAsync(two, "ada"), eve = await EnterAsync(three, "eve");
        BroadcastReport report = default;
        while (report.Result.Accepted < 2) // the server subscribes to its users beside their join
            report = await three.Clients.WithUser("ada").BroadcastAsync("mail", cancellationToken: Timely);
        Assert.Equal((2, 2, 2), (report.Result.Accepted, report.ServersAsked, report.ServersAnswered));
        report = await one.Clients.WithUser("nobody").BroadcastAsync("mail", cancellationToken: Timely);
        Assert.Equal((0, true), (report.Result.Accepted, report.IsComplete));
    }

    [Fact]
    public async Task A_message_to_a_group_that_nobody_else_is_in_does_not_go_to_Redis()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WebSocketServer one = await StartAsync(redis.Configuration), two = await StartAsync(redis.Configuration);
        using RawClient ada = await EnterAsync(one, "ada"), eve = await EnterAsync(two, "eve");
        await one.Clients.First().JoinAsync("private of one", Timely);
        await one.Clients.InGroup("private of one").BroadcastAsync("?", cancellationToken: Timely); // the first message finds out

        using StreamReader commands = await redis.MonitorAsync();
        for (int i = 0; i < 1_000; i++)
            Assert.Equal(ForwardResult.Unneeded, one.Clients.InGroup("private of one").Broadcast("m").OtherServers);
        await one.Clients.InGroup("room").BroadcastAsync("end", cancellationToken: Timely);
        string command = "";
        while (!(command.Contains("PUBLISH", StringComparison.OrdinalIgnoreCase) && command.Contains("room", StringComparison.Ordinal)))
        {
            command = await commands.ReadLineAsync(Timely) ?? throw new EndOfStreamException();
            Assert.DoesNotContain("private of one", command, StringComparison.Ordinal);
        }

        // As soon as somebody is in it elsewhere, it does.
        await two.Clients.First().JoinAsync("private of one", Timely);
        Assert.Equal(ForwardResult.Accepted, one.Clients.InGroup("private of one").Broadcast("now").OtherServers);
    }

    [Fact]
    public async Task While_Redis_is_gone_local_members_hear_each_other_and_afterwards_all_do()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WebSocketServer one = await StartAsync(redis.Configuration), two = await StartAsync(redis.Configuration);
        using RawClient ada = await EnterAsync(one, "ada"), bob = await EnterAsync(one, "bob"), eve = await EnterAsync(two, "eve");
        await redis.KillAsync();
        await Polling.UntilAsync(() => one.Health.IsBackplaneConnected is false);
        Assert.Equal(WebSocketServerHealthStatus.Degraded, one.Health.Status);
        await SayAsync(ada, "local");
        Assert.Equal("local", await ReadAsync(bob));
        Assert.Equal(ForwardResult.Dropped, one.Clients.InGroup("room").Except([.. one.Clients]).Broadcast("lost").OtherServers);

        await redis.RestartAsync();
        await SayUntilHeardAsync(ada, eve, "again");
        await Polling.UntilAsync(() => one.Health.Status == WebSocketServerHealthStatus.Healthy);
    }

    [Fact]
    public async Task A_server_that_is_cut_off_from_Redis_harms_no_other_and_takes_part_again()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using Relay network = new(redis);
        await using WebSocketServer one = await StartAsync(redis.Configuration), two = await StartAsync(redis.Configuration), three = await StartAsync($"{network.Configuration},asyncTimeout=500,syncTimeout=500");
        using RawClient ada = await EnterAsync(one, "ada"), eve = await EnterAsync(two, "eve"), mia = await EnterAsync(three, "mia"), max = await EnterAsync(three, "max");
        network.Cut();
        await SayAsync(ada, "without three");
        Assert.Equal("without three", await ReadAsync(eve));
        await SayAsync(mia, "here");
        Assert.Equal("here", await ReadAsync(max));

        // One that asks all does not wait for it longer than the timeout.
        BroadcastReport report = await one.Clients.BroadcastAsync("all", timeout: TimeSpan.FromSeconds(1), cancellationToken: Timely);
        Assert.Equal((2, 1), (report.ServersAsked, report.ServersAnswered));

        network.Mend();
        Assert.Equal("all", await ReadAsync(eve));
        Assert.Equal("all", await ReadAsync(ada));
        Task<string> hearing = ReadAsync(max);
        while (await hearing != "and again")
        {
            await SayAsync(ada, "and again");
            hearing = ReadAsync(max);
        }
    }
}
