using System.Net;
using System.Security.Claims;
using System.Text;
using Microsoft.Extensions.Time.Testing;

namespace WebSocketServerKit.Testing;

/// <summary>The handshake, plain requests, waits for the server, fake time.</summary>
public class TestingExtensionsTests
{
    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_request_is_what_the_options_say()
    {
        HandshakingEventArgs? seen = null;
        ClaimsPrincipal user = new(new ClaimsIdentity("test"));
        object source = new();
        await using WebSocketServer server = await Started.ServerAsync(
            server => server.Handshaking += (_, e) =>
            {
                seen = e;
                e.AddResponseHeader("X-Room", "7");
            },
            options => options.Subprotocols.Add("v2"));
        await using TestClient client = await server.ConnectAsync("/a?b=c", options =>
        {
            options.AddHeader("Origin", "https://localhost:99").AddHeader("Cookie", "session=1").AddHeader("host", "localhost:99");
            options.Subprotocols.Add("v1");
            options.Subprotocols.Add("v2");
            options.User = user;
            options.Source = source;
            options.RemoteEndPoint = IPEndPoint.Parse("192.0.2.1:5000");
            options.LocalEndPoint = IPEndPoint.Parse("127.0.0.1:80");
            options.IsSecure = true;
        });
        Assert.Equal(("/a?b=c", "https://localhost:99", "1", "localhost:99"), (seen!.Request.Target, seen.Request.Origin, seen.Request.Cookies["session"], seen.Request.Host));
        Assert.Equal(["v1", "v2"], seen.Request.RequestedSubprotocols);
        Assert.Equal(("192.0.2.1:5000", "127.0.0.1:80", true), (seen.RemoteEndPoint.ToString(), seen.LocalEndPoint.ToString(), seen.Request.IsSecure));
        Assert.Same(user, client.ServerSide.User);
        Assert.Same(source, client.ServerSide.Source);
        Assert.Equal(("v2", "v2"), (client.Subprotocol, client.ServerSide.Subprotocol));
        Assert.Equal((HttpStatusCode.SwitchingProtocols, "7", null), (client.Response.Status, client.Response["x-room"], client.Response["X-Other"]));
    }

    [Fact]
    public async Task A_refusal_has_status_headers_and_body()
    {
        await using WebSocketServer server = await Started.ServerAsync(
            server => server.Handshaking += (_, e) => e.Refuse(HttpStatusCode.Forbidden, "Näh.\n", headers: [new("X-Why", "a"), new("X-Why", "b")]));
        HandshakeRefusedException refused = await Assert.ThrowsAsync<HandshakeRefusedException>(() => server.ConnectAsync("/chat"));
        Assert.Equal((HttpStatusCode.Forbidden, "Forbidden", "Näh.\n", "a, b"), (refused.Status, refused.Response.ReasonPhrase, refused.Body, refused.Response["x-why"]));
        Assert.Equal("The server has refused the client at /chat. It answered 403 Forbidden: Näh.", refused.Message);
        Assert.Empty(server.Clients);
        TestResponse response = await server.ExpectRefusedAsync(HttpStatusCode.Forbidden);
        Assert.Equal("Näh.\n", response.Body);
        ExpectationFailedException failed = await Assert.ThrowsAsync<ExpectationFailedException>(() => server.ExpectRefusedAsync(HttpStatusCode.NotFound));
        Assert.Contains("Actual:   403 Forbidden: Näh.", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_accepted_client_where_a_refusal_is_expected_fails_and_leaves()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        ExpectationFailedException failed = await Assert.ThrowsAsync<ExpectationFailedException>(() => server.ExpectRefusedAsync(HttpStatusCode.Forbidden));
        Assert.Contains("Actual:   101 Switching Protocols", failed.Message, StringComparison.Ordinal);
        await server.WhenIdleAsync();
        Assert.Empty(server.Clients);
    }

    [Theory]
    [InlineData("Origin", "https://elsewhere.example", 403)]
    [InlineData("Host", "elsewhere.example", 421)]
    [InlineData("Sec-WebSocket-Version", "8", 426)]
    [InlineData("Sec-WebSocket-Key", "short", 400)]
    [InlineData("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", 101)]
    public async Task The_servers_own_rules_hold(string name, string value, int status)
    {
        await using WebSocketServer server = await Started.EchoAsync(options => options.AllowedHosts.Add("localhost"));
        if (status == 101)
            await (await server.ConnectAsync(configure: options => options.AddHeader(name, value))).CloseAsync();
        else
            await server.ExpectRefusedAsync((HttpStatusCode)status, configure: options => options.AddHeader(name, value));
    }

    [Theory]
    [InlineData("chat")]
    [InlineData("/a b")]
    [InlineData("/a\r\nX: y")]
    public async Task A_target_that_cannot_be_sent_is_refused_and_nothing_is_connected(string target)
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => server.ConnectAsync(target));
        Assert.Throws<ArgumentException>(() => new TestClientOptions().AddHeader("X", "a\nb"));
        Assert.Throws<ArgumentException>(() => new TestClientOptions().AddHeader("X:", "a"));
        await server.WhenIdleAsync();
    }

    [Fact]
    public async Task A_server_that_is_not_started_or_stopped_says_so()
    {
        WebSocketServer server = new(new WebSocketServerOptions());
        Assert.Contains("StartAsync", (await Assert.ThrowsAsync<InvalidOperationException>(() => server.ConnectAsync())).Message, StringComparison.Ordinal);
        await server.StartAsync(cancellationToken: Ended);
        await using (await server.ConnectAsync())
            await server.StopAsync(cancellationToken: Ended);
        await Assert.ThrowsAsync<InvalidOperationException>(() => server.ConnectAsync());
        await server.StartAsync(cancellationToken: Ended);
        await using (TestClient again = await server.ConnectAsync())
            await again.CloseAsync();
        await server.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.ConnectAsync());
    }

    [Fact]
    public async Task The_stop_of_the_server_closes_its_clients_with_1001()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        StopResult result = await server.StopAsync(cancellationToken: Ended);
        Assert.Equal((1, 0), (result.ClosedCleanly, result.Aborted));
        await client.ExpectClosedAsync(CloseCode.GoingAway);
    }

    [Fact]
    public async Task A_server_that_stops_while_its_handlers_decide_refuses_the_client_or_closes_it_at_once()
    {
        TaskCompletionSource asked = new();
        TaskCompletionSource decide = new();
        await using WebSocketServer server = await Started.ServerAsync(server => server.Handshaking += async (_, _) =>
        {
            asked.SetResult();
            await decide.Task;
        });
        Task<TestClient> connecting = server.ConnectAsync();
        await asked.Task;
        Task stopping = server.StopAsync(cancellationToken: Ended);
        decide.SetResult();
        try
        {
            await using TestClient client = await connecting; // the handlers were faster
            await client.ExpectClosedAsync(CloseCode.GoingAway);
        }
        catch (HandshakeRefusedException refused)
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.Status);
        }

        await stopping;
    }

    [Fact]
    public async Task A_server_that_is_disposed_of_while_its_handlers_decide_gives_no_answer()
    {
        TaskCompletionSource asked = new();
        TaskCompletionSource decide = new();
        WebSocketServer server = await Started.ServerAsync(server => server.Handshaking += async (_, _) =>
        {
            asked.SetResult();
            await decide.Task;
        });
        Task<TestClient> connecting = server.ConnectAsync();
        await asked.Task;
        server.Dispose();
        Exception? failure = await Record.ExceptionAsync(() => connecting);
        Assert.True(failure is ConnectionClosedException { CloseCode.Value: 1006 } or HandshakeRefusedException { Status: HttpStatusCode.ServiceUnavailable }, failure?.ToString());
        decide.SetResult();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task An_attempt_that_is_cancelled_or_takes_too_long_leaves_nothing()
    {
        TaskCompletionSource decide = new();
        CancellationTokenSource asked = new();
        await using WebSocketServer server = await Started.ServerAsync(server => server.Handshaking += async (_, _) =>
        {
            await asked.CancelAsync();
            await decide.Task;
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server.ConnectAsync(configure: options => options.CancellationToken = asked.Token));
        TimeoutException late = await Assert.ThrowsAsync<TimeoutException>(() => server.ConnectAsync("/chat", options => options.Timeout = TimeSpan.FromMilliseconds(10)));
        Assert.StartsWith("Waited 0.01 s for the server's answer to the request for /chat.", late.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server.ConnectAsync(configure: options => options.CancellationToken = asked.Token));
        decide.SetResult();
        await server.WhenIdleAsync();
        Assert.Empty(server.Clients);
        asked.Dispose();
    }

    [Fact]
    public async Task Limits_of_clients_and_of_addresses_hold()
    {
        await using WebSocketServer server = await Started.EchoAsync(options => options.MaxClientsPerRemoteAddress = 1);
        await using TestClient first = await server.ConnectAsync(configure: options => options.RemoteEndPoint = IPEndPoint.Parse("192.0.2.1:1"));
        await server.ExpectRefusedAsync(HttpStatusCode.ServiceUnavailable, configure: options => options.RemoteEndPoint = IPEndPoint.Parse("192.0.2.1:2"));
        await using TestClient other = await server.ConnectAsync(configure: options => options.RemoteEndPoint = IPEndPoint.Parse("192.0.2.2:1"));
        Assert.Equal(2, server.Clients.Count);
    }

    [Fact]
    public async Task Tls_and_the_proxy_protocol_of_the_end_points_do_not_count()
    {
        await using WebSocketServer server = await Started.EchoAsync(options =>
        {
            options.ListenDefaults = new ListenOptions { Tls = TlsOptions.SelfSigned(), ProxyProtocol = true };
            options.TrustedProxies.Add("192.0.2.1");
            options.ForwardedHeaders = ForwardedHeaderKind.XForwarded;
        });
        await using TestClient client = await server.ConnectAsync(configure: options => options.RemoteEndPoint = IPEndPoint.Parse("198.51.100.1:1"));
        await client.SendAsync("x");
        await client.ExpectTextAsync("x");
        await using TestClient proxied = await server.ConnectAsync(configure: options =>
        {
            options.RemoteEndPoint = IPEndPoint.Parse("192.0.2.1:1");
            options.AddHeader("X-Forwarded-For", "203.0.113.9");
        });
        Assert.Equal("203.0.113.9", ((IPEndPoint)proxied.ServerSide.RemoteEndPoint).Address.ToString());
    }

    [Fact]
    public async Task A_plain_request_is_answered_over_an_http_client()
    {
        await using WebSocketServer server = await Started.ServerAsync(server => server.HttpRequestReceived += (_, e) =>
        {
            if (e.Request.Path is "/health")
                e.Respond(HttpStatusCode.OK, "well");
        });
        using HttpClient http = server.CreateHttpClient();
        Assert.Equal("well", await http.GetStringAsync("/health", cancellationToken: Ended));
        using HttpResponseMessage other = await http.GetAsync("/", cancellationToken: Ended);
        Assert.Equal(HttpStatusCode.UpgradeRequired, other.StatusCode);
        await server.WhenIdleAsync();
    }

    [Fact]
    public async Task A_stream_carries_whatever_bytes_a_test_writes()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using Stream stream = server.OpenStream();
        await stream.WriteAsync("HELLO\r\n\r\n"u8.ToArray(), cancellationToken: Ended);
        using StreamReader reader = new(stream, Encoding.UTF8);
        Assert.Equal("HTTP/1.1 400 Bad Request", await reader.ReadLineAsync(cancellationToken: Ended));
        Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
    }

    [Fact]
    public async Task An_idle_server_has_done_all_that_its_clients_asked_for()
    {
        List<int> sums = [];
        await using WebSocketServer server = await Started.ServerAsync(server =>
        {
            server.ClientConnected += async (_, e) => await Task.Yield();
            server.MessageReceived += async (_, e) =>
            {
                string text = e.Text;
                await Task.Delay(1); // what a handler does with a database
                lock (sums)
                    sums.Add(text.Length);
                server.Clients.Broadcast(text);
            };
            server.ClientDisconnected += async (_, e) =>
            {
                await Task.Delay(1);
                lock (sums)
                    sums.Add(-1);
            };
        });
        TestClient[] clients = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => server.ConnectAsync()));
        for (int round = 0; round < 5; round++)
        {
            foreach (TestClient client in clients)
                await client.SendAsync("xyz");
            await server.WhenIdleAsync();
            Assert.Equal(10 * (round + 1), sums.Count);
            Assert.All(clients, client => Assert.Equal(10 * (round + 1), client.ServerSide.MessagesSent));
        }

        foreach (TestClient client in clients)
            client.Drop();
        await server.WhenIdleAsync();
        Assert.Equal(60, sums.Count);
        Assert.Empty(server.Clients);
    }

    [Fact]
    public async Task A_server_without_clients_of_the_test_is_idle()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await server.WhenIdleAsync();
        await using Stream silent = server.OpenStream();
        await server.WhenIdleAsync();
    }

    [Fact]
    public async Task Pings_of_a_fake_clock_are_answered_however_far_it_moves()
    {
        FakeTimeProvider clock = new();
        await using WebSocketServer server = await Started.EchoAsync(options => options.UseTimeProvider(clock));
        await using TestClient client = await server.ConnectAsync();
        await using TestClient other = await server.ConnectAsync();
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(19));
        Assert.Null(client.ServerSide.Latency);
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.Zero, client.ServerSide.Latency);
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromMinutes(10));
        await client.SendAsync("still here");
        await client.ExpectTextAsync("still here");
        Assert.Equal(2, server.Clients.Count);
    }

    [Fact]
    public async Task A_client_that_does_not_answer_a_ping_is_gone_at_the_promised_time()
    {
        FakeTimeProvider clock = new();
        TaskCompletionSource<DisconnectCause> left = new();
        await using WebSocketServer server = await Started.ServerAsync(
            server => server.ClientDisconnected += (_, e) => left.SetResult(e.Cause),
            options =>
            {
                options.UseTimeProvider(clock);
                options.PingInterval = TimeSpan.FromSeconds(20);
                options.PingTimeout = TimeSpan.FromSeconds(10);
            });
        await using TestClient client = await server.ConnectAsync();
        client.PauseReading();
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(29));
        Assert.Single(server.Clients);
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(2));
        Assert.Equal(CloseCode.AbnormalClosure, await client.WaitForCloseAsync());
        Assert.Equal(DisconnectCause.PingTimeout, await left.Task);
    }

    [Fact]
    public async Task A_request_that_does_not_come_is_answered_with_408_at_the_promised_time()
    {
        FakeTimeProvider clock = new();
        await using WebSocketServer server = await Started.EchoAsync(options => options.UseTimeProvider(clock));
        await using Stream stream = server.OpenStream();
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(9));
        using StreamReader reader = new(stream, Encoding.UTF8);
        Task<string?> answer = reader.ReadLineAsync(cancellationToken: Ended).AsTask();
        Assert.False(answer.IsCompleted);
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(2));
        Assert.Equal("HTTP/1.1 408 Request Timeout", await answer);
    }

    [Fact]
    public async Task A_client_that_does_not_answer_the_close_frame_is_cut_at_the_promised_time()
    {
        FakeTimeProvider clock = new();
        await using WebSocketServer server = await Started.EchoAsync(options => options.UseTimeProvider(clock));
        await using TestClient client = await server.ConnectAsync();
        client.PauseReading();
        Task closing = client.ServerSide.CloseAsync(cancellationToken: Ended);
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(4));
        Assert.False(closing.IsCompleted);
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromSeconds(3));
        await client.WaitForCloseAsync();
        await closing;
    }

    [Fact]
    public async Task A_session_expires_when_its_time_has_come()
    {
        FakeTimeProvider clock = new();
        await using WebSocketServer server = await Started.ServerAsync(
            server => server.Handshaking += (_, e) => e.ExpiresAt = clock.GetUtcNow() + TimeSpan.FromHours(1),
            options => options.UseTimeProvider(clock));
        await using TestClient client = await server.ConnectAsync();
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromMinutes(59));
        Assert.True(client.IsOpen);
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromMinutes(2));
        await client.ExpectClosedAsync(CloseCode.PolicyViolation, "session has expired");
    }

    [Fact]
    public async Task A_handler_that_waits_for_the_clock_does_not_hold_it_up()
    {
        FakeTimeProvider clock = new();
        await using WebSocketServer server = await Started.ServerAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                await Task.Delay(TimeSpan.FromSeconds(30), clock);
                await e.Client.SendAsync("done");
            },
            options => options.UseTimeProvider(clock));
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("x");
        await server.AdvanceAsync(clock.Advance, TimeSpan.FromMinutes(2));
        await client.ExpectTextAsync("done");
        await client.ExpectNothingAsync();
    }

    [Fact]
    public async Task Time_does_not_pass_backwards()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => server.AdvanceAsync(_ => { }, TimeSpan.FromTicks(-1)));
        await server.AdvanceAsync(_ => Assert.Fail("The clock has moved."), TimeSpan.Zero);
    }
}
