using System.Net;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>What the instruments of a server show of real connections.</summary>
public sealed class WebSocketServerMetricsTests : IDisposable
{
    private const string Received = "network.io.direction=receive";
    private const string Sent = "network.io.direction=transmit";
    private readonly Instruments _instruments = new();

    public void Dispose() => _instruments.Dispose();

    private Task<TestServer> StartEchoAsync(Action<WebSocketServerOptions>? configure = null) => TestServer.StartEchoAsync(options =>
    {
        options.UseMeterFactory(_instruments);
        configure?.Invoke(options);
    });

    private double Total(string name, string direction) => _instruments.ReadValue(name, direction);

    [Fact]
    public async Task Messages_and_bytes_are_counted_in_both_directions_and_so_are_the_clients()
    {
        await using TestServer server = await StartEchoAsync();
        (TestClient raw, _) = await server.ConnectAsync();
        double answer = Total("websocket.server.io", Sent);
        Assert.InRange(answer, 100, 300); // the answer to the handshake
        for (int i = 0; i < 3; i++)
        {
            await raw.SendAsync("hello");
            Assert.Equal("hello", await raw.ReadTextAsync());
        }

        Assert.Equal(1, _instruments.ReadValue("websocket.server.clients"));
        Assert.Equal(0, _instruments.ReadValue("websocket.server.handshakes.active"));
        Assert.Equal((3, 3), (Total("websocket.server.messages", Received), Total("websocket.server.messages", Sent)));
        Assert.Equal((15, 15), (Total("websocket.server.messages.payload", Received), Total("websocket.server.messages.payload", Sent)));
        Assert.Equal(3 * (2 + 4 + 5), Total("websocket.server.io", Received));
        await Polling.UntilAsync(() => Total("websocket.server.io", Sent) == answer + 3 * (2 + 5)); // counted after the client has the bytes
        await Polling.UntilAsync(() => _instruments.Of("websocket.server.handler.duration").Count == 3);
        Assert.Equal(["5", "5", "5"], _instruments.Of("websocket.server.message.size"));
        Assert.Equal(["1 http.response.status_code=101"], _instruments.Of("websocket.server.handshakes"));
        Assert.EndsWith(" http.response.status_code=101", Assert.Single(_instruments.Of("websocket.server.handshake.duration")));
        raw.Dispose();
    }

    [Fact]
    public async Task Totals_never_fall_when_clients_leave_and_when_the_server_is_started_again()
    {
        await using TestServer server = await StartEchoAsync(options => options.Listen(new IPEndPoint(IPAddress.Loopback, 0), OverTlsAttribute.Server));
        for (int run = 1; run <= 3; run++)
        {
            for (int visit = 0; visit < 2; visit++)
            {
                (TestClient raw, _) = await server.ConnectAsync();
                await raw.SendAsync("hello");
                Assert.Equal("hello", await raw.ReadTextAsync());
                double before = Total("websocket.server.messages", Received);
                Assert.Equal((2 * (run - 1)) + visit + 1, before);
                raw.Reset();
                await server.NextEndAsync();
                Assert.Equal(before, Total("websocket.server.messages", Received));
            }

            await server.Server.StopAsync(TestContext.Current.CancellationToken);
            Assert.Equal(2 * run, Total("websocket.server.messages", Received));
            Assert.Equal(2 * run, Total("websocket.server.messages", Sent));
            Assert.Equal(0, _instruments.ReadValue("websocket.server.clients"));
            await server.Server.StartAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Compression_shows_in_fewer_bytes_than_payload()
    {
        await using TestServer server = await StartEchoAsync(options => options.PerMessageDeflate = new PerMessageDeflateOptions());
        using System.Net.WebSockets.ClientWebSocket client = new() { Options = { DangerousDeflateOptions = new() } };
        await client.ConnectAsync(new Uri($"ws://{server.EndPoint}/"), TestContext.Current.CancellationToken);
        byte[] message = new byte[100_000];
        await client.SendAsync(message, System.Net.WebSockets.WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);
        await client.ReceiveAsync(message, TestContext.Current.CancellationToken);
        Assert.Equal(100_000, Total("websocket.server.messages.payload", Received));
        Assert.Equal(100_000, Total("websocket.server.messages.payload", Sent));
        Assert.InRange(Total("websocket.server.io", Received), 10, 2_000);
        Assert.InRange(Total("websocket.server.io", Sent), 10, 2_000);
    }

    [Fact]
    public async Task A_refusal_is_counted_with_its_status_and_reason()
    {
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.Handshaking += (_, e) =>
                {
                    if (e.Request.Path == "/throws")
                        throw new InvalidOperationException("on purpose");
                    e.Refuse(HttpStatusCode.Forbidden, "no");
                };
            },
            options => options.UseMeterFactory(_instruments));
        await RefusedAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "426", "upgrade_required");
        await RefusedAsync("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "421", "host_not_allowed");
        await RefusedAsync("rubbish\r\n\r\n", "400", "malformed_request_line");
        await RefusedAsync(Upgrade("/"), "403", "host");
        await RefusedAsync(Upgrade("/throws"), "500", "handler_failed");
        Assert.Equal(["1 websocket.event=handshaking_or_http_request_received"], _instruments.Of("websocket.server.handler.failures"));

        async Task RefusedAsync(string request, string status, string reason)
        {
            using TestClient raw = await TestClient.ConnectAsync(server.EndPoint);
            await raw.WriteAsync(System.Text.Encoding.ASCII.GetBytes(request));
            await raw.ReadAnswerAsync();
            await Polling.UntilAsync(() => _instruments.Of("websocket.server.handshakes").Contains($"1 http.response.status_code={status} websocket.refusal.reason={reason}", StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task A_connection_that_is_lost_in_the_handshake_is_measured_as_such()
    {
        await using TestServer server = await StartEchoAsync();
        using (TestClient raw = await TestClient.ConnectAsync(server.EndPoint))
            await raw.WriteAsync("GET / HT"u8.ToArray());
        await Polling.UntilAsync(() => _instruments.Of("websocket.server.handshake.duration").Any(one => one.EndsWith(" error.type=connection_lost", StringComparison.Ordinal)));
        Assert.Empty(_instruments.Of("websocket.server.handshakes"));
    }

    [Fact]
    public async Task A_client_that_does_not_get_through_the_TLS_handshake_is_measured_as_refused_or_turned_away()
    {
        await using TestServer server = await StartEchoAsync(options =>
        {
            options.Listen("https://127.0.0.1:0", OverTlsAttribute.Listen);
            options.HandshakeTimeout = TimeSpan.FromMilliseconds(300);
        });
        using TestClient rubbish = await TestClient.ConnectAsync(server.EndPoint), silent = await TestClient.ConnectAsync(server.EndPoint);
        await rubbish.WriteAsync(new byte[] { 22, 3, 1, 0, 4, 99, 0, 0, 0 }); // a record of the handshake with a message that does not exist
        await Polling.UntilAsync(() => ErrorsOf().Contains("refused") && ErrorsOf().Contains("turned_away"));

        HashSet<string> ErrorsOf() => [.. _instruments.Of("websocket.server.handshake.duration").Where(one => one.Contains("error.type=", StringComparison.Ordinal)).Select(one => one[(one.IndexOf('=', StringComparison.Ordinal) + 1)..])];
    }

    [Theory]
    [InlineData(HttpStatusCode.OK)]
    [InlineData(HttpStatusCode.ServiceUnavailable)]
    public async Task An_answer_of_the_host_to_a_plain_request_is_no_handshake(HttpStatusCode status)
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.HttpRequestReceived += (_, e) => e.Respond(status, "hello"), options => options.UseMeterFactory(_instruments));
        using TestClient raw = await TestClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        Assert.Equal("hello", (await raw.ReadAnswerAsync()).Body);
        using TestClient client = await server.OpenAsync();
        await Polling.UntilAsync(() => _instruments.Of("websocket.server.handshake.duration").Count == 1);
        Assert.EndsWith("=101", _instruments.Of("websocket.server.handshake.duration")[0], StringComparison.Ordinal);
        Assert.Single(_instruments.Of("websocket.server.handshakes"));
    }

    [Fact]
    public async Task Ends_are_counted_with_cause_and_code_and_handlers_that_throw_by_their_event()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, e) => throw new InvalidOperationException("on purpose"),
            options => (options.UseMeterFactory(_instruments).HandlerExceptions, options.Name) = (HandlerExceptionPolicy.CloseClient, "failing"));
        using TestClient raw = await server.OpenAsync();
        await raw.SendAsync("hello");
        await raw.ReadFrameAsync();
        await raw.SendCloseAsync(1011);
        using TestClient other = await server.OpenAsync();
        await other.SendCloseAsync(4567);
        await other.ReadFrameAsync();
        await server.NextEndAsync();
        await server.NextEndAsync();
        Assert.Equal(["1 websocket.event=message_received websocket.server.name=failing"], _instruments.Of("websocket.server.handler.failures"));
        Assert.Equal(
            [
                "1 websocket.close.code=1011 websocket.disconnect.cause=handler_failed websocket.server.name=failing",
                "1 websocket.close.code=4xxx websocket.disconnect.cause=closed websocket.server.name=failing",
            ],
            _instruments.Of("websocket.server.clients.closed").Order(StringComparer.Ordinal),
            StringComparer.Ordinal);
        Assert.Equal(2, _instruments.Of("websocket.server.client.duration").Count);
    }

    [Fact]
    public async Task Handlers_that_go_on_after_an_await_are_measured_to_their_end()
    {
        TaskCompletionSource goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                await goOn.Task;
                await e.Client.SendAsync("done");
            },
            options => options.UseMeterFactory(_instruments));
        using TestClient raw = await server.OpenAsync();
        await raw.SendAsync("hello");
        await Polling.UntilAsync(() => _instruments.Of("websocket.server.message.size").Count == 1);
        Assert.Empty(_instruments.Of("websocket.server.handler.duration"));
        goOn.SetResult();
        Assert.Equal("done", await raw.ReadTextAsync());
        await Polling.UntilAsync(() => _instruments.Of("websocket.server.handler.duration").Count == 1);
    }

    [Fact]
    public async Task Round_trips_of_pings_and_the_lag_of_the_server_are_measured()
    {
        await using TestServer server = await StartEchoAsync(TestServer.LookOften);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        Task<TimeSpan> ping = client.PingAsync(TestContext.Current.CancellationToken).AsTask();
        ReceivedFrame frame = await raw.ReadFrameAsync();
        await raw.WriteAsync(TestClient.Frame(Opcode.Pong, frame.Payload));
        TimeSpan roundTrip = await ping;
        await Polling.UntilAsync(() => _instruments.ValuesOf("websocket.server.ping.duration").Count > 0); // measured after who waits is told
        Assert.Equal([roundTrip.TotalSeconds], _instruments.ValuesOf("websocket.server.ping.duration"));
        await Polling.UntilAsync(() => _instruments.Of("websocket.server.lag").Any(one => one.EndsWith("=timer", StringComparison.Ordinal)));
        raw.Dispose();
    }

    [Fact]
    public async Task What_waits_for_a_slow_client_is_shown_and_that_it_is_slow()
    {
        await using TestServer server = await TestServer.StartAsync(
            configure: options => (options.UseMeterFactory(_instruments).SendQueueLimit, options.MaxBufferedBytes) = (64 * 1024, 100_000_000));
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 4096);
        byte[] block = new byte[8 * 1024];
        while (client.TrySend(block).IsAccepted || client.UnsentBytes < block.Length)
            await Task.Yield();
        Assert.Equal(1, _instruments.ReadValue("websocket.server.clients.slow"));
        Assert.InRange(_instruments.ReadValue("websocket.server.send_queues.size"), block.Length, 64 * 1024);
        Assert.InRange(_instruments.ReadValue("websocket.server.memory.usage"), block.Length, 1_000_000);
        Assert.Equal(100_000_000, _instruments.ReadValue("websocket.server.memory.limit"));
        Assert.InRange(_instruments.ReadValue("websocket.server.messages.dropped"), 1, double.MaxValue);
        raw.Dispose();
    }

    private static string Upgrade(string path) =>
        $"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
}
