using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>What the server sees of a peer while a handler of that client runs.</summary>
public class GoneDuringHandlerTests
{
    public enum Leaving
    {
        Close,
        HalfClose,
        Reset,
    }

    public static TheoryData<string, Leaving> EveryHandlerAndEveryWayToLeave()
    {
        TheoryData<string, Leaving> all = [];
        foreach (string handler in (string[])["ClientConnected", "MessageReceived"])
        {
            foreach (Leaving leaving in Enum.GetValues<Leaving>())
                all.Add(handler, leaving);
        }

        return all;
    }

    [Theory]
    [MemberData(nameof(EveryHandlerAndEveryWayToLeave))]
    public async Task A_handler_that_waits_until_its_client_has_gone_ends(string which, Leaving leaving)
    {
        TaskCompletionSource inHandler = Async.Gate();
        bool openAtEnd = true;
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            async Task WaitAsync(WebSocketClient client)
            {
                inHandler.TrySetResult();
                await Task.Delay(Timeout.Infinite, client.ConnectionClosed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                openAtEnd = client.IsOpen;
            }

            if (which == "ClientConnected")
                server.ClientConnected += async (_, e) => await WaitAsync(e.Client);
            else
                server.MessageReceived += async (_, e) => await WaitAsync(e.Client);
        }, TestServer.LookOften);
        TestClient client = await server.OpenAsync();
        if (which == "MessageReceived")
            await client.SendAsync("x");
        await inHandler.Task.Timely();
        await LeaveAsync(client, leaving);

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal(leaving == Leaving.Close ? (DisconnectCause.Closed, 1000, true) : (DisconnectCause.ConnectionLost, 1006, false), (end.Cause, (int)end.CloseCode, end.WasClean));
        Assert.False(openAtEnd);
        Assert.Empty(server.Clients);
        client.Dispose();
    }

    [Theory]
    [InlineData("Handshaking")]
    [InlineData("ClientConnected")]
    [InlineData("MessageReceived")]
    public async Task What_was_read_ahead_is_given_back_once_when_that_look_ends_the_handler(string which)
    {
        const int Count = 100;
        using var inHandlers = new CountdownEvent(Count);
        using var ended = new CountdownEvent(Count);
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                async Task WaitAsync(CancellationToken gone)
                {
                    inHandlers.Signal();
                    await Task.Delay(Timeout.Infinite, gone).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    ended.Signal();
                }

                if (which == "Handshaking")
                    server.Handshaking += async (_, e) => await WaitAsync(e.ConnectionClosed);
                else if (which == "ClientConnected")
                    server.ClientConnected += async (_, e) => await WaitAsync(e.Client.ConnectionClosed);
                else
                    server.MessageReceived += async (_, e) => await WaitAsync(e.Client.ConnectionClosed);
            },
            TestServer.LookOften);
        TestClient[] clients = [.. await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => TestClient.ConnectAsync(server.EndPoint)))];
        foreach (TestClient client in clients)
            await client.WriteAsync((byte[])[.. TestClient.Request(), .. TestClient.Text("x")]);
        await Polling.UntilAsync(() => inHandlers.IsSet);
        foreach (TestClient client in clients)
            client.Reset();
        await Polling.UntilAsync(() => ended.IsSet);
        // Given back twice, it would be less than nothing.
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
    }

    [Theory]
    [InlineData(Leaving.HalfClose)]
    [InlineData(Leaving.Reset)]
    public async Task A_Handshaking_handler_is_told_that_its_client_has_gone_and_the_place_is_free_again(Leaving leaving)
    {
        TaskCompletionSource inHandler = Async.Gate(), cancelled = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += async (_, e) =>
            {
                if (e.Request.Path != "/slow")
                    return;
                using CancellationTokenRegistration registration = e.ConnectionClosed.Register(cancelled.SetResult);
                inHandler.SetResult();
                await Task.Delay(Timeout.Infinite, e.ConnectionClosed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            },
            options =>
            {
                TestServer.LookOften(options);
                options.MaxConcurrentHandshakes = 1;
            });
        TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request("/slow"));
        await inHandler.Task.Timely();
        await LeaveAsync(client, leaving);
        await cancelled.Task.Timely();

        using TestClient next = await UntilOpenAsync(server);
        Assert.Single(server.Clients);
        client.Dispose();
    }

    [Fact]
    public async Task A_Handshaking_handler_that_does_not_end_after_its_client_has_gone_loses_its_place()
    {
        TaskCompletionSource inHandler = Async.Gate(), never = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += async (_, e) =>
            {
                if (e.Request.Path != "/slow")
                    return;
                inHandler.SetResult();
                await never.Task;
            },
            options =>
            {
                options.MaxConcurrentHandshakes = 1;
                options.CloseTimeout = TimeSpan.FromMilliseconds(500);
            });
        TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request("/slow"));
        await inHandler.Task.Timely();
        client.Reset();
        using TestClient next = await UntilOpenAsync(server);
        Assert.Single(server.Clients);
    }

    [Fact]
    public async Task A_plain_HTTP_client_may_end_its_side_and_wait_for_the_answer()
    {
        TaskCompletionSource inHandler = Async.Gate(), go = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.HttpRequestReceived += async (_, e) =>
            {
                inHandler.SetResult();
                await go.Task;
                e.Respond(System.Net.HttpStatusCode.OK, e.ConnectionClosed.IsCancellationRequested ? "gone" : "here");
            },
            options => options.TimeProvider = new FakeTimeProvider());
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        client.HalfClose();
        await inHandler.Task.Timely();
        server.Pass(TimeSpan.FromMinutes(1)); // longer than anybody is given who has gone
        go.SetResult();
        Assert.Equal("here", (await client.ReadAnswerAsync()).Body);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_Ping_is_answered_while_a_handler_runs_whether_it_waits_or_blocks(bool blocks)
    {
        using var mayEnd = new ManualResetEventSlim();
        TaskCompletionSource inHandler = Async.Gate(), go = Async.Gate();
        List<string> received = [];
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            received.Add(e.Text);
            if (received.Count > 1)
                return;
            inHandler.SetResult();
            if (blocks)
                mayEnd.Wait(TimeSpan.FromSeconds(30));
            else
                await go.Task;
        }, TestServer.LookOften);
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("first");
        await inHandler.Task.Timely();
        await client.WriteAsync((byte[])[.. TestClient.Text("second"), .. TestClient.Frame(Opcode.Ping, "are you there?"u8)]);
        ReceivedFrame pong = await client.ReadFrameAsync();
        Assert.Equal((Opcode.Pong, "are you there?"), (pong.Opcode, pong.Text));
        Assert.Equal(["first"], received);

        mayEnd.Set();
        go.SetResult();
        // Messages come in their order, and no Ping is answered twice.
        await client.WriteAsync((byte[])[.. TestClient.Text("third"), .. TestClient.Frame(Opcode.Ping, "again"u8)]);
        Assert.Equal("again", (await client.ReadFrameAsync()).Text);
        await client.LeaveAsync();
        await server.NextEndAsync();
        Assert.Equal(["first", "second", "third"], received);
    }

    [Fact]
    public async Task Messages_that_a_client_sent_before_it_closed_are_raised_though_its_end_is_known()
    {
        TaskCompletionSource inHandler = Async.Gate(), go = Async.Gate();
        List<string> received = [];
        WebSocketClient? gone = null;
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            received.Add($"{e.Text} {e.Client.IsOpen}");
            gone = e.Client;
            inHandler.TrySetResult();
            await go.Task;
        }, TestServer.LookOften);
        TestClient client = await server.OpenAsync();
        await client.WriteAsync((byte[])[.. TestClient.Text("1"), .. TestClient.Text("2"), .. TestClient.Text("3"), .. TestClient.Close(4000, "done")]);
        await inHandler.Task.Timely();
        // The answer comes while the first handler runs.
        Assert.Equal(4000, (await client.ReadFrameAsync()).CloseCode);
        Assert.False(gone!.IsOpen);
        Assert.Single(server.Clients);
        go.SetResult();
        await client.AssertEndAsync();
        client.Dispose();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.Closed, 4000, "done", true), (end.Cause, (int)end.CloseCode, end.CloseReason, end.WasClean));
        Assert.Equal(["1 True", "2 False", "3 False"], received);
    }

    [Fact]
    public async Task What_is_read_ahead_is_bounded_and_nothing_of_it_is_lost()
    {
        const int Count = 2_000;
        const int Size = 4_000;
        TaskCompletionSource inHandler = Async.Gate(), go = Async.Gate();
        int received = 0;
        bool inOrder = true;
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                inOrder &= BitConverter.ToInt32(e.Payload) == received;
                if (received++ > 0)
                    return;
                inHandler.SetResult();
                await go.Task;
            },
            options => options.TimeProvider = new FakeTimeProvider());
        using TestClient client = await server.OpenAsync();
        byte[] payload = new byte[Size];
        Task sending = SendAllAsync();
        await inHandler.Task.Timely();
        for (int i = 0; i < 20; i++)
        {
            server.Pass(TimeSpan.FromSeconds(1));
            Assert.InRange(server.Server.BufferedBytes, 0, 512 * 1024);
        }

        Assert.False(sending.IsCompleted);
        go.SetResult();
        await sending.Timely();
        await Polling.UntilAsync(() => Volatile.Read(ref received) == Count);
        Assert.True(inOrder);

        async Task SendAllAsync()
        {
            await Task.Yield();
            for (int i = 0; i < Count; i++)
            {
                BitConverter.TryWriteBytes(payload, i);
                await client.SendAsync(payload);
            }
        }
    }

    [Fact]
    public async Task A_handler_can_let_the_answer_to_its_own_request_come()
    {
        TaskCompletionSource<string>? reply = null;
        string? got = null;
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.ClientConnected += async (_, e) =>
            {
                e.ContinueReceiving();
                reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
                await e.Client.SendAsync("who are you?");
                got = await reply.Task;
                await e.Client.SendAsync($"hello, {got}");
            };
            server.MessageReceived += async (_, e) =>
            {
                if (e.Text != "measure")
                {
                    reply!.SetResult(e.Text);
                    return;
                }

                WebSocketClient client = e.Client;
                e.ContinueReceiving();
                reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
                await client.SendAsync("temperature?");
                await client.SendAsync($"it is {await reply.Task}");
            };
        });
        using TestClient client = await server.OpenAsync();
        Assert.Equal("who are you?", await client.ReadTextAsync());
        await client.SendAsync("thermometer 7");
        Assert.Equal("hello, thermometer 7", await client.ReadTextAsync());
        await client.SendAsync("measure");
        Assert.Equal("temperature?", await client.ReadTextAsync());
        await client.SendAsync("21 degrees");
        Assert.Equal("it is 21 degrees", await client.ReadTextAsync());
        await client.LeaveAsync();
    }

    [Fact]
    public async Task A_handler_that_goes_on_is_waited_for_when_the_server_stops_and_its_exception_is_a_handlers()
    {
        TaskCompletionSource inHandler = Async.Gate(), go = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            e.ContinueReceiving();
            inHandler.SetResult();
            await go.Task;
            throw new InvalidTimeZoneException();
        });
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        await inHandler.Task.Timely();
        Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
        Assert.Equal(1001, (await client.ReadFrameAsync()).CloseCode);
        await client.SendCloseAsync(1001);
        await server.NextEndAsync();
        Assert.False(stop.IsCompleted);
        go.SetResult();
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(server.Log.Of(10)).Exception);
    }

    [Theory]
    [InlineData("Abort")]
    [InlineData("CloseAsync")]
    [InlineData("StopAsync")]
    public async Task What_the_host_ends_is_told_to_the_running_handler_at_once(string how)
    {
        TaskCompletionSource inHandler = Async.Gate();
        // A clock that stands still: nothing here waits for a timeout.
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                inHandler.SetResult();
                await Task.Delay(Timeout.Infinite, e.Client.ConnectionClosed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            },
            options => options.TimeProvider = new FakeTimeProvider());
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await raw.SendAsync("x");
        await inHandler.Task.Timely();
        Task ending = how switch
        {
            "CloseAsync" => client.CloseAsync(CloseCode.NormalClosure, "", TestServer.Timely),
            "StopAsync" => server.Server.StopAsync(TestServer.Timely),
            _ => Task.CompletedTask,
        };
        if (how == "Abort")
            client.Abort();
        if (how != "Abort")
            await raw.LeaveAsync();
        await ending.Timely();
        await server.NextEndAsync();
        raw.Dispose();
    }

    private static async Task LeaveAsync(TestClient client, Leaving leaving)
    {
        switch (leaving)
        {
            case Leaving.Close:
                await client.SendCloseAsync(1000);
                break;
            case Leaving.HalfClose:
                client.HalfClose();
                break;
            case Leaving.Reset:
                client.Reset();
                break;
        }
    }

    private static async Task<TestClient> UntilOpenAsync(TestServer server)
    {
        CancellationToken timely = TestServer.Timely;
        while (true)
        {
            timely.ThrowIfCancellationRequested();
            try
            {
                TestClient client = await TestClient.ConnectAsync(server.EndPoint);
                await client.WriteAsync(TestClient.Request());
                if ((await client.ReadAnswerAsync()).Status == 101)
                    return client;
                client.Dispose();
            }
            catch (System.Net.Sockets.SocketException)
            {
                // There were so many refusals that this one was cut.
            }
        }
    }
}
