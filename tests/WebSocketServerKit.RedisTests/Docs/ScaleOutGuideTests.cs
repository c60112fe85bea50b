using System.Net;
using StackExchange.Redis;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>The code of docs/scale-out.md and docs/redis.md, as it stands there.</summary>
public sealed class ScaleOutGuideTests
{
    [Fact]
    public void Each_block_of_code_is_compiled()
    {
        const string Here = "tests/WebSocketServerKit.RedisTests/Docs/ScaleOutGuideTests.cs";
        GuideCode.AssertIsIn("docs/scale-out.md", 4, Here);
        GuideCode.AssertIsIn("docs/redis.md", 1, Here);
    }

    [Fact]
    public async Task A_history_in_few_lines_gives_a_client_what_it_has_missed()
    {
        await using RedisServer running = await RedisServer.StartAsync();
        await using ConnectionMultiplexer redis = await running.ConnectAsync();
        await using WebSocketServer server = new("http://127.0.0.1:0");
        await using RedisPresence presence = new(server, redis, "chat");
        await server.StartAsync(TestContext.Current.CancellationToken);
        await presence.StartAsync(TestContext.Current.CancellationToken);
        await using RedisHistory history = new(redis, "chat", new RedisHistoryOptions { Format = message => PreparedMessage.FromText($"{message.Offset} {message.Text}") });
        server.ClientConnected += async (_, e) =>
        {
            HistoryOffset? from = HistoryOffset.TryParse(e.Client.QueryString, out HistoryOffset offset) ? offset : null;
            await history.ResumeAsync(e.Client, "news", from);
        };
        HistoryOffset first = await history.PublishAsync("news", "one", TestContext.Current.CancellationToken);
        HistoryOffset second = await history.PublishAsync("news", "two", TestContext.Current.CancellationToken);
        using RawClient client = await RawClient.ConnectAsync((IPEndPoint)server.EndPoints[0]);
        await client.WriteAsync(RawClient.Request($"/?{first}"));
        await client.ReadAcceptanceAsync();
        Assert.Equal($"{second} two", System.Text.Encoding.UTF8.GetString((await client.ReadFrameAsync())!.Payload.Span));

        // Who is online can be selected from every server.
        while (await presence.CountAsync(TestContext.Current.CancellationToken) == 0)
            await Task.Yield();
        await foreach (OnlineClient online in presence.ListAsync(TestContext.Current.CancellationToken))
            Assert.Equal(1, server.Clients.WithGlobalId(online.GlobalId).Broadcast("hello").Accepted);
    }

    internal static class Guide
    {
        internal static async Task Connected()
        {
            WebSocketServer server = new("http://*:8080");
            server.UseRedis("redis:6379", "chat");   // before the start; "chat" is the same on all servers that belong together
            server.ClientConnected += async (_, e) => await e.Client.JoinAsync("room");
            server.MessageReceived += (_, e) => server.Clients.InGroup("room").Except(e.Client).Broadcast(e);
            await server.StartAsync();
        }

        internal static async Task InFewLines()
        {
            WebSocketServer server = new("http://*:8080");
            server.UseRedis("redis:6379", "chat");
            await server.StartAsync();
        }

        internal static async Task Asked(WebSocketServer server)
        {
            BroadcastReport report = await server.Clients.WithUser("ada").BroadcastAsync("You have mail.");
            if (report.Result.Accepted == 0)
                Console.WriteLine(report.IsComplete ? "Ada is not online." : $"Only {report.ServersAnswered} of {report.ServersAsked} servers have answered.");
        }

        internal static async Task Online(WebSocketServer server)
        {
            ConnectionMultiplexer redis = await ConnectionMultiplexer.ConnectAsync("redis:6379");
            await using RedisPresence presence = new(server, redis, "chat");
            await presence.StartAsync();

            long inRoom = await presence.CountGroupAsync("room");
            foreach (OnlineClient online in await presence.FindUserAsync("ada"))
                Console.WriteLine($"{online.UserId} is connected since {online.Since} for {online.Path} on {online.NodeId}");
            Console.WriteLine(inRoom);
        }

        internal static async Task Kept(WebSocketServer server, ConnectionMultiplexer redis)
        {
            await using RedisHistory history = new(redis, "chat", new RedisHistoryOptions { Format = message => PreparedMessage.FromText($"{message.Offset} {message.Text}") });
            server.ClientConnected += async (_, e) =>
            {
                HistoryOffset? from = HistoryOffset.TryParse(e.Client.QueryString, out HistoryOffset offset) ? offset : null;
                HistoryResume resumed = await history.ResumeAsync(e.Client, "news", from);
                if (resumed.Gap is not null)
                    e.Client.TrySend("Some messages are lost: they were older than the history.");
            };
            await history.PublishAsync("news", "It is noon.");
        }
    }
}
