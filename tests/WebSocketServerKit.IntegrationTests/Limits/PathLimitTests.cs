using System.Net;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Limits;

/// <summary>Options of a path hold for its clients, and for no others.</summary>
public sealed class PathLimitTests
{
    private static void Echo(WebSocketServer server) => server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);

    private static Task<TestServer> StartEchoAsync(Action<WebSocketServer> add, Action<WebSocketServerOptions>? configure = null) =>
        TestServer.StartAsync(
            server =>
            {
                Echo(server);
                add(server);
            },
            configure);

    private static async Task<ReceivedAnswer> AskAsync(TestServer server, string target, params string[] headers)
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request(target, headers));
        return await client.ReadAnswerAsync();
    }

    [Fact]
    public async Task Message_sizes_are_those_of_the_path()
    {
        await using TestServer server = await StartEchoAsync(
            server =>
            {
                server.Path("/small", new PathOptions { MaxMessageSize = 3 });
                server.Path("/large", new PathOptions { MaxMessageSize = 100 });
                server.Path("/");
            },
            options => options.MaxMessageSize = 10);
        foreach ((string target, int size) in ((string, int)[])[("/small", 3), ("/large", 100), ("/", 10)])
        {
            using TestClient client = await server.OpenAsync(target);
            await client.SendAsync(new byte[size]);
            Assert.Equal(size, (await client.ReadFrameAsync()).Payload.Length);
            await client.SendAsync(new byte[size + 1]);
            await client.AssertClosedAsync(1009, "message too big");
        }
    }

    [Fact]
    public async Task A_handler_starts_from_the_options_of_the_path_and_null_brings_those_of_the_server_back()
    {
        await using TestServer server = await StartEchoAsync(
            server =>
            {
                server.Path("/{what}", new PathOptions { MaxMessageSize = 20, MaxFragmentsPerMessage = 7 }).Handshaking += (_, e) =>
                {
                    Assert.Equal((20, 7, typeof(ClientOptions)), (e.Options.MaxMessageSize, e.Options.MaxFragmentsPerMessage, e.Options.GetType()));
                    if (e.PathValues["what"] == "more")
                        e.Options.MaxMessageSize += 5;
                    if (e.PathValues["what"] == "server")
                        e.Options.MaxMessageSize = null;
                };
            },
            options => options.MaxMessageSize = 10);
        foreach ((string target, int size) in ((string, int)[])[("/same", 20), ("/more", 25), ("/server", 10)])
        {
            using TestClient client = await server.OpenAsync(target);
            await client.SendAsync(new byte[size]);
            Assert.Equal(size, (await client.ReadFrameAsync()).Payload.Length);
            await client.SendAsync(new byte[size + 1]);
            await client.AssertClosedAsync(1009, "message too big");
        }
    }

    [Fact]
    public async Task An_exception_closes_the_client_or_not_as_the_path_says()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/kept", new PathOptions { HandlerExceptions = HandlerExceptionPolicy.KeepClient });
            server.Path("/closed");
            server.MessageReceived += async (_, e) =>
            {
                if (e.Text == "throw")
                    throw new InvalidTimeZoneException();
                await e.Client.SendAsync(e.Text);
            };
        });
        using TestClient kept = await server.OpenAsync("/kept");
        await kept.SendAsync("throw");
        await kept.SendAsync("x");
        Assert.Equal("x", await kept.ReadTextAsync());
        using TestClient closed = await server.OpenAsync("/closed");
        await closed.SendAsync("throw");
        Assert.Equal(1011, (await closed.ReadFrameAsync()).CloseCode);
    }

    [Fact]
    public async Task Subprotocols_are_those_of_the_path()
    {
        await using TestServer server = await StartEchoAsync(
            server =>
            {
                server.Path("/v2", new PathOptions { Subprotocols = ["v2", "v3"] });
                server.Path("/none", new PathOptions { Subprotocols = [] });
                server.Path("/");
            },
            options => options.Subprotocols.Add("v1"));
        foreach ((string target, string? expected) in ((string, string?)[])[("/v2", "v3"), ("/none", null), ("/", "v1")])
        {
            ReceivedAnswer answer = await AskAsync(server, target, "Sec-WebSocket-Protocol: v1, v3, v2");
            Assert.Equal((101, expected), (answer.Status, answer.Headers.GetValueOrDefault("Sec-WebSocket-Protocol")));
        }

        await AskAsync(server, "/none", "Sec-WebSocket-Protocol: v9");
        Assert.Contains("the PathOptions of \"/none\": Subprotocols.Add(\"v1\")", Assert.Single(server.Log.Of(21)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compression_is_that_of_the_path_with_limits_of_its_own()
    {
        await using TestServer server = await StartEchoAsync(
            server =>
            {
                server.Path("/own", new PathOptions { PerMessageDeflate = new PerMessageDeflateOptions { ServerContextTakeover = true, ClientContextTakeover = true, MaxContexts = 1 } });
                server.Path("/off", new PathOptions { AllowsCompression = false });
                server.Path("/");
            },
            options => options.PerMessageDeflate = new PerMessageDeflateOptions { ServerContextTakeover = true, ClientContextTakeover = true, MaxContexts = 1 });
        const string With = "permessage-deflate";
        const string Without = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        List<TestClient> clients = [];
        // Each has one place for a client with context takeover; the clients stay.
        foreach ((string target, string? expected) in ((string, string?)[])[("/own", With), ("/", With), ("/own", Without), ("/", Without), ("/off", null)])
        {
            TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            clients.Add(client);
            await client.WriteAsync(TestClient.Request(target, "Sec-WebSocket-Extensions: permessage-deflate"));
            ReceivedAnswer answer = await client.ReadAnswerAsync();
            Assert.Equal((101, expected), (answer.Status, answer.Headers.GetValueOrDefault("Sec-WebSocket-Extensions")));
        }

        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task A_handler_allows_one_client_the_compression_that_its_path_forbids()
    {
        await using TestServer server = await StartEchoAsync(
            server => server.Path("/{who}", new PathOptions { AllowsCompression = false }).Handshaking += (_, e) =>
            {
                if (e.PathValues["who"] == "friend")
                    e.Options.AllowsCompression = true;
            },
            options => options.PerMessageDeflate = new PerMessageDeflateOptions());
        Assert.DoesNotContain("Sec-WebSocket-Extensions", (await AskAsync(server, "/other", "Sec-WebSocket-Extensions: permessage-deflate")).Headers.Keys, StringComparer.OrdinalIgnoreCase);
        Assert.Contains("Sec-WebSocket-Extensions", (await AskAsync(server, "/friend", "Sec-WebSocket-Extensions: permessage-deflate")).Headers.Keys, StringComparer.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Origins_are_those_of_the_path()
    {
        await using TestServer server = await StartEchoAsync(
            server =>
            {
                server.Path("/partner", new PathOptions { AllowedOrigins = ["https://partner.example"] });
                server.Path("/public", new PathOptions { AllowedOrigins = ["*"] });
                server.Path("/own", new PathOptions { AllowedOrigins = [] });
                server.Path("/");
            },
            options => options.AllowedOrigins.Add("https://app.example"));
        (string Target, string Origin, int Status)[] cases =
        [
            ("/partner", "https://partner.example", 101), ("/partner", "https://app.example", 403), ("/partner", "https://evil.example", 403),
            ("/public", "https://evil.example", 101), ("/own", "https://app.example", 403), ("/", "https://app.example", 101), ("/", "https://partner.example", 403),
        ];
        foreach ((string target, string origin, int status) in cases)
            Assert.Equal(status, (await AskAsync(server, target, $"Origin: {origin}")).Status);
        foreach (string target in (string[])["/partner", "/public", "/own", "/"])
            Assert.Equal(101, (await AskAsync(server, target)).Status);
        Assert.Contains("To allow it: the PathOptions of \"/partner\": AllowedOrigins.Add(\"https://app.example\")", Assert.Single(server.Log.Of(8)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_foreign_page_on_a_rebound_host_gets_in_nowhere_but_where_its_origin_is_listed()
    {
        await using TestServer server = await StartEchoAsync(server => server.Path("/", new PathOptions { AllowedOrigins = ["https://app.example"] }));
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        string request = System.Text.Encoding.ASCII.GetString(TestClient.Request("/", "Origin: http://evil.example"));
        request = System.Text.RegularExpressions.Regex.Replace(request, "Host: [^\r]+", "Host: evil.example", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));
        await client.WriteAsync(System.Text.Encoding.ASCII.GetBytes(request));
        Assert.Equal(421, (await client.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task MaxClients_lets_just_that_many_in_and_a_place_is_free_when_its_client_is_out_of_the_registry()
    {
        int asked = 0;
        await using TestServer server = await StartEchoAsync(server =>
        {
            server.Path("/two", new PathOptions { MaxClients = 2 }).Handshaking += (_, _) => Interlocked.Increment(ref asked);
            server.Path("/");
        });
        using TestClient first = await server.OpenAsync("/two");
        using TestClient second = await server.OpenAsync("/two");
        using TestClient elsewhere = await server.OpenAsync("/");
        ReceivedAnswer answer = await AskAsync(server, "/two");
        Assert.Equal((503, "5", "There are too many clients at this path. Try again later.\n"), (answer.Status, answer.Headers["Retry-After"], answer.Body));
        Assert.Equal(2, asked);

        // However a client leaves: it closes, it is reset.
        await first.LeaveAsync();
        await server.NextEndAsync();
        using TestClient third = await server.OpenAsync("/two");
        second.Reset();
        await server.NextEndAsync();
        using TestClient fourth = await server.OpenAsync("/two");
        Assert.Equal(503, (await AskAsync(server, "/two")).Status);
        Assert.Equal(2, server.Server.Path("/two").Clients.Count);
    }

    [Fact]
    public async Task The_last_place_goes_to_one_of_those_who_come_at_the_same_time()
    {
        const int Places = 5;
        TaskCompletionSource go = Async.Gate();
        int waiting = 0;
        await using TestServer server = await StartEchoAsync(server => server.Path("/", new PathOptions { MaxClients = Places }).Handshaking += async (_, _) =>
        {
            Interlocked.Increment(ref waiting);
            await go.Task;
        });
        TestClient[] clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => TestClient.ConnectAsync(server.EndPoint)));
        await Task.WhenAll(clients.Select(client => client.WriteAsync(TestClient.Request())));
        await Polling.UntilAsync(() => Volatile.Read(ref waiting) == clients.Length);
        go.SetResult();
        ReceivedAnswer[] answers = await Task.WhenAll(clients.Select(client => client.ReadAnswerAsync()));
        Assert.Equal((Places, clients.Length - Places), (answers.Count(answer => answer.Status == 101), answers.Count(answer => answer.Status == 503)));
        foreach (TestClient client in clients)
            client.Dispose();
        await Polling.UntilAsync(() => server.Clients.Count == 0);
        for (int i = 0; i < Places; i++)
            (await server.OpenAsync()).Dispose();
    }

    [Theory]
    [InlineData("refuses")]
    [InlineData("throws")]
    [InlineData("sets invalid options")]
    public async Task A_handshake_that_fails_takes_no_place(string how)
    {
        await using TestServer server = await StartEchoAsync(server => server.Path("/", new PathOptions { MaxClients = 1 }).Handshaking += (_, e) =>
        {
            if (e.Request.QueryString.Length == 0)
                return;
            if (how == "refuses")
                e.Refuse(HttpStatusCode.Forbidden);
            else if (how == "throws")
                throw new InvalidTimeZoneException();
            else
                e.Options.MaxMessageSize = 0;
        });
        Assert.Equal(how == "refuses" ? 403 : 500, (await AskAsync(server, "/?fail")).Status);
        using TestClient client = await server.OpenAsync();
        Assert.Equal(503, (await AskAsync(server, "/")).Status);
    }

    [Fact]
    public async Task Limits_of_the_server_hold_for_all_paths_together()
    {
        await using TestServer server = await StartEchoAsync(
            server =>
            {
                server.Path("/a", new PathOptions { MaxClients = 5 });
                server.Path("/b", new PathOptions { MaxClients = 5 });
            },
            options => options.MaxClients = 2);
        using TestClient a = await server.OpenAsync("/a");
        using TestClient b = await server.OpenAsync("/b");
        Assert.Equal("The server is full at present. Try again later.\n", (await AskAsync(server, "/a")).Body);
    }

    [Fact]
    public async Task A_message_that_came_with_the_request_is_held_to_the_limits_of_the_path()
    {
        await using TestServer server = await StartEchoAsync(server => server.Path("/", new PathOptions { MaxMessageSize = 3 }));
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync((byte[])[.. TestClient.Request(), .. TestClient.Frame(Opcode.Binary, [1, 2, 3, 4])]);
        Assert.Equal(101, (await client.ReadAnswerAsync()).Status);
        await client.AssertClosedAsync(1009, "message too big");
    }
}
