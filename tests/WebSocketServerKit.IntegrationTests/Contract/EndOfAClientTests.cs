using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>Who ended it, with which code and reason, for which cause, and whether it was clean: for every way in which a client can leave.</summary>
public class EndOfAClientTests
{
    [Fact]
    public async Task The_client_closes_with_code_and_reason()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            await raw.SendAsync("12345");
            await raw.ReadTextAsync();
            await raw.SendCloseAsync(4321, "enough");
            await raw.AssertClosedAsync(4321);
        }

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        AssertEnd(end, DisconnectCause.Closed, ConnectionSide.Client, 4321, "enough", clean: true);
        Assert.Same(client, end.Client);
        Assert.Null(end.Exception);
        Assert.Equal((1, 5, 1, 5), (client.MessagesReceived, client.BytesReceived, client.MessagesSent, client.BytesSent));
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_client_closes_without_a_code()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(TestClient.Frame(Opcode.Close, []));
        ReceivedFrame answer = await client.ReadFrameAsync();
        Assert.Equal(Opcode.Close, answer.Opcode);
        Assert.Empty(answer.Payload);
        await client.AssertEndAsync();
        client.Dispose();

        AssertEnd(await server.NextEndAsync(), DisconnectCause.Closed, ConnectionSide.Client, 1005, "", clean: true);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_server_closes()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        Task close = client.CloseAsync(CloseCode.PolicyViolation, "not you", TestServer.Timely);
        Assert.False(client.IsOpen);
        Assert.Contains(client, server.Clients);

        ReceivedFrame frame = await raw.ReadFrameAsync();
        Assert.Equal((Opcode.Close, 1008, "not you"), (frame.Opcode, frame.CloseCode, frame.CloseReason));
        Assert.False(close.IsCompleted);
        await raw.SendCloseAsync(1000, "my own reason");
        await close.Timely();
        Assert.Empty(server.Clients);
        await raw.AssertEndAsync();
        raw.Dispose();

        AssertEnd(await server.NextEndAsync(), DisconnectCause.Closed, ConnectionSide.Server, 1008, "not you", clean: true);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_server_closes_and_the_client_never_answers()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.CloseTimeout = TimeSpan.FromMilliseconds(50));
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await client.CloseAsync(cancellationToken: TestServer.Timely);

        AssertEnd(await server.NextEndAsync(), DisconnectCause.Closed, ConnectionSide.Server, 1000, "", clean: false);
        await raw.AssertResetAsync();
        raw.Dispose();
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_server_closes_and_a_second_call_or_a_cancelled_wait_changes_nothing()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        Task first = client.CloseAsync(CloseCode.NormalClosure, "first", TestServer.Timely);
        Task second = client.CloseAsync(CloseCode.InternalError, "second", TestServer.Timely);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.CloseAsync(cancellationToken: new CancellationToken(canceled: true)));
        await raw.LeaveAsync();
        await Task.WhenAll(first, second).Timely();
        await client.CloseAsync(cancellationToken: TestServer.Timely);

        AssertEnd(await server.NextEndAsync(), DisconnectCause.Closed, ConnectionSide.Server, 1000, "first", clean: true);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_server_aborts()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        client.Abort();
        client.Abort();
        Assert.False(client.IsOpen);
        await raw.AssertResetAsync();
        raw.Dispose();

        AssertEnd(await server.NextEndAsync(), DisconnectCause.Aborted, ConnectionSide.Server, 1006, "", clean: false);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_client_is_cut()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        TestClient raw = await server.OpenAsync();
        raw.Reset();

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        AssertEnd(end, DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006, "", clean: false);
        Assert.IsType<IOException>(end.Exception);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_client_ends_its_side_without_a_Close_frame()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient raw = await server.OpenAsync();
        await raw.SendAsync("last words");
        raw.HalfClose();
        Assert.Equal("last words", await raw.ReadTextAsync());
        await raw.AssertEndAsync();

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        AssertEnd(end, DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006, "", clean: false);
        Assert.Null(end.Exception);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_client_is_cut_in_the_middle_of_a_frame()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        TestClient raw = await server.OpenAsync();
        await raw.WriteAsync(TestClient.Text("half of this").AsMemory(0, 9));
        raw.Dispose();

        AssertEnd(await server.NextEndAsync(), DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006, "", clean: false);
        await AssertOnlyOnceAsync(server);
    }

    public static TheoryData<byte[], int, string> Violations => new()
    {
        { TestClient.Frame(Opcode.Text, "x"u8, masked: false), 1002, "frame not masked" },
        { TestClient.Frame(Opcode.Continuation, "x"u8), 1002, "continuation without a message" },
        { [.. TestClient.Frame(Opcode.Text, "x"u8, fin: false), .. TestClient.Text("y")], 1002, "new message inside a fragmented one" },
        { TestClient.Frame((Opcode)3, []), 1002, "unknown opcode" },
        { [0xC1, 0x80, 0, 0, 0, 0], 1002, "reserved bit set without an extension" },
        { TestClient.Frame(Opcode.Ping, new byte[126]), 1002, "control frame above 125 bytes" },
        { TestClient.Frame(Opcode.Ping, [], fin: false), 1002, "fragmented control frame" },
        { TestClient.Frame(Opcode.Close, "x"u8), 1002, "close frame with half a close code" },
        { TestClient.Close(1006), 1002, "close code not allowed in a frame" },
        { [.. TestClient.Frame(Opcode.Text, [0xC3], fin: false), .. TestClient.Frame(Opcode.Continuation, [0x28])], 1007, "text is not valid UTF-8" },
        { TestClient.Frame(Opcode.Text, [0xFF]), 1007, "text is not valid UTF-8" },
        { TestClient.Frame(Opcode.Close, [0x03, 0xE8, 0xFF]), 1007, "close reason is not valid UTF-8" },
        { [0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 1], 1009, "message too big" },
    };

    [Theory]
    [MemberData(nameof(Violations), DisableDiscoveryEnumeration = true)]
    public async Task The_client_breaks_a_rule(byte[] bytes, int code, string reason)
    {
        bool raised = false;
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, _) => raised = true);
        using TestClient raw = await server.OpenAsync();
        await raw.WriteAsync(bytes);
        await raw.WriteAsync(new byte[100]); // more of it does not keep the Close frame from arriving
        await raw.AssertClosedAsync(code, reason);
        raw.Dispose();

        DisconnectCause cause = code == 1009 ? DisconnectCause.LimitExceeded : DisconnectCause.ProtocolViolation;
        AssertEnd(await server.NextEndAsync(), cause, ConnectionSide.Server, code, reason, clean: false);
        Assert.False(raised);
        Assert.Contains(reason, Assert.Single(server.Log.Of(9)).Message, StringComparison.Ordinal);
        await AssertOnlyOnceAsync(server);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_throws(bool later)
    {
        var thrown = new InvalidDataException("mine");
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, _) =>
        {
            if (later)
                await Task.Yield();
            throw thrown;
        });
        using TestClient raw = await server.OpenAsync();
        await raw.SendAsync("x");
        ReceivedFrame close = await raw.ReadFrameAsync();
        Assert.Equal((Opcode.Close, 1011, "handler failed"), (close.Opcode, close.CloseCode, close.CloseReason));
        await raw.SendCloseAsync(1011);
        await raw.AssertEndAsync();
        raw.Dispose();

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        AssertEnd(end, DisconnectCause.HandlerFailed, ConnectionSide.Server, 1011, "handler failed", clean: true);
        Assert.Same(thrown, end.Exception);
        Assert.Same(thrown, Assert.Single(server.Log.Of(10)).Exception);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task The_client_does_not_answer_a_ping()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.PingInterval = TimeSpan.FromMilliseconds(40);
            options.PingTimeout = TimeSpan.FromMilliseconds(40);
        });
        using TestClient raw = await server.OpenAsync();
        ReceivedFrame ping = await raw.ReadFrameAsync();
        Assert.Equal(Opcode.Ping, ping.Opcode);
        await raw.AssertResetAsync();

        AssertEnd(await server.NextEndAsync(), DisconnectCause.PingTimeout, ConnectionSide.Server, 1006, "", clean: false);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task A_client_that_answers_pings_stays_and_its_latency_is_known()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.PingInterval = TimeSpan.FromMilliseconds(40));
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        Assert.Null(client.Latency);
        for (int i = 0; i < 3; i++)
        {
            ReceivedFrame ping = await raw.ReadFrameAsync();
            Assert.Equal(Opcode.Ping, ping.Opcode);
            await raw.WriteAsync(TestClient.Frame(Opcode.Pong, ping.Payload));
        }

        await raw.SendAsync("x");
        while ((await raw.ReadFrameAsync()).Opcode != Opcode.Text)
        {
        }

        Assert.InRange(client.Latency!.Value, TimeSpan.FromTicks(1), TimeSpan.FromSeconds(30));
        raw.Dispose();
    }

    [Fact]
    public async Task The_first_cause_stays_whatever_happens_afterwards()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        _ = client.CloseAsync(4000, "the first", TestServer.Timely);
        await raw.ReadFrameAsync();
        await raw.WriteAsync(TestClient.Frame(Opcode.Text, "x"u8, masked: false));
        await raw.AssertEndAsync();
        raw.Dispose();
        client.Abort();

        AssertEnd(await server.NextEndAsync(), DisconnectCause.Closed, ConnectionSide.Server, 4000, "the first", clean: false);
        await AssertOnlyOnceAsync(server);
    }

    [Fact]
    public async Task A_connection_lost_while_a_handler_sends_is_a_lost_connection_and_not_the_handlers_failure()
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource gate = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            inHandler.SetResult();
            await gate.Task;
            for (int i = 0; i < 1_000_000; i++)
                await e.Client.SendAsync("are you there?");
        });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await raw.SendAsync("x");
        await inHandler.Task.Timely();
        raw.Reset();
        gate.SetResult();

        AssertEnd(await server.NextEndAsync(), DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006, "", clean: false);
        Assert.False(client.IsOpen);
        Assert.Empty(server.Log.Of(10));
        Assert.Single(server.Log.Of(11));
    }

    [Fact]
    public async Task A_client_lost_while_its_handler_never_ends_is_told_as_soon_as_sending_shows_it()
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource never = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, _) =>
            {
                inHandler.SetResult();
                await never.Task;
            },
            options => options.TimeProvider = new FakeTimeProvider());
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await raw.SendAsync("x");
        await inHandler.Task.Timely();
        raw.Reset();
        await Polling.UntilAsync(() => client.TrySend("are you there?") == SendResult.Closed);

        server.Pass(TimeSpan.FromSeconds(20)); // the close timeout is given to the handler
        AssertEnd(await server.NextEndAsync(), DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006, "", clean: false);
        Assert.Empty(server.Clients);
        never.SetResult();
    }

    [Fact]
    public async Task Disconnected_is_cancelled_and_what_its_callbacks_throw_keeps_nobody_from_the_event()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        TaskCompletionSource called = Async.Gate();
        using CancellationTokenRegistration throwing = client.ConnectionClosed.Register(() => throw new InvalidOperationException("in a callback"));
        using CancellationTokenRegistration calling = client.ConnectionClosed.Register(called.SetResult);
        Assert.False(client.ConnectionClosed.IsCancellationRequested);
        await raw.LeaveAsync();

        await called.Task.Timely();
        AssertEnd(await server.NextEndAsync(), DisconnectCause.Closed, ConnectionSide.Client, 1000, "", clean: true);
        Assert.True(client.ConnectionClosed.IsCancellationRequested);
        Assert.Empty(server.Log.Of(13));
    }

    private static void AssertEnd(ClientDisconnectedEventArgs end, DisconnectCause cause, ConnectionSide closedBy, int code, string reason, bool clean) =>
        Assert.Equal((cause, closedBy, code, reason, clean), (end.Cause, end.ClosedBy, (int)end.CloseCode, end.CloseReason, end.WasClean));

    private static async Task AssertOnlyOnceAsync(TestServer server)
    {
        Assert.Empty(server.Clients);
        await server.Server.StopAsync(TestServer.Timely);
        server.AssertNoMoreEnds();
    }
}
