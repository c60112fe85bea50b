using System.Globalization;
using System.Net;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>A stop with readiness, spread and retry hints, on a clock that the test moves.</summary>
public sealed class WebSocketServerStoppingTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    public static TheoryData<Carrier> Carriers => [.. Enum.GetValues<Carrier>()];

    private static Task<TestServer> StartAsync(Action<WebSocketServer>? subscribe = null, Action<WebSocketServerOptions>? configure = null) => TestServer.StartAsync(
        server =>
        {
            server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
            server.HttpRequestReceived += (_, e) => e.Respond(server.IsReady ? HttpStatusCode.OK : HttpStatusCode.ServiceUnavailable, server.IsReady ? "ready" : "not ready");
            subscribe?.Invoke(server);
        },
        options =>
        {
            options.TimeProvider = new FakeTimeProvider();
            // The clock runs faster than the clients: nothing but the stop's own times must pass.
            options.PingInterval = Timeout.InfiniteTimeSpan;
            options.CloseTimeout = options.HandshakeTimeout = TimeSpan.FromHours(1);
            options.StopTimeout = TimeSpan.FromHours(12);
            configure?.Invoke(options);
        });

    [Fact]
    public async Task Is_ready_from_the_start_until_the_stop_begins()
    {
        await using var server = new WebSocketServer("http://127.0.0.1:0");
        Assert.False(server.IsReady);
        await server.StartAsync(TestServer.Timely);
        Assert.True(server.IsReady);
        Task stopping = server.StopAsync(new StopOptions { ReadinessDelay = TimeSpan.FromMilliseconds(50) }, TestServer.Timely);
        Assert.False(server.IsReady);
        await stopping.Timely();
        Assert.False(server.IsReady);
        await server.StartAsync(TestServer.Timely);
        Assert.True(server.IsReady);
        server.Dispose();
        Assert.False(server.IsReady);
    }

    [Fact]
    public async Task In_the_readiness_delay_all_goes_on_and_who_connects_then_is_closed_after_it_too()
    {
        await using TestServer server = await StartAsync();
        using TestClient early = await server.OpenAsync();
        IPEndPoint endPoint = server.EndPoint;
        Task<StopResult> stop = server.Server.StopAsync(new StopOptions { ReadinessDelay = Minute, Code = CloseCode.ServiceRestart, Reason = "update" }, TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(38).Count == 1);
        Assert.True(server.Server.IsListening);
        Assert.Equal([endPoint], server.Server.EndPoints);
        Assert.Throws<InvalidOperationException>(() => server.Server.Listen("http://127.0.0.1:0"));
        Assert.Equal((503, "not ready"), await CheckAsync(endPoint));

        server.Pass(Minute * 0.9);
        using TestClient late = await TestClient.OpenAsync(endPoint);
        foreach (TestClient client in (TestClient[])[early, late])
        {
            await client.SendAsync("still here");
            Assert.Equal("still here", await client.ReadTextAsync());
        }

        server.Pass(Minute * 0.2);
        foreach (TestClient client in (TestClient[])[early, late])
        {
            ReceivedFrame close = await client.ReadFrameAsync();
            Assert.Equal((Opcode.Close, 1012, "update"), (close.Opcode, close.CloseCode, close.CloseReason));
            await client.SendCloseAsync(1012);
            await client.AssertEndAsync();
            client.Dispose();
        }

        StopResult result = await stop.Timely();
        Assert.Equal(new StopResult { ClosedCleanly = 2 }, result);
        Assert.Empty(result.Cut);
        Assert.Empty(server.Server.EndPoints);
        await Assert.ThrowsAnyAsync<System.Net.Sockets.SocketException>(() => TestClient.ConnectAsync(endPoint));
    }

    [Fact]
    public async Task The_Close_frames_come_one_after_the_other_over_the_spread_each_with_its_own_retry_hint()
    {
        const int Count = 20;
        await using TestServer server = await StartAsync();
        List<Task<ReceivedFrame>> closes = [];
        for (int i = 0; i < Count; i++)
            closes.Add(LeaveWhenToldAsync(await server.OpenAsync()));
        await Polling.UntilAsync(() => server.Clients.Count == Count);
        Task<StopResult> stop = server.Server.StopAsync(
            new StopOptions { Spread = Minute, Reason = "moving", RetryAfter = TimeSpan.FromSeconds(10) }, TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(2).Count == 1);
        var clock = (FakeTimeProvider)server.Options.TimeProvider;
        TimeSpan passed = TimeSpan.Zero;
        while (server.Clients.Count > 0)
        {
            // The n-th is told within the n-th part of the time. Time that the stop has not seen yet only makes it later.
            int due = (int)(Count * (passed / Minute)) + 1;
            Assert.InRange(Count - server.Clients.Count, 0, due);
            clock.Advance(Minute / 100);
            passed += Minute / 100;
            await Task.Yield();
        }

        ReceivedFrame[] frames = await Task.WhenAll(closes).Timely();
        Assert.All(frames, frame => Assert.Equal((Opcode.Close, 1001), (frame.Opcode, frame.CloseCode)));
        Assert.All(frames, frame => Assert.Matches("^moving; retry after [0-9]+ s$", frame.CloseReason));
        int[] seconds = [.. frames.Select(frame => int.Parse(frame.CloseReason.AsSpan()["moving; retry after ".Length..^2], CultureInfo.InvariantCulture))];
        Assert.All(seconds, hint => Assert.InRange(hint, 10, 70));
        Assert.True(seconds.Distinct().Count() > 1);
        Assert.Equal(new StopResult { ClosedCleanly = Count }, await stop.Timely());
    }

    [Fact]
    public async Task While_clients_are_closed_handshakes_get_503_with_Retry_After_and_plain_requests_their_answer()
    {
        bool asked = false;
        await using TestServer server = await StartAsync(server => server.Handshaking += (_, _) => asked = true);
        using TestClient open = await server.OpenAsync();
        using TestClient half = await TestClient.ConnectAsync(server.EndPoint);
        await half.WriteAsync("GET /health HTTP/1.1\r\n"u8.ToArray());
        using TestClient silent = await TestClient.ConnectAsync(server.EndPoint);
        (TestClient second, _) = await server.ConnectAsync(); // accepted after them, so they are inside
        asked = false;
        IPEndPoint endPoint = server.EndPoint;
        Task<StopResult> stop = server.Server.StopAsync(new StopOptions { Spread = Minute, RetryAfter = TimeSpan.FromSeconds(30) }, TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(2).Count == 1);

        for (int i = 0; i < 3; i++)
        {
            using TestClient late = await TestClient.ConnectAsync(endPoint);
            await late.WriteAsync(TestClient.Request());
            ReceivedAnswer answer = await late.ReadAnswerAsync();
            Assert.Equal((503, "The server is being stopped. Try again later.\n"), (answer.Status, answer.Body));
            Assert.InRange(int.Parse(answer.Headers["Retry-After"], CultureInfo.InvariantCulture), 30, 90);
            Assert.Equal((503, "not ready"), await CheckAsync(endPoint));
        }

        // A request that had begun is read to its end.
        await half.WriteAsync("Host: localhost\r\n\r\n"u8.ToArray());
        Assert.Equal("not ready", (await half.ReadAnswerAsync()).Body);
        Assert.False(asked);

        Task[] leaving = [LeaveWhenToldAsync(open), LeaveWhenToldAsync(second)];
        await PassUntilAsync(server, Task.WhenAll(leaving));
        // Now it listens no longer, and what has not come yet is refused.
        Assert.Equal(503, (await silent.ReadAnswerAsync()).Status);
        half.Dispose();
        silent.Dispose();
        Assert.Equal(new StopResult { ClosedCleanly = 2 }, await stop.Timely());
    }

    [Fact]
    public async Task A_handshake_that_the_host_was_deciding_when_the_clients_are_closed_gets_503()
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource gate = Async.Gate();
        await using TestServer server = await StartAsync(server => server.Handshaking += async (_, e) =>
        {
            if (e.Request.Path != "/slow")
                return;
            inHandler.SetResult();
            await gate.Task;
        });
        using TestClient open = await server.OpenAsync();
        using TestClient deciding = await TestClient.ConnectAsync(server.EndPoint);
        await deciding.WriteAsync(TestClient.Request("/slow"));
        await inHandler.Task.Timely();
        Task<StopResult> stop = server.Server.StopAsync(new StopOptions { Spread = Minute }, TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(2).Count == 1);
        gate.SetResult();
        ReceivedAnswer answer = await deciding.ReadAnswerAsync();
        Assert.Equal((503, "5"), (answer.Status, answer.Headers["Retry-After"]));
        deciding.Dispose();
        await PassUntilAsync(server, LeaveWhenToldAsync(open));
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
    }

    [Theory]
    [MemberData(nameof(Carriers))]
    public async Task Brought_connections_are_taken_before_refused_during_and_thrown_after_the_spread(Carrier carrier)
    {
        await using TestServer server = await StartAsync();
        var started = new StopOptions { ReadinessDelay = Minute, Spread = Minute, RetryAfter = TimeSpan.FromSeconds(30) };
        await using FedClient first = await FedClient.OpenAsync(server.Server, carrier);
        Task<StopResult> stop = server.Server.StopAsync(started, TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(38).Count == 1);
        await using FedClient second = await FedClient.OpenAsync(server.Server, carrier);
        Task leaving = Task.WhenAll(LeaveWhenToldAsync(first), LeaveWhenToldAsync(second));
        var clock = (FakeTimeProvider)server.Options.TimeProvider;
        while (server.Log.Of(2).Count == 0)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await using FedClient late = await FedClient.ConnectAsync(server.Server, carrier);
        await late.WriteAsync(TestClient.Request());
        string refusal = await late.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 503 ", refusal, StringComparison.Ordinal);
        string retryAfter = Assert.Single(refusal.Split("\r\n"), line => line.StartsWith("Retry-After: ", StringComparison.Ordinal));
        Assert.InRange(int.Parse(retryAfter.AsSpan("Retry-After: ".Length), CultureInfo.InvariantCulture), 30, 90);
        await using FedClient check = await FedClient.ConnectAsync(server.Server, carrier);
        await check.WriteAsync("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        Assert.Contains("Content-Length: 9\r\n", await check.ReadHeadAsync(), StringComparison.Ordinal); // "not ready"
        await late.EndAsync();
        await check.EndAsync();
        late.Lose();
        check.Lose();

        await PassUntilAsync(server, leaving);
        await PassUntilAsync(server, stop);
        Assert.Equal(new StopResult { ClosedCleanly = 2 }, await stop);
        await Assert.ThrowsAsync<InvalidOperationException>(() => server.Server.AcceptAsync(Stream.Synchronized(new MemoryStream()), cancellationToken: TestServer.Timely));
    }

    [Theory]
    [InlineData("ReadinessDelay", "token")]
    [InlineData("ReadinessDelay", "token of another call")]
    [InlineData("ReadinessDelay", "Dispose")]
    [InlineData("Spread", "token")]
    [InlineData("Spread", "token of another call")]
    [InlineData("Spread", "Dispose")]
    [InlineData("Timeout", "token")]
    [InlineData("Timeout", "token of another call")]
    [InlineData("Timeout", "Dispose")]
    public async Task Is_cut_at_once_in_every_step_and_tells_who_was_cut(string step, string how)
    {
        // The clock stands still: what ends, ends without waiting.
        await using TestServer server = await StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using var cut = new CancellationTokenSource();
        var options = new StopOptions
        {
            ReadinessDelay = step == "ReadinessDelay" ? Minute : TimeSpan.Zero,
            Spread = step is "ReadinessDelay" or "Spread" ? Minute : TimeSpan.Zero,
            Timeout = Minute,
        };
        IPEndPoint endPoint = server.EndPoint;
        Task<StopResult> stop = server.Server.StopAsync(options, how == "token" ? cut.Token : TestServer.Timely);
        if (step == "ReadinessDelay")
            await Polling.UntilAsync(() => server.Log.Of(38).Count == 1);
        else
            await Polling.UntilAsync(() => server.Log.Of(2).Count == 1);
        if (step == "Timeout")
            Assert.Equal(1001, (await raw.ReadFrameAsync()).CloseCode);
        Task<StopResult> second = server.Server.StopAsync(cut.Token);
        Assert.False(stop.IsCompleted);

        if (how == "Dispose")
        {
            server.Server.Dispose();
            await Assert.ThrowsAnyAsync<System.Net.Sockets.SocketException>(() => TestClient.ConnectAsync(endPoint));
        }
        else
        {
            await cut.CancelAsync();
        }

        StopResult result = await stop.Timely();
        Assert.Same(result, await second.Timely());
        Assert.Equal(new StopResult { Aborted = 1 }, result);
        Assert.Equal([new CutClient(client, CutReason.StopCancelled)], result.Cut);
        await raw.AssertResetAsync();
        raw.Dispose();
        Assert.Equal(DisconnectCause.ServerStopping, (await server.NextEndAsync()).Cause);
    }

    [Theory]
    [InlineData("ReadinessDelay")]
    [InlineData("Spread")]
    [InlineData("Timeout")]
    public async Task DisposeAsync_waits_for_the_stop_under_way(string step)
    {
        TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();
        Task<StopResult> stop = server.Server.StopAsync(
            new StopOptions { ReadinessDelay = step == "ReadinessDelay" ? Minute : TimeSpan.Zero, Spread = step == "Spread" ? Minute : TimeSpan.Zero }, TestServer.Timely);
        Task disposed = server.Server.DisposeAsync().AsTask();
        await Polling.UntilAsync(() => server.Log.Of(38).Count + server.Log.Of(2).Count > 0);
        Assert.False(disposed.IsCompleted);
        await PassUntilAsync(server, LeaveWhenToldAsync(client));
        await disposed.Timely();
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.Server.StartAsync(TestServer.Timely));
        await server.DisposeAsync();
    }

    [Fact]
    public async Task The_spread_ends_when_no_client_is_left()
    {
        await using TestServer server = await StartAsync();
        Assert.Equal(new StopResult(), await server.Server.StopAsync(new StopOptions { Spread = Minute }, TestServer.Timely).Timely());

        await server.Server.StartAsync(TestServer.Timely);
        List<TestClient> clients = [];
        for (int i = 0; i < 10; i++)
            clients.Add(await server.OpenAsync());
        await Polling.UntilAsync(() => server.Clients.Count == 10);
        Task<StopResult> stop = server.Server.StopAsync(new StopOptions { Spread = TimeSpan.FromHours(12) }, TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(2).Count == 2);
        foreach (TestClient client in clients)
            await client.LeaveAsync();
        Assert.Equal(new StopResult { ClosedCleanly = 10 }, await stop.Timely()); // and no time has passed
    }

    [Fact]
    public async Task An_end_point_can_be_given_up_while_it_still_listens()
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        Task<StopResult> stop = server.Server.StopAsync(new StopOptions { ReadinessDelay = Minute }, TestServer.Timely);
        IPEndPoint endPoint = server.EndPoint;
        Assert.True(server.Server.StopListening(endPoint));
        Assert.False(server.Server.StopListening(endPoint));
        Assert.False(server.Server.IsListening);
        await Polling.UntilAsync(() => server.Log.Of(38).Count == 1);
        await PassUntilAsync(server, LeaveWhenToldAsync(client));
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
    }

    [Fact]
    public async Task The_result_names_each_client_that_was_cut_and_why()
    {
        TaskCompletionSource inHandlers = Async.Gate();
        TaskCompletionSource never = Async.Gate();
        int hanging = 0;
        await using TestServer server = await StartAsync(
            server =>
            {
                server.MessageReceived += async (_, e) =>
                {
                    if (e.Text != "hang")
                        return;
                    if (Interlocked.Increment(ref hanging) == 1)
                        inHandlers.SetResult();
                    await never.Task;
                };
                server.ClientDisconnected += async (_, e) =>
                {
                    if (e.Client.Path == "/goes-on")
                        await never.Task;
                };
            });
        (TestClient polite, WebSocketClient politeClient) = await server.ConnectAsync();
        (TestClient deaf, WebSocketClient deafClient) = await server.ConnectAsync();
        (TestClient full, WebSocketClient fullClient) = await server.ConnectAsync(receiveBuffer: 4096);
        (TestClient busy, WebSocketClient busyClient) = await server.ConnectAsync();
        (TestClient lost, WebSocketClient lostClient) = await server.ConnectAsync();
        (TestClient wrong, WebSocketClient wrongClient) = await server.ConnectAsync();
        (TestClient goesOn, WebSocketClient goesOnClient) = await server.ConnectAsync("/goes-on");
        await busy.SendAsync("hang");
        await inHandlers.Task.Timely();
        Assert.Equal("hang", await busy.ReadTextAsync());
        while (fullClient.TrySend(new byte[64 * 1024]) is SendResult.Sent or SendResult.Queued)
        {
        }

        Task<StopResult> stop = server.Server.StopAsync(new StopOptions { Timeout = TimeSpan.FromSeconds(20) }, TestServer.Timely);
        foreach (TestClient client in (TestClient[])[polite, deaf, busy, lost, wrong, goesOn])
            Assert.Equal(1001, (await client.ReadFrameAsync()).CloseCode);
        await polite.SendCloseAsync(1001);
        await busy.SendCloseAsync(1001);
        lost.Reset();
        await wrong.WriteAsync(TestClient.Frame(Opcode.Text, "unmasked"u8, masked: false));
        await Polling.UntilAsync(() => !server.Clients.Contains(politeClient) && !server.Clients.Contains(lostClient) && !server.Clients.Contains(wrongClient));
        await PassUntilAsync(server, stop, TimeSpan.FromMilliseconds(50)); // who is cut has one second to end
        StopResult result = await stop;

        Assert.Equal(new StopResult { ClosedCleanly = 1, Aborted = 5, Unfinished = 1 }, result);
        Assert.Equal(
            [
                (deafClient, CutReason.NotAnswered), (fullClient, CutReason.NotRead), (busyClient, CutReason.HandlerRunning),
                (lostClient, CutReason.EndedOtherwise), (wrongClient, CutReason.EndedOtherwise), (goesOnClient, CutReason.NotAnswered),
            ],
            result.Cut.OrderBy(cut => cut.Client.Id).Select(cut => (cut.Client, cut.Why)));
        string[] lines = [.. server.Log.Of(39).Select(line => line.Message)];
        Assert.Equal(4, lines.Length);
        Assert.Contains($"1 clients did not leave cleanly: NotRead. Their ids: {fullClient.Id}.", lines, StringComparer.Ordinal);
        never.SetResult();
        foreach (TestClient client in (TestClient[])[polite, deaf, full, busy, lost, wrong, goesOn])
            client.Dispose();
    }

    [Fact]
    public async Task A_client_whose_handler_runs_when_the_token_is_cancelled_was_cut_by_that_and_not_by_its_handler()
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource never = Async.Gate();
        await using TestServer server = await StartAsync(server => server.MessageReceived += async (_, _) =>
        {
            inHandler.SetResult();
            await never.Task;
        });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await raw.SendAsync("hang");
        await inHandler.Task.Timely();
        StopResult result = await server.Server.StopAsync(new StopOptions(), new CancellationToken(canceled: true)).Timely();
        Assert.Equal([new CutClient(client, CutReason.StopCancelled)], result.Cut);
        never.SetResult();
        raw.Dispose();
    }

    [Fact]
    public async Task A_client_that_left_before_the_stop_is_not_counted_even_if_its_last_handler_ends_during_it()
    {
        TaskCompletionSource go = Async.Gate();
        await using TestServer server = await StartAsync(server => server.ClientDisconnected += async (_, _) => await go.Task);
        (TestClient polite, _) = await server.ConnectAsync();
        (TestClient lost, _) = await server.ConnectAsync();
        await polite.LeaveAsync();
        lost.Reset();
        await server.NextEndAsync();
        await server.NextEndAsync();
        Task<StopResult> stop = server.Server.StopAsync(new StopOptions(), TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(2).Count == 1);
        go.SetResult();
        StopResult result = await stop.Timely();
        Assert.Equal((new StopResult(), 0), (result, result.Cut.Count));
        polite.Dispose();
        lost.Dispose();
    }

    [Fact]
    public async Task Impossible_options_are_refused_before_anything_is_stopped()
    {
        await using TestServer server = await StartAsync();
        Assert.Throws<ArgumentNullException>(() => { _ = server.Server.StopAsync((StopOptions)null!, TestServer.Timely); });
        Assert.Throws<ArgumentException>(() => { _ = server.Server.StopAsync(new StopOptions { Reason = new string('x', 123), RetryAfter = Minute }, TestServer.Timely); });
        Assert.True(server.Server.IsReady);
    }

    private static async Task<(int Status, string Body)> CheckAsync(IPEndPoint endPoint)
    {
        using TestClient check = await TestClient.ConnectAsync(endPoint);
        await check.WriteAsync("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        ReceivedAnswer answer = await check.ReadAnswerAsync();
        return (answer.Status, answer.Body);
    }

    // Reads to the Close frame, which it returns, answers it and leaves.
    private static async Task<ReceivedFrame> LeaveWhenToldAsync(TestClient client)
    {
        ReceivedFrame frame;
        do
            frame = await client.ReadFrameAsync();
        while (frame.Opcode != Opcode.Close);

        await client.SendCloseAsync(frame.CloseCode);
        await client.AssertEndAsync();
        client.Dispose();
        return frame;
    }

    private static async Task LeaveWhenToldAsync(FedClient client)
    {
        ReceivedFrame frame = await client.ReadFrameAsync();
        Assert.Equal((Opcode.Close, 1001), (frame.Opcode, frame.CloseCode));
        await client.LeaveAsync(1001, hasReadClose: true);
    }

    // Moves the clock until the task has ended, by a second at a time or less.
    private static async Task PassUntilAsync(TestServer server, Task task, TimeSpan? step = null)
    {
        CancellationToken timely = TestServer.Timely;
        while (!task.IsCompleted)
        {
            timely.ThrowIfCancellationRequested();
            ((FakeTimeProvider)server.Options.TimeProvider).Advance(step ?? TimeSpan.FromSeconds(1));
            await Task.WhenAny(task, Task.Delay(1, timely));
            // The server's own steps take turns with these, so its connections come to their ends before the clock goes on, however busy the machine is.
            for (int turn = 0; turn < 20; turn++)
                await Task.Run(static () => { }, timely);
        }

        await task;
    }
}
