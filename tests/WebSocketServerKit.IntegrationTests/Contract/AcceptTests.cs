using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Security.Claims;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>A connection that the host brings has the contract of one that the server has accepted itself, whatever carries it.</summary>
public class AcceptTests
{
    public static TheoryData<Carrier> Carriers => [.. Enum.GetValues<Carrier>()];

    public static TheoryData<Carrier> CarriersWithTwoEnds => [.. Enum.GetValues<Carrier>().Where(carrier => carrier != Carrier.NamedPipe)];

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_message_is_echoed_and_events_come_in_order(Carrier carrier)
    {
        List<string> events = [];
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Handshaking += (_, e) => events.Add($"Handshaking {e.RemoteEndPoint}");
            server.ClientConnected += (_, e) => events.Add($"ClientConnected {e.Client.RemoteEndPoint}");
            server.MessageReceived += async (_, e) =>
            {
                events.Add($"MessageReceived {e.Text}");
                await e.Client.SendAsync(e.Text);
            };
            server.ClientDisconnected += (_, e) => events.Add($"ClientDisconnected {(int)e.CloseCode} {e.WasClean}");
        });
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier, IPEndPoint.Parse("192.0.2.1:5000"));
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReadTextAsync());
        await client.LeaveAsync(1001);
        Assert.Equal(
            ["Handshaking 192.0.2.1:5000", "ClientConnected 192.0.2.1:5000", "MessageReceived hello", "ClientDisconnected 1001 True"],
            events, StringComparer.Ordinal);
        Assert.Empty(server.Clients);
        Assert.Equal(0, server.Server.BufferedBytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_user_and_the_source_of_a_brought_connection_are_its_clients_with_and_without_a_handler(bool hasHandler)
    {
        ClaimsPrincipal user = new(new ClaimsIdentity("test"));
        object source = new();
        (ClaimsPrincipal?, object?) seen = default;
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            if (hasHandler)
                server.Handshaking += (_, e) => seen = (e.User, e.Source);
        });
        await using FedClient client = await FedClient.OpenAsync(server.Server, Carrier.Pipes, options: new AcceptOptions { User = user, Source = source });
        WebSocketClient connected = await server.NextClientAsync();
        Assert.Same(user, connected.User);
        Assert.Same(source, connected.Source);
        Assert.Equal(hasHandler ? (user, source) : default, seen);
        await client.LeaveAsync();
    }

    [Fact]
    public async Task A_handler_has_the_last_word_about_the_user_of_a_brought_connection()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += (_, e) => e.User = null);
        await using FedClient client = await FedClient.OpenAsync(server.Server, Carrier.Pipes, options: new AcceptOptions { User = new ClaimsPrincipal() });
        Assert.Null((await server.NextClientAsync()).User);
        await client.LeaveAsync();
    }

    [Fact]
    public async Task A_plain_request_over_a_brought_connection_tells_its_source()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, "", headers: [new("X-Source", e.Source as string ?? "none")]));
        await using FedClient client = await FedClient.ConnectAsync(server.Server, Carrier.Pipes, options: new AcceptOptions { Source = "a proxy" });
        await client.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        Assert.Contains("\r\nX-Source: a proxy\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "HTTP/1.1 403 ")]
    [InlineData(true, "HTTP/1.1 101 ")]
    public async Task The_rules_for_origins_do_not_count_where_whoever_brings_the_connection_has_checked_it(bool isChecked, string status)
    {
        await using TestServer server = await TestServer.StartAsync();
        await using FedClient client = await FedClient.ConnectAsync(server.Server, Carrier.Pipes, options: new AcceptOptions { IsOriginChecked = isChecked });
        await client.WriteAsync(TestClient.Request("/", "Origin: https://elsewhere.example"));
        Assert.StartsWith(status, await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_of_which_the_host_tells_nothing_but_addresses_keeps_no_object_for_it()
    {
        Assert.Null(new AcceptOptions { RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, 1) }.ToFacts());
        Assert.True(new AcceptOptions { IsSecure = true }.ToFacts()!.IsSecure);
        await using TestServer server = await TestServer.StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        Assert.Null(client.Source);
        await raw.LeaveAsync();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_large_message_comes_and_goes_whole(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        byte[] payload = new byte[1_000_000];
        new Random(1).NextBytes(payload);
        Task sending = client.WriteAsync(TestClient.Frame(Opcode.Binary, payload));
        ReceivedFrame echo = await client.ReadFrameAsync();
        await sending;
        Assert.Equal(payload, echo.Payload);
        await client.LeaveAsync();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_silent_client_holds_no_buffer(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        await client.SendAsync("x");
        Assert.Equal("x", await client.ReadTextAsync());
        // A read of zero bytes from a named pipe does not wait, so the read that does needs a buffer.
        int most = carrier == Carrier.NamedPipe ? 16 * 1024 : 0;
        await Polling.UntilAsync(() => server.Server.BufferedBytes <= most);
        await client.LeaveAsync();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task What_comes_right_behind_the_request_is_handled(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using FedClient client = await FedClient.ConnectAsync(server.Server, carrier);
        await client.WriteAsync((byte[])[.. TestClient.Request(), .. TestClient.Text("one"), .. TestClient.Text("two"), .. TestClient.Close(1000)]);
        Assert.StartsWith("HTTP/1.1 101 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("one", await client.ReadTextAsync());
        Assert.Equal("two", await client.ReadTextAsync());
        await client.AssertClosedAsync(1000);
        await client.EndAsync();
        await client.Served.Timely();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_request_that_comes_byte_by_byte_is_understood(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using FedClient client = await FedClient.ConnectAsync(server.Server, carrier);
        foreach (byte octet in TestClient.Request())
            await client.WriteAsync(new[] { octet });
        Assert.StartsWith("HTTP/1.1 101 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        foreach (byte octet in TestClient.Text("hello"))
            await client.WriteAsync(new[] { octet });
        Assert.Equal("hello", await client.ReadTextAsync());
        await client.LeaveAsync();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_handler_refuses_a_request(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += (_, e) => e.Refuse(HttpStatusCode.Unauthorized, "no"));
        await using FedClient client = await FedClient.ConnectAsync(server.Server, carrier);
        await client.WriteAsync(TestClient.Request());
        Assert.StartsWith("HTTP/1.1 401 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await client.EndAsync();
        await client.Served.Timely();
        server.AssertNoMoreEnds();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_request_that_does_not_come_in_time_gets_408(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync(configure: options => options.HandshakeTimeout = TimeSpan.FromMilliseconds(100));
        await using FedClient client = await FedClient.ConnectAsync(server.Server, carrier);
        Assert.StartsWith("HTTP/1.1 408 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await client.EndAsync();
        await client.Served.Timely();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task One_client_too_many_gets_503(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxClients = 1);
        await using FedClient first = await FedClient.OpenAsync(server.Server, carrier);
        await using FedClient second = await FedClient.ConnectAsync(server.Server, carrier);
        Assert.StartsWith("HTTP/1.1 503 ", await second.ReadHeadAsync(), StringComparison.Ordinal);
        await second.EndAsync();
        await second.Served.Timely();
        await first.LeaveAsync();
    }

    [Fact]
    public async Task The_limit_for_one_address_goes_by_the_address_that_the_host_tells()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxClientsPerRemoteAddress = 1);
        await using FedClient first = await FedClient.OpenAsync(server.Server, Carrier.Pipes, IPEndPoint.Parse("192.0.2.1:5000"));
        await using FedClient other = await FedClient.OpenAsync(server.Server, Carrier.Pipes, IPEndPoint.Parse("192.0.2.2:5000"));
        await using FedClient unknown = await FedClient.OpenAsync(server.Server, Carrier.Pipes);
        await using FedClient second = await FedClient.ConnectAsync(server.Server, Carrier.Pipes, IPEndPoint.Parse("[::ffff:192.0.2.1]:6000"));
        Assert.StartsWith("HTTP/1.1 503 ", await second.ReadHeadAsync(), StringComparison.Ordinal);
        await using FedClient alsoUnknown = await FedClient.ConnectAsync(server.Server, Carrier.Pipes);
        Assert.StartsWith("HTTP/1.1 503 ", await alsoUnknown.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task The_server_closes_politely(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        WebSocketClient connected = await server.NextClientAsync();
        Task closing = connected.CloseAsync((WebSocketCloseStatus)4000, "enough", TestServer.Timely);
        ReceivedFrame close = await client.ReadFrameAsync();
        Assert.Equal((4000, "enough"), (close.CloseCode, close.CloseReason));
        await client.WriteAsync(TestClient.Close(4000));
        await client.EndAsync();
        await closing.Timely();
        await client.Served.Timely();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.Closed, ConnectionSide.Server, true), (end.Cause, end.ClosedBy, end.WasClean));
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task The_host_cuts_a_client(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        (await server.NextClientAsync()).Abort();
        await client.AssertCutAsync();
        await client.Served.Timely();
        Assert.Equal(DisconnectCause.Aborted, (await server.NextEndAsync()).Cause);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_cancelled_token_cuts_the_connection_and_cancels_the_task(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync();
        using CancellationTokenSource cut = new();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier, cut: cut);
        await server.NextClientAsync();
        await cut.CancelAsync();
        await client.AssertCutAsync();
        OperationCanceledException cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.Served.Timely());
        Assert.Equal(cut.Token, cancelled.CancellationToken);
        Assert.Equal((DisconnectCause.Aborted, ConnectionSide.Server), ((await server.NextEndAsync()) is var end ? (end.Cause, end.ClosedBy) : default));
    }

    [Fact]
    public async Task A_token_that_was_cancelled_before_lets_no_handler_see_a_request_that_is_there_already()
    {
        int connected = 0;
        await using TestServer server = await TestServer.StartAsync(server => server.ClientConnected += (_, _) => Interlocked.Increment(ref connected));
        for (int i = 0; i < 20; i++)
        {
            Pipe fromClient = new(), toClient = new();
            await fromClient.Writer.WriteAsync(TestClient.Request(), TestContext.Current.CancellationToken);
            Task served = server.Server.AcceptAsync(new FedClient.DuplexPipe(fromClient.Reader, toClient.Writer), cancellationToken: new CancellationToken(canceled: true));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => served.Timely());
        }

        Assert.Equal(0, connected);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_token_that_was_cancelled_before_cuts_the_connection_at_once(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync();
        using CancellationTokenSource cut = new();
        await cut.CancelAsync();
        await using FedClient client = await FedClient.ConnectAsync(server.Server, carrier, cut: cut);
        await client.AssertCutAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.Served.Timely());
        server.AssertNoMoreEnds();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_client_that_crashes_is_lost(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        await server.NextClientAsync();
        client.Lose();
        await client.Served.Timely();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.ConnectionLost, 1006), (end.Cause, (int)end.CloseCode));
        if (carrier != Carrier.NamedPipe)
            Assert.IsType<IOException>(end.Exception);
    }

    [Theory]
    [MemberData(nameof(CarriersWithTwoEnds))]
    public async Task A_client_that_ends_without_a_Close_frame_is_lost_and_still_gets_what_was_sent(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        await client.SendAsync("last");
        await client.EndAsync();
        Assert.Equal("last", await client.ReadTextAsync());
        await client.AssertCutAsync();
        await client.Served.Timely();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal(DisconnectCause.ConnectionLost, end.Cause);
        Assert.Null(end.Exception);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_client_that_does_not_answer_a_ping_is_cut(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync(configure: options =>
        {
            options.TimeProvider = new FakeTimeProvider();
            options.PingTimeout = TimeSpan.FromHours(12); // much more than passes until the client has read the Ping
        });
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        // A client whose handler runs is not pinged: after this answer the handler of its connection has ended.
        await client.WriteAsync(TestClient.Frame(Opcode.Ping, []));
        Assert.Equal(Opcode.Pong, (await client.ReadFrameAsync()).Opcode);
        // That the client has taken a frame is a sign of life, and the server may see it late: time passes until the Ping is sent.
        WebSocketClient served = Assert.Single(server.Clients);
        long sent = served.Lifetime.Traffic.BytesSent + served.UnsentBytes;
        await Polling.UntilAsync(() =>
        {
            server.Pass(2 * server.Options.PingInterval);
            return served.Lifetime.Traffic.BytesSent + served.UnsentBytes >= sent + 2 + PingLatency.PayloadSize;
        });
        Assert.Equal(Opcode.Ping, (await client.ReadFrameAsync()).Opcode);
        Task<ClientDisconnectedEventArgs> end = server.NextEndAsync();
        while (!end.IsCompleted)
        {
            server.Pass(server.Options.HeartbeatInterval);
            await Task.Yield();
        }

        Assert.Equal(DisconnectCause.PingTimeout, (await end).Cause);
        await client.Served.Timely();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task Stopping_closes_the_client(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        await server.NextClientAsync();
        Task<StopResult> stopping = server.Server.StopAsync(TestServer.Timely);
        Assert.Equal(1001, (await client.ReadFrameAsync()).CloseCode);
        await client.WriteAsync(TestClient.Close(1001));
        await client.EndAsync();
        Assert.Equal((1, 0), ((await stopping.Timely()) is var result ? (result.ClosedCleanly, result.Aborted) : default));
        await client.Served.Timely();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task Stopping_answers_a_request_that_has_not_come_yet(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync();
        await using FedClient client = await FedClient.ConnectAsync(server.Server, carrier);
        Task stopping = server.Server.StopAsync(TestServer.Timely);
        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await client.EndAsync();
        await stopping.Timely();
        await client.Served.Timely();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_client_that_reads_nothing_makes_the_sender_wait_and_then_gets_everything(Carrier carrier)
    {
        await using TestServer server = await TestServer.StartAsync(configure: options => options.SendQueueLimit = 64 * 1024);
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        WebSocketClient connected = await server.NextClientAsync();
        byte[] payload = new byte[10_000];
        int sent = 0;
        Task waiting;
        do
            waiting = connected.SendAsync(payload, WebSocketMessageType.Binary, cancellationToken: TestServer.Timely).AsTask();
        while (++sent < 10_000 && waiting.IsCompletedSuccessfully);

        Assert.InRange(sent, 7, 1000); // as many as the buffers hold
        for (int i = 0; i < sent; i++)
            Assert.Equal(payload.Length, (await client.ReadFrameAsync()).Payload.Length);
        await waiting.Timely();
        await client.LeaveAsync();
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_slow_handler_makes_its_sender_wait_and_loses_nothing(Carrier carrier)
    {
        const int Count = 3000;
        TaskCompletionSource goOn = Async.Gate();
        List<int> received = [];
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            received.Add(BitConverter.ToInt32(e.Payload));
            await goOn.Task;
        });
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        int sent = 0;
        Task sending = Task.Run(
            async () =>
            {
                byte[] payload = new byte[1000];
                for (; sent < Count; sent++)
                {
                    BitConverter.TryWriteBytes(payload, sent);
                    await client.WriteAsync(TestClient.Frame(Opcode.Binary, payload));
                }
            }, TestServer.Timely);
        await Polling.UntilAsync(() => received.Count > 0 && server.Server.BufferedBytes > 64 * 1024);
        Assert.InRange(server.Server.BufferedBytes, 0, 512 * 1024); // of 3 MB
        goOn.SetResult();
        await sending.Timely();
        await client.LeaveAsync();
        Assert.Equal(Enumerable.Range(0, Count), received);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_ping_is_answered_and_the_Close_frame_seen_while_a_handler_runs(Carrier carrier)
    {
        TaskCompletionSource inHandler = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                inHandler.TrySetResult();
                await Task.Delay(Timeout.Infinite, e.Client.ConnectionClosed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            },
            TestServer.LookOften);
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        await client.SendAsync("x");
        await inHandler.Task.Timely();
        await client.WriteAsync(TestClient.Frame(Opcode.Ping, "are you there?"u8));
        ReceivedFrame pong = await client.ReadFrameAsync();
        Assert.Equal((Opcode.Pong, "are you there?"), (pong.Opcode, pong.Text));
        await client.LeaveAsync();
        Assert.True((await server.NextEndAsync()).WasClean);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task The_loss_of_a_client_is_seen_while_a_handler_runs(Carrier carrier)
    {
        TaskCompletionSource inHandler = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                inHandler.TrySetResult();
                await Task.Delay(Timeout.Infinite, e.Client.ConnectionClosed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            },
            TestServer.LookOften);
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        await client.SendAsync("x");
        await inHandler.Task.Timely();
        client.Lose();
        await client.Served.Timely();
        Assert.Equal(DisconnectCause.ConnectionLost, (await server.NextEndAsync()).Cause);
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task A_payload_that_is_left_to_its_handler_stays_what_it_is(Carrier carrier)
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource goOn = Async.Gate();
        TaskCompletionSource<string> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                ReadOnlyMemory<byte> payload = e.PayloadMemory;
                inHandler.TrySetResult();
                await goOn.Task;
                seen.SetResult(Encoding.UTF8.GetString(payload.Span));
            },
            options => options.StopTimeout = TimeSpan.FromMilliseconds(100));
        await using FedClient client = await FedClient.OpenAsync(server.Server, carrier);
        await client.WriteAsync((byte[])[.. TestClient.Text("mine"), .. TestClient.Text("the next")]);
        await inHandler.Task.Timely();
        StopResult result = await server.Server.StopAsync(TestServer.Timely);
        Assert.Equal((0, 1), (result.ClosedCleanly, result.Aborted));
        await client.Served.Timely();
        goOn.SetResult();
        Assert.Equal("mine", await seen.Task.Timely());
    }

    [Fact]
    public async Task The_task_completes_when_the_handlers_of_the_end_have_ended()
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource goOn = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.ClientDisconnected += async (_, _) =>
        {
            inHandler.SetResult();
            await goOn.Task;
        });
        await using FedClient client = await FedClient.OpenAsync(server.Server, Carrier.Pipes);
        client.Lose();
        await inHandler.Task.Timely();
        Assert.False(client.Served.IsCompleted);
        goOn.SetResult();
        await client.Served.Timely();
    }

    [Fact]
    public async Task Handlers_do_not_see_the_AsyncLocals_of_whoever_brings_a_connection()
    {
        AsyncLocal<string> local = new();
        TaskCompletionSource<string?> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(server => server.ClientConnected += (_, _) => seen.SetResult(local.Value));
        local.Value = "the caller's";
        await using FedClient client = await FedClient.OpenAsync(server.Server, Carrier.Network);
        Assert.Null(await seen.Task.Timely());
    }

    [Fact]
    public async Task Addresses_that_are_unknown_are_told_so_and_count_as_loopback()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using FedClient client = await FedClient.OpenAsync(server.Server, Carrier.Pipes);
        WebSocketClient connected = await server.NextClientAsync();
        Assert.Equal("unknown", connected.RemoteEndPoint.ToString());
        Assert.Equal("unknown", connected.LocalEndPoint.ToString());

        await using FedClient page = await FedClient.ConnectAsync(server.Server, Carrier.Pipes);
        await page.WriteAsync("GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n"u8.ToArray());
        Assert.StartsWith("HTTP/1.1 421 ", await page.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_listens_nowhere_serves_what_it_is_given()
    {
        var log = new LogLines();
        await using var server = new WebSocketServer(new WebSocketServerOptions(), log);
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Text);
        await server.StartAsync(TestServer.Timely);
        Assert.Empty(server.EndPoints);
        Assert.False(server.IsListening);
        Assert.Single(log.Of(24));
        await using FedClient client = await FedClient.OpenAsync(server, Carrier.Pipes);
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReadTextAsync());
        await client.LeaveAsync();
    }

    [Fact]
    public async Task What_cannot_be_served_is_refused_and_stays_the_callers()
    {
        CancellationToken timely = TestServer.Timely;
        await using var stream = new FakeStream();
        using var oneWay = new MemoryStream([], writable: false);
        var server = new WebSocketServer(new WebSocketServerOptions());
        Assert.Contains("Await StartAsync first", (await Assert.ThrowsAsync<InvalidOperationException>(() => server.AcceptAsync(stream, cancellationToken: TestServer.Timely))).Message, StringComparison.Ordinal);
        await server.StartAsync(TestServer.Timely);
        await Assert.ThrowsAsync<ArgumentNullException>(() => server.AcceptAsync((Stream)null!, cancellationToken: timely));
        await Assert.ThrowsAsync<ArgumentNullException>(() => server.AcceptAsync((IDuplexPipe)null!, cancellationToken: timely));
        Assert.StartsWith("The stream has to be open, readable and writable.", (await Assert.ThrowsAsync<ArgumentException>(() => server.AcceptAsync(oneWay, cancellationToken: timely))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => server.AcceptAsync(new FedClient.DuplexPipe(null!, null!), cancellationToken: timely));
        await server.StopAsync(TestServer.Timely);
        await Assert.ThrowsAsync<InvalidOperationException>(() => server.AcceptAsync(stream, cancellationToken: TestServer.Timely));
        await server.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.AcceptAsync(stream, cancellationToken: TestServer.Timely));
        Assert.Equal(0, stream.Disposals);
    }

    [Fact]
    public async Task A_server_that_is_stopping_takes_no_more()
    {
        TaskCompletionSource goOn = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.ClientDisconnected += async (_, _) => await goOn.Task);
        await using FedClient client = await FedClient.OpenAsync(server.Server, Carrier.Pipes);
        await server.NextClientAsync();
        Task stopping = server.Server.StopAsync(TestServer.Timely);
        await using var stream = new FakeStream();
        Assert.Contains("is stopping", (await Assert.ThrowsAsync<InvalidOperationException>(() => server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely))).Message, StringComparison.Ordinal);
        client.Lose();
        goOn.SetResult();
        await stopping.Timely();
    }

    [Fact]
    public async Task What_is_brought_while_the_server_begins_to_stop_is_refused_or_ends_with_it()
    {
        for (int i = 0; i < 50; i++)
        {
            var server = new WebSocketServer(new WebSocketServerOptions { StopTimeout = TimeSpan.FromMilliseconds(10) });
            await server.StartAsync(TestServer.Timely);
            Pipe silent = new();
            using var both = new Barrier(2);
            Task? served = null;
            Task accepting = Task.Run(
                () =>
                {
                    both.SignalAndWait(TestServer.Timely);
                    try
                    {
                        served = server.AcceptAsync(new FedClient.DuplexPipe(silent.Reader, new Pipe().Writer), cancellationToken: TestServer.Timely);
                    }
                    catch (InvalidOperationException)
                    {
                        // Too late.
                    }
                }, TestServer.Timely);
            both.SignalAndWait(TestServer.Timely);
            await server.StopAsync(TestServer.Timely).Timely();
            await accepting.Timely();
            if (served is not null)
                await served.Timely();
            else
                Assert.False(silent.Reader.TryRead(out _)); // still the caller's
        }
    }

    [Fact]
    public async Task The_frameworks_client_talks_over_a_socket_that_the_host_has_accepted()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new ClientWebSocket();
        Task connecting = client.ConnectAsync(new Uri($"ws://{listener.LocalEndpoint}/chat"), TestServer.Timely);
        using TcpClient accepted = await listener.AcceptTcpClientAsync(TestServer.Timely);
        Task served = server.Server.AcceptAsync(accepted.GetStream(), new AcceptOptions { RemoteEndPoint = accepted.Client.RemoteEndPoint, LocalEndPoint = accepted.Client.LocalEndPoint }, CancellationToken.None);
        await connecting;
        Assert.Equal("/chat", (await server.NextClientAsync()).Path);
        await client.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, TestServer.Timely);
        byte[] echo = new byte[100];
        WebSocketReceiveResult received = await client.ReceiveAsync(echo, TestServer.Timely);
        Assert.Equal("hello", Encoding.UTF8.GetString(echo, 0, received.Count));
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "", TestServer.Timely);
        await served.Timely();
        Assert.True((await server.NextEndAsync()).WasClean);
    }

    [Fact]
    public async Task The_frameworks_client_talks_over_TLS_that_the_host_has_negotiated()
    {
        X509Certificate2 certificate = FedClient.Certificate;
        await using WebSocketServer server = new(new WebSocketServerOptions());
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Text);
        await server.StartAsync(TestServer.Timely);
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();

        Task noTls = NextAsync();
        using (var plain = new TcpClient())
        {
            await plain.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestServer.Timely);
            await plain.GetStream().WriteAsync(TestClient.Request(), TestServer.Timely);
            await noTls.Timely();
        }

        Task served = NextAsync();
        using var client = new ClientWebSocket();
        client.Options.RemoteCertificateValidationCallback = (_, given, _, _) => certificate.Equals(given);
        await client.ConnectAsync(new Uri($"wss://{listener.LocalEndpoint}/"), TestServer.Timely);
        await client.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, TestServer.Timely);
        byte[] echo = new byte[100];
        WebSocketReceiveResult received = await client.ReceiveAsync(echo, TestServer.Timely);
        Assert.Equal("hello", Encoding.UTF8.GetString(echo, 0, received.Count));
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "", TestServer.Timely);
        await served.Timely();

        async Task NextAsync() => await ServeAsync(await listener.AcceptTcpClientAsync(TestServer.Timely));

        async Task ServeAsync(TcpClient accepted)
        {
            using TcpClient _ = accepted;
            SslStream stream = new(accepted.GetStream());
            try
            {
                await stream.AuthenticateAsServerAsync(certificate).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
            }
            catch (Exception e) when (e is IOException or AuthenticationException or TimeoutException)
            {
                return; // no TLS client
            }

            await server.AcceptAsync(stream, new AcceptOptions { RemoteEndPoint = accepted.Client.RemoteEndPoint, LocalEndPoint = accepted.Client.LocalEndPoint, IsSecure = true }, TestContext.Current.CancellationToken);
        }
    }
}
