using System.Net;
using System.Net.WebSockets;
using System.Security.Claims;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

/// <summary>How a connection becomes a client, or is told why not.</summary>
public class ClientSessionTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_refuses_with_status_headers_and_body(bool later)
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += async (_, e) =>
        {
            if (later)
                await Task.Yield();
            if (e.Request.Path == "/secret")
                e.Refuse(HttpStatusCode.Unauthorized, "Who are you?\n", headers: [new("WWW-Authenticate", "Bearer"), new("X-Why", "no token")]);
        });
        using TestClient refused = await TestClient.ConnectAsync(server.EndPoint);
        await refused.WriteAsync(TestClient.Request("/secret"));
        ReceivedAnswer answer = await refused.ReadAnswerAsync();

        Assert.Equal((401, "Unauthorized", "Who are you?\n"), (answer.Status, answer.Reason, answer.Body));
        Assert.Equal("Bearer", answer.Headers["WWW-Authenticate"]);
        Assert.Equal("no token", answer.Headers["X-Why"]);
        Assert.Equal("close", answer.Headers["Connection"]);
        await refused.AssertEndAsync();
        Assert.Empty(server.Clients);
        using TestClient accepted = await server.OpenAsync("/public");
    }

    [Fact]
    public async Task What_handlers_attach_arrives_at_the_client_and_in_the_answer()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Handshaking += async (_, e) =>
            {
                await Task.Yield();
                e.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, e.Request.Query["user"]!)], "test"));
                e.State = e.Request.Cookies["sid"];
                e.AddResponseHeader("Set-Cookie", "a=1");
                e.AddResponseHeader("X-Served-By", "me");
            };
        });
        using TestClient raw = await TestClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(TestClient.Request("/r%C3%A4um/1?user=ann&x=1", "Cookie: sid=abc"));
        ReceivedAnswer answer = await raw.ReadAnswerAsync();
        WebSocketClient client = await server.NextClientAsync();

        Assert.Equal((101, "a=1", "me"), (answer.Status, answer.Headers["Set-Cookie"], answer.Headers["X-Served-By"]));
        Assert.Equal("ann", client.User!.Identity!.Name);
        Assert.Equal("abc", client.State);
        Assert.Equal(("/räum/1", "user=ann&x=1"), (client.Path, client.QueryString));
        Assert.Equal(raw.LocalEndPoint, client.RemoteEndPoint);
        Assert.Equal(server.EndPoint, client.LocalEndPoint);
        Assert.Equal($"client {client.Id} ({raw.LocalEndPoint} /räum/1)", client.ToString());
    }

    [Fact]
    public async Task The_subprotocol_is_the_clients_first_that_the_server_speaks_unless_a_handler_chooses()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += (_, e) =>
            {
                if (e.Request.Path == "/choose")
                    e.Subprotocol = "v3";
                if (e.Request.Path == "/none")
                    e.Subprotocol = null;
            },
            options =>
            {
                options.Subprotocols.Add("v1");
                options.Subprotocols.Add("v2");
            });

        foreach ((string path, string? expected) in ((string, string?)[])[("/", "v2"), ("/choose", "v3"), ("/none", null)])
        {
            using ClientWebSocket client = await server.ConnectWebSocketAsync(path, options =>
            {
                options.AddSubProtocol("v3");
                options.AddSubProtocol("v2");
                options.AddSubProtocol("v1");
            });
            Assert.Equal(expected, client.SubProtocol);
            Assert.Equal(expected, (await server.NextClientAsync()).Subprotocol);
        }

        using ClientWebSocket stranger = await server.ConnectWebSocketAsync("/", options => options.AddSubProtocol("v9"));
        Assert.Null(stranger.SubProtocol);
    }

    public static MatrixTheoryData<bool, bool, HandlerExceptionPolicy> Failures => new([false, true], [false, true], Enum.GetValues<HandlerExceptionPolicy>());

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task A_handler_that_throws_lets_nobody_in(bool later, bool sendsToSomebodyWhoLeft, HandlerExceptionPolicy policy)
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += async (_, e) =>
            {
                if (later)
                    await Task.Yield();
                throw sendsToSomebodyWhoLeft ? new WebSocketException("the one who decides has left") : new InvalidDataException("cannot decide");
            },
            options => options.HandlerExceptions = policy);
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request());
        ReceivedAnswer answer = await client.ReadAnswerAsync();

        Assert.Equal((500, "The server failed to decide about this request. Try again later.\n"), (answer.Status, answer.Body));
        await client.AssertEndAsync();
        Assert.Empty(server.Clients);
        Assert.Equal(LogLevel.Error, Assert.Single(server.Log.Of(10)).Level);
    }

    [Fact]
    public async Task Decisions_that_come_too_late_or_cannot_be_sent_throw()
    {
        TaskCompletionSource<HandshakingEventArgs> kept = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += (_, e) =>
        {
            Assert.Throws<ArgumentException>(() => e.Subprotocol = "not offered");
            Assert.Throws<ArgumentException>(() => e.AddResponseHeader("Sec-WebSocket-Accept", "x"));
            Assert.Throws<ArgumentException>(() => e.AddResponseHeader("X", "a\r\nSet-Cookie: b"));
            Assert.ThrowsAny<ArgumentException>(() => e.Refuse(HttpStatusCode.OK));
            kept.SetResult(e);
        });
        using TestClient client = await server.OpenAsync();
        HandshakingEventArgs late = await kept.Task.Timely();

        Assert.Throws<InvalidOperationException>(() => late.Refuse(HttpStatusCode.Forbidden));
        Assert.Throws<InvalidOperationException>(() => late.Subprotocol = null);
        Assert.Throws<InvalidOperationException>(() => late.User = null);
        Assert.Throws<InvalidOperationException>(() => late.AddResponseHeader("X", "y"));
        Assert.Empty(server.Log.Of(10));
    }

    [Fact]
    public async Task A_client_that_gets_none_of_its_subprotocols_is_told_to_the_log_once_with_what_to_set()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += (_, e) =>
            {
                if (e.Request.Path == "/choose")
                    e.Subprotocol = "v3";
                if (e.Request.Path == "/none")
                    e.Subprotocol = null;
            },
            options => options.Subprotocols.Add("v1"));
        async Task ConnectAsync(string path, params string[] subprotocols)
        {
            using ClientWebSocket client = await server.ConnectWebSocketAsync(path, options => Array.ForEach(subprotocols, options.AddSubProtocol));
            await server.NextClientAsync();
        }

        await ConnectAsync("/");
        await ConnectAsync("/", "v1");
        await ConnectAsync("/choose", "v3"); // a handler chose
        await ConnectAsync("/none", "v1"); // a handler chose none of them
        Assert.Empty(server.Log.Of(21));

        await ConnectAsync("/", "v8", "v9");
        await ConnectAsync("/", "v7");
        FakeLogRecord warning = Assert.Single(server.Log.Of(21));
        Assert.Equal(LogLevel.Warning, warning.Level);
        Assert.StartsWith("A client offered the subprotocols v8, v9 and got none of them", warning.Message, StringComparison.Ordinal);
        Assert.Contains("options.Subprotocols.Add(\"v8\")", warning.Message, StringComparison.Ordinal);
    }

    private static async Task<ReceivedAnswer> AskAsync(TestServer server, byte[] request)
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(request);
        ReceivedAnswer answer = await client.ReadAnswerAsync();
        if (answer.Status != 101)
            await client.AssertEndAsync();
        return answer;
    }

    private static byte[] Handshake(string host, string? origin = null) => Encoding.Latin1.GetBytes(
        Encoding.Latin1.GetString(TestClient.Request("/", origin is null ? [] : [$"Origin: {origin}"])).Replace("Host: localhost", $"Host: {host}", StringComparison.Ordinal));

    private static byte[] Plain(string host) => Encoding.Latin1.GetBytes($"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");

    [Fact]
    public async Task A_page_that_had_its_name_point_at_this_machine_gets_nothing_and_the_log_says_once_why()
    {
        int asked = 0;
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Handshaking += (_, _) => Interlocked.Increment(ref asked);
            server.HttpRequestReceived += (_, e) =>
            {
                Interlocked.Increment(ref asked);
                e.Respond(HttpStatusCode.OK, "secret");
            };
        });
        string evil = $"evil.test:{server.EndPoint.Port}";
        foreach (byte[] request in (byte[][])[Handshake(evil, $"http://{evil}"), Plain(evil), Plain("other.test")])
        {
            ReceivedAnswer answer = await AskAsync(server, request);
            Assert.Equal((421, "Misdirected Request"), (answer.Status, answer.Reason));
            Assert.StartsWith("This server does not answer for the host that the request names.", answer.Body, StringComparison.Ordinal);
        }

        Assert.Equal(0, asked);
        FakeLogRecord warning = Assert.Single(server.Log.Of(20));
        Assert.Equal(LogLevel.Warning, warning.Level);
        Assert.Contains("options.AllowedHosts.Add(\"evil.test\")", warning.Message, StringComparison.Ordinal);
        Assert.Contains("DNS rebinding", warning.Message, StringComparison.Ordinal);
        Assert.Equal(3, server.Log.Of(7).Count);
        Assert.Empty(server.Log.Of(8));
    }

    [Fact]
    public async Task Those_who_know_where_the_server_is_get_in_on_a_loopback_address()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, "page"));
        foreach (string host in (string[])["localhost", $"127.0.0.1:{server.EndPoint.Port}", "[::1]:80", "app.localhost"])
        {
            Assert.Equal(101, (await AskAsync(server, Handshake(host, $"http://{host}"))).Status);
            Assert.Equal(200, (await AskAsync(server, Plain(host))).Status);
        }

        // What is no browser: it sends no origin, or no host.
        Assert.Equal(101, (await AskAsync(server, Handshake("anything.example"))).Status);
        Assert.Equal(200, (await AskAsync(server, "GET / HTTP/1.0\r\n\r\n"u8.ToArray())).Status);
        Assert.Equal(200, (await AskAsync(server, Plain(""))).Status);
        Assert.Empty(server.Log.Of(20));
    }

    [Fact]
    public async Task The_pages_behind_a_proxy_on_this_machine_get_in_by_what_the_log_advises()
    {
        byte[] page = Handshake("chat.example", "https://chat.example");
        await using (TestServer unset = await TestServer.StartEchoAsync())
        {
            Assert.Equal(421, (await AskAsync(unset, page)).Status);
            Assert.Contains("options.AllowedHosts.Add(\"chat.example\")", Assert.Single(unset.Log.Of(20)).Message, StringComparison.Ordinal);
        }

        await using TestServer server = await TestServer.StartAsync(
            server => server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, e.Request.Host), options => options.AllowedHosts.Add("chat.example"));
        Assert.Equal(101, (await AskAsync(server, page)).Status);
        Assert.Equal("chat.example:443", (await AskAsync(server, Plain("chat.example:443"))).Body);

        // Now the list says it all.
        Assert.Equal(421, (await AskAsync(server, Handshake("localhost"))).Status);
        Assert.Equal(421, (await AskAsync(server, Plain("localhost"))).Status);
        Assert.Equal(421, (await AskAsync(server, "GET / HTTP/1.0\r\n\r\n"u8.ToArray())).Status);
        Assert.Equal(403, (await AskAsync(server, Handshake("chat.example", "https://evil.test"))).Status);
    }

    [Fact]
    public async Task The_log_advises_nothing_that_a_client_could_make_dangerous()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        Assert.Equal(421, (await AskAsync(server, Plain("*"))).Status);
        Assert.Equal(403, (await AskAsync(server, Handshake("localhost", "*"))).Status);
        Assert.Empty(server.Log.Of(20));
        Assert.Empty(server.Log.Of(8));
    }

    [Theory]
    [InlineData("https://app.example.com")]
    [InlineData("http://localhost:9001/")]
    [InlineData("http://app.example.com/page")]
    [InlineData("file://")]
    [InlineData("file:///android_asset/index.html")]
    [InlineData("null")]
    [InlineData("ArduinoSocketIOClient")]
    [InlineData("192.168.1.10")]
    [InlineData("")]
    [InlineData("caf\u00E9 \u0085\t\"\\")]
    public async Task An_origin_gets_in_by_what_the_log_advises(string origin)
    {
        string advised;
        await using (TestServer unset = await TestServer.StartEchoAsync())
        {
            Assert.Equal(403, (await AskAsync(unset, Handshake("localhost", origin))).Status);
            FakeLogRecord warning = Assert.Single(unset.Log.Of(8));
            string literal = warning.GetStructuredStateValue("Entry")!;
            Assert.Contains($"options.AllowedOrigins.Add(\"{literal}\")", warning.Message, StringComparison.Ordinal);
            advised = Regex.Unescape(literal); // of \", \\ and \uXXXX it makes what C# does
        }

        await using TestServer server = await TestServer.StartEchoAsync(options => options.AllowedOrigins.Add(advised));
        Assert.Equal(101, (await AskAsync(server, Handshake("localhost", origin))).Status);
    }

    [Fact]
    public async Task What_is_no_UTF_8_is_shown_as_it_can_be()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += (_, e) => e.State = $"{e.Request.Cookies["name"]} {e.Request.Headers["X-Name"]} {e.Request.Query["q"]}");
        using TestClient raw = await TestClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(TestClient.Request("/100%/caf%E9?q=%E9", "Cookie: name=Zo\u00C3\u00AB", "X-Name: Zo\u00EB"));
        Assert.Equal(101, (await raw.ReadAnswerAsync()).Status);
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal("/100%/caf%E9", client.Path);
        Assert.Equal("Zo\u00EB Zo\u00EB %E9", client.State);
    }

    [Fact]
    public async Task A_close_reason_makes_no_line_of_its_own_in_the_log()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await server.OpenAsync();
        await client.SendCloseAsync(1000, "bye\r\ncrit: forged\u2028too");
        await client.AssertClosedAsync(1000);
        Assert.Equal("bye\r\ncrit: forged\u2028too", (await server.NextEndAsync()).CloseReason);
        Assert.EndsWith("close code 1000 bye\\u000D\\u000Acrit: forged\\u2028too", Assert.Single(server.Log.Of(6)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Foreign_origins_are_refused_and_the_log_says_once_how_to_allow_them()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.AllowedOrigins.Add("https://friend.example"));
        Assert.Equal(101, (await AskAsync(server, Handshake("localhost"))).Status);
        Assert.Equal(101, (await AskAsync(server, Handshake("localhost", "http://localhost"))).Status); // the request's own host
        Assert.Equal(101, (await AskAsync(server, Handshake("localhost", "https://friend.example"))).Status);
        foreach (string foreign in (string[])["https://evil.example", "http://friend.example", "null", "https://evil.example"])
        {
            ReceivedAnswer answer = await AskAsync(server, Handshake("localhost", foreign));
            Assert.Equal((403, "Pages of this origin may not connect. The server's operator can add the origin to those that it allows.\n"), (answer.Status, answer.Body));
        }

        var warning = Assert.Single(server.Log.Of(8));
        Assert.Equal(LogLevel.Warning, warning.Level);
        Assert.Contains("options.AllowedOrigins.Add(\"https://evil.example\")", warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_origins_may_connect_when_the_host_says_so()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.AllowedOrigins.Add("*"));
        using ClientWebSocket client = await server.ConnectWebSocketAsync("/", options => options.SetRequestHeader("Origin", "https://anybody.example"));
    }

    [Fact]
    public async Task Plain_requests_are_answered_by_the_host()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.HttpRequestReceived += async (_, e) =>
        {
            await Task.Yield();
            if (e.Request.Path == "/health")
                e.Respond(HttpStatusCode.OK, $"{e.Request.Method} from {((IPEndPoint)e.RemoteEndPoint).Address}", headers: [new("Cache-Control", "no-store")]);
            if (e.Request.Path == "/bytes")
                e.Respond(HttpStatusCode.OK, new byte[] { 65, 66 });
        });

        foreach ((string method, string target, int status, string body) in ((string, string, int, string)[])
            [("GET", "/health", 200, "GET from 127.0.0.1"), ("POST", "/health", 200, "POST from 127.0.0.1"), ("GET", "/bytes", 200, "AB"), ("DELETE", "/other", 405, "")])
        {
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            await client.WriteAsync(Encoding.Latin1.GetBytes($"{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            ReceivedAnswer answer = await client.ReadAnswerAsync();
            Assert.Equal(status, answer.Status);
            if (body != "")
                Assert.Equal(body, answer.Body);
            Assert.Equal("close", answer.Headers["Connection"]);
            await client.AssertEndAsync();
        }

        using TestClient head = await TestClient.ConnectAsync(server.EndPoint);
        await head.WriteAsync("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        ReceivedAnswer headers = await head.ReadAnswerAsync(toHead: true);
        Assert.Equal((200, "19", "no-store"), (headers.Status, headers.Headers["Content-Length"], headers.Headers["Cache-Control"]));
        await head.AssertEndAsync(); // no body
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Plain_requests_that_nobody_answers_are_told_what_this_is(bool asked)
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            if (asked)
                server.HttpRequestReceived += (_, _) => { };
        });
        using TestClient get = await TestClient.ConnectAsync(server.EndPoint);
        await get.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        ReceivedAnswer answer = await get.ReadAnswerAsync();
        Assert.Equal((426, "websocket", "Upgrade, close"), (answer.Status, answer.Headers["Upgrade"], answer.Headers["Connection"]));
        Assert.StartsWith("This is a WebSocket server.", answer.Body, StringComparison.Ordinal);
        await get.AssertEndAsync();

        using TestClient head = await TestClient.ConnectAsync(server.EndPoint);
        await head.WriteAsync("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        Assert.Equal(426, (await head.ReadAnswerAsync(toHead: true)).Status);
        await head.AssertEndAsync();
    }

    [Fact]
    public async Task A_handler_that_fails_to_answer_a_plain_request_gives_500()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.HttpRequestReceived += async (_, e) =>
        {
            e.Respond(HttpStatusCode.OK, "half an answer");
            await Task.Yield();
            throw new InvalidDataException("the other half");
        });
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        Assert.Equal(500, (await client.ReadAnswerAsync()).Status);
        await client.AssertEndAsync();
    }

    [Fact]
    public async Task Frames_may_follow_the_request_without_waiting_for_the_answer()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request().Concat(TestClient.Text("early")).Concat(TestClient.Text("bird")[..3]).ToArray());
        Assert.Equal(101, (await client.ReadAnswerAsync()).Status);
        Assert.Equal("early", await client.ReadTextAsync());
        await client.WriteAsync(TestClient.Text("bird").AsMemory(3));
        Assert.Equal("bird", await client.ReadTextAsync());
    }

    [Fact]
    public async Task A_request_and_frames_that_come_byte_by_byte_are_understood()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        byte[] bytes = [.. TestClient.Request("/slow"), .. TestClient.Text("byte by byte"), .. TestClient.Frame(Opcode.Binary, new byte[200])];
        for (int i = 0; i < bytes.Length; i++)
            await client.WriteAsync(bytes.AsMemory(i, 1));
        Assert.Equal(101, (await client.ReadAnswerAsync()).Status);
        Assert.Equal("byte by byte", await client.ReadTextAsync());
        Assert.Equal(200, (await client.ReadFrameAsync()).Payload.Length);
    }

    [Fact]
    public async Task A_client_that_ends_its_side_right_behind_its_messages_gets_its_answers()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request().Concat(TestClient.Text("1")).Concat(TestClient.Text("2")).ToArray());
        client.HalfClose();
        Assert.Equal(101, (await client.ReadAnswerAsync()).Status);
        Assert.Equal("1", await client.ReadTextAsync());
        Assert.Equal("2", await client.ReadTextAsync());
        await client.AssertEndAsync();
        Assert.Equal(DisconnectCause.ConnectionLost, (await server.NextEndAsync()).Cause);
    }

    [Fact]
    public async Task A_malformed_request_is_told_what_is_wrong()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        foreach ((string request, int status) in ((string, int)[])
            [
                ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/2.0\r\n\r\n", 505), ("\x16\x03\x01", 400),
                ("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n", 426),
                ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 413),
            ])
        {
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            await client.WriteAsync(Encoding.Latin1.GetBytes(request));
            ReceivedAnswer answer = await client.ReadAnswerAsync();
            Assert.Equal(status, answer.Status);
            Assert.NotEmpty(answer.Body);
            await client.AssertEndAsync();
        }

        Assert.Equal(5, server.Log.Of(7).Count);
    }
}
