using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>Which clients a path has, and which events it gets.</summary>
public sealed class PathTests
{
    private static async Task<ReceivedAnswer> AskAsync(TestServer server, string target, params string[] headers)
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request(target, headers));
        return await client.ReadAnswerAsync();
    }

    [Fact]
    public async Task Events_come_to_the_server_first_and_then_to_the_path_and_to_no_other_path()
    {
        ConcurrentQueue<string> events = [];
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            Subscribe(server.Path("/chat/{room}"));
            Subscribe(server.Path("/chat"));
            server.Handshaking += (sender, e) => events.Enqueue($"server Handshaking {e.MatchedPath} {e.PathValues["room"]} {sender == server}");
            server.ClientConnected += (_, _) => events.Enqueue("server ClientConnected");
            server.MessageReceived += (_, e) => events.Enqueue($"server MessageReceived {e.Text}");
            server.ClientDisconnected += (_, _) => events.Enqueue("server ClientDisconnected");

            void Subscribe(WebSocketPath path)
            {
                path.Handshaking += (sender, e) => events.Enqueue($"{path} Handshaking {e.PathValues["room"]} {sender == path}");
                path.ClientConnected += (sender, e) => events.Enqueue($"{path} ClientConnected {path.Clients.Count} {path.Clients.Contains(e.Client)} {sender == path}");
                path.MessageReceived += (sender, e) => events.Enqueue($"{path} MessageReceived {e.Text} {e.Client.PathValues["room"]} {sender == path}");
                path.ClientDisconnected += (sender, e) => events.Enqueue($"{path} ClientDisconnected {path.Clients.Count} {sender == path}");
            }
        });
        using (TestClient client = await server.OpenAsync("/chat/lobby"))
        {
            await client.SendAsync("1");
            await client.SendAsync("2");
            await client.LeaveAsync();
        }

        await server.NextEndAsync();
        await Polling.UntilAsync(() => events.Count == 10);
        Assert.Equal(
            [
                "server Handshaking /chat/{room} lobby True", "/chat/{room} Handshaking lobby True",
                "server ClientConnected", "/chat/{room} ClientConnected 1 True True",
                "server MessageReceived 1", "/chat/{room} MessageReceived 1 lobby True",
                "server MessageReceived 2", "/chat/{room} MessageReceived 2 lobby True",
                "server ClientDisconnected", "/chat/{room} ClientDisconnected 0 True",
            ],
            events, StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_path_is_asked_about_the_handshake_also_if_the_server_has_no_handlers()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/closed").Handshaking += (_, e) => e.Refuse(HttpStatusCode.Forbidden, "closed");
            server.Path("/open");
        });
        Assert.Equal("closed", (await AskAsync(server, "/closed")).Body);
        using TestClient client = await server.OpenAsync("/open");
    }

    [Fact]
    public async Task An_exception_of_one_handler_keeps_the_event_from_no_other_whether_of_the_server_or_the_path()
    {
        int called = 0;
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += (_, _) => throw new InvalidTimeZoneException("server");
                server.Path("/").MessageReceived += (_, _) => throw new InvalidTimeZoneException("path");
                server.Path("/").MessageReceived += async (_, e) =>
                {
                    Interlocked.Increment(ref called);
                    await e.Client.SendAsync("still called");
                };
            },
            options => options.HandlerExceptions = HandlerExceptionPolicy.KeepClient);
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal("still called", await client.ReadTextAsync());
        Assert.Equal(["server", "path"], server.Log.Of(10).Select(line => line.Exception!.Message), StringComparer.Ordinal);
        Assert.Equal(1, called);
    }

    [Fact]
    public async Task A_handler_of_the_server_that_changes_the_context_leaves_that_of_the_path_followed()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.MessageReceived += (_, _) => SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
            server.Path("/").MessageReceived += async (_, _) =>
            {
                await Task.Yield();
                throw new InvalidDataException("followed");
            };
        });
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
        Assert.Equal("followed", Assert.Single(server.Log.Of(10)).Exception!.Message);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/Chat")]
    [InlineData("/chat/a/b")]
    [InlineData("/chat//")]
    [InlineData("//chat/a")]
    [InlineData("/chat/..")]
    [InlineData("/chat/%2E%2E")]
    [InlineData("/chat/%2e")]
    [InlineData("/chat/../chat/a")]
    [InlineData("/chat%2Fa")]
    [InlineData("/chat/a%2fb/c")]
    [InlineData("/ch%00at", 400)]
    public async Task A_handshake_elsewhere_is_answered_with_404(string target, int status = 404)
    {
        int asked = 0;
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/chat/{room}");
            server.Handshaking += (_, _) => Interlocked.Increment(ref asked);
        });
        ReceivedAnswer answer = await AskAsync(server, target);
        Assert.Equal((status, 0), (answer.Status, asked));
        if (status == 404)
            Assert.Equal("This server has no WebSocket at this path. Check the path of the URL; upper and lower case differ.\n", answer.Body);
        Assert.Empty(server.Clients);
    }

    [Theory]
    [InlineData(20_000)]
    [InlineData(2)]
    public async Task A_path_of_countless_segments_is_answered_with_404_at_once(int lengthOfSegment)
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/{a}/{b}/{c}/{d}/end");
            server.Path("/x/{b}/x/{d}/{e}/end");
        });
        string segment = "/" + new string('x', lengthOfSegment - 1);
        Assert.Equal(404, (await AskAsync(server, string.Concat(Enumerable.Repeat(segment, 20_000 / lengthOfSegment)))).Status);
        Assert.Equal(404, (await AskAsync(server, new string('/', 20_000))).Status);
    }

    [Fact]
    public async Task The_log_tells_once_which_paths_there_are_and_how_to_add_one()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/chat/{room}");
            server.Path("/news");
        });
        await AskAsync(server, "/chats");
        await AskAsync(server, "/other");
        Assert.Contains("/chats with 404, since the server has paths and none matches: /chat/{room}, /news. To serve it: server.Path(\"/chats\")", Assert.Single(server.Log.Of(36)).Message, StringComparison.Ordinal);
        Assert.Equal(2, server.Log.Of(7).Count(line => line.Level == LogLevel.Debug && line.Message.Contains("404", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Rules_about_hosts_origins_and_handshakes_come_before_404()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Path("/chat"));
        Assert.Equal(403, (await AskAsync(server, "/other", "Origin: https://evil.example")).Status);
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync("GET /other HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"u8.ToArray());
        Assert.Equal(426, (await client.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task Plain_requests_belong_to_no_path()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/chat");
            server.HttpRequestReceived += (_, e) =>
            {
                if (e.Request.Path != "/nothing")
                    e.Respond(HttpStatusCode.OK, $"page {e.Request.Path}");
            };
        });
        using HttpClient http = new() { BaseAddress = new Uri($"http://{server.EndPoint}/") };
        foreach (string path in (string[])["/chat", "/other"])
            Assert.Equal($"page {path}", await http.GetStringAsync(new Uri(path, UriKind.Relative), TestServer.Timely));
        using HttpResponseMessage nothing = await http.GetAsync(new Uri("/nothing", UriKind.Relative), TestServer.Timely);
        Assert.Equal(HttpStatusCode.UpgradeRequired, nothing.StatusCode);
    }

    [Fact]
    public async Task Paths_are_added_while_clients_connect_and_every_client_gets_the_best_that_there_is()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Path("/{*rest}"));
        using var stop = new CancellationTokenSource();
        Task adding = Task.Run(
            () =>
            {
                for (int i = 0; i < 200; i++)
                    server.Server.Path($"/p{i}/{{value}}");
            },
            TestServer.Timely);
        for (int i = 0; i < 20; i++)
        {
            (TestClient raw, WebSocketClient client) = await server.ConnectAsync($"/p{i * 10}/x");
            using (raw)
                Assert.Contains(client.MatchedPath!.Template, (string[])["/{*rest}", $"/p{i * 10}/{{value}}"], StringComparer.Ordinal);
        }

        await adding;
        for (int i = 0; i < 200; i += 50)
        {
            (TestClient raw, WebSocketClient client) = await server.ConnectAsync($"/p{i}/x");
            using (raw)
                Assert.Equal(($"/p{i}/{{value}}", "x"), (client.MatchedPath!.Template, client.PathValues["value"]));
        }
    }

    [Fact]
    public async Task A_message_to_the_clients_of_a_path_comes_to_them_alone()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/chat/{room}");
            server.Path("/news");
        });
        using TestClient one = await server.OpenAsync("/chat/1");
        using TestClient two = await server.OpenAsync("/chat/2");
        using TestClient news = await server.OpenAsync("/news");
        for (int i = 0; i < 3; i++)
            await server.NextClientAsync();
        WebSocketPath chat = server.Server.Path("/chat/{room}");
        Assert.Equal(2, chat.Clients.Broadcast("for the chat").Sent);
        Assert.Equal(1, chat.Clients.Where(client => client.PathValues["room"] == "2").Broadcast("for room 2").Sent);
        Assert.Equal(1, server.Server.Path("/news").Clients.Broadcast("for the news").Sent);
        Assert.Equal("for the chat", await one.ReadTextAsync());
        Assert.Equal("for the chat", await two.ReadTextAsync());
        Assert.Equal("for room 2", await two.ReadTextAsync());
        Assert.Equal("for the news", await news.ReadTextAsync());
        await one.LeaveAsync();
        await server.NextEndAsync();
        Assert.Equal("/chat/2", Assert.Single(chat.Clients).Path);
    }

    [Fact]
    public async Task Paths_stay_when_the_server_is_started_again_with_the_options_of_that_start()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Path("/", new PathOptions { MaxFragmentsPerMessage = 5 }), options => options.MaxMessageSize = 3);
        await server.Server.StopAsync(TestServer.Timely);
        server.Options.MaxMessageSize = 4;
        await server.Server.StartAsync(TestServer.Timely);
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("1234");
        await client.SendAsync("12345");
        await client.AssertClosedAsync(1009);
        Assert.Equal(1, (await server.NextEndAsync()).Client.MessagesReceived);
    }
}
