using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

/// <summary>How a server stops.</summary>
public class ServerRunTests
{
    [Fact]
    public async Task Tells_every_client_1001_and_counts_who_left_cleanly_and_who_was_cut()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.StopTimeout = TimeSpan.FromMilliseconds(500);
        });
        var polite = new List<TestClient>();
        var deaf = new List<TestClient>();
        for (int i = 0; i < 5; i++)
        {
            polite.Add((await server.ConnectAsync()).Raw);
            if (i < 3)
                deaf.Add((await server.ConnectAsync()).Raw);
        }

        Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
        foreach (TestClient client in polite.Concat(deaf))
        {
            ReceivedFrame close = await client.ReadFrameAsync();
            Assert.Equal((Opcode.Close, 1001, "server is stopping"), (close.Opcode, close.CloseCode, close.CloseReason));
        }

        foreach (TestClient client in polite)
        {
            await client.SendCloseAsync(1001);
            await client.AssertEndAsync();
            client.Dispose();
        }

        Assert.Equal(new StopResult { ClosedCleanly = 5, Aborted = 3 }, await stop.Timely());
        Assert.Empty(server.Clients);
        for (int i = 0; i < 8; i++)
        {
            ClientDisconnectedEventArgs end = await server.NextEndAsync();
            Assert.Equal((DisconnectCause.ServerStopping, ConnectionSide.Server, 1001), (end.Cause, end.ClosedBy, (int)end.CloseCode));
            Assert.Equal(i < 5, end.WasClean);
        }

        server.AssertNoMoreEnds();
        foreach (TestClient client in deaf)
        {
            await client.AssertResetAsync();
            client.Dispose();
        }

        Assert.Equal("Stopping: 8 clients are told to go away.", Assert.Single(server.Log.Of(2)).Message);
        Assert.Equal("Stopped: 5 clients left cleanly, 3 had to be cut, 0 have handlers that have not ended.", Assert.Single(server.Log.Of(3)).Message);
    }

    [Fact]
    public async Task A_handshake_under_way_gets_503_with_Retry_After()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient half = await TestClient.ConnectAsync(server.EndPoint);
        using TestClient silent = await TestClient.ConnectAsync(server.EndPoint);
        await half.WriteAsync("GET / HTTP/1.1\r\n"u8.ToArray());
        (TestClient open, _) = await server.ConnectAsync(); // accepted after them, so they are inside
        using (open)
        {
            Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
            foreach (TestClient client in (TestClient[])[half, silent])
            {
                ReceivedAnswer answer = await client.ReadAnswerAsync();
                Assert.Equal((503, "Service Unavailable"), (answer.Status, answer.Reason));
                Assert.Equal("5", answer.Headers["Retry-After"]);
                Assert.Equal("The server is being stopped. Try again later.\n", answer.Body);
                await client.AssertEndAsync();
                client.Dispose();
            }

            await open.LeaveAsync();
            Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
        }
    }

    [Fact]
    public async Task A_handshake_that_the_host_is_deciding_gets_503_too()
    {
        TaskCompletionSource asked = Async.Gate();
        TaskCompletionSource gate = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += async (_, _) =>
        {
            asked.SetResult();
            await gate.Task;
        });
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request());
        await asked.Task.Timely();

        Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
        await Polling.UntilAsync(() => server.Log.Of(2).Count == 1);
        gate.SetResult();
        ReceivedAnswer answer = await client.ReadAnswerAsync();
        Assert.Equal(503, answer.Status);
        client.Dispose();
        Assert.Equal(new StopResult(), await stop.Timely());
    }

    [Fact]
    public async Task Waits_for_handlers_that_end_in_time()
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource gate = Async.Gate();
        bool ended = false;
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, _) =>
        {
            inHandler.SetResult();
            await gate.Task;
            ended = true;
        });
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        await inHandler.Task.Timely();

        Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
        await client.ReadFrameAsync();
        await client.SendCloseAsync(1001);
        Assert.False(stop.IsCompleted);
        gate.SetResult();
        await client.AssertEndAsync();
        client.Dispose();

        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
        Assert.True(ended);
    }

    [Theory]
    [InlineData("Handshaking")]
    [InlineData("ClientConnected")]
    [InlineData("MessageReceived")]
    [InlineData("ClientDisconnected")]
    public async Task Is_bounded_when_an_async_handler_never_ends(string which)
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource never = Async.Gate();
        async Task HangAsync()
        {
            inHandler.TrySetResult();
            await never.Task;
        }

        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                if (which == "Handshaking")
                    server.Handshaking += async (_, _) => await HangAsync();
                if (which == "ClientConnected")
                    server.ClientConnected += async (_, _) => await HangAsync();
                if (which == "MessageReceived")
                    server.MessageReceived += async (_, _) => await HangAsync();
                if (which == "ClientDisconnected")
                    server.ClientDisconnected += async (_, _) => await HangAsync();
            },
            options => options.StopTimeout = TimeSpan.FromMilliseconds(200));
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request());
        await client.SendAsync("x");
        if (which == "ClientDisconnected")
            await client.SendCloseAsync(1000);
        await inHandler.Task.Timely();

        StopResult result = await server.Server.StopAsync(TestServer.Timely).Timely();

        StopResult expected = which switch
        {
            "ClientConnected" or "MessageReceived" => new StopResult { Aborted = 1 },
            "ClientDisconnected" => new StopResult { Unfinished = 1 },
            _ => new StopResult(),
        };
        Assert.Equal(expected, result);
        Assert.Empty(server.Clients);
        if (which is not "Handshaking")
            await server.NextEndAsync();
        await server.Server.StartAsync(TestContext.Current.CancellationToken); // nothing is left that would hinder
        never.SetResult();
    }

    [Fact]
    public async Task Is_bounded_when_a_handler_blocks_its_thread_and_the_end_is_told_when_that_returns()
    {
        TaskCompletionSource inHandler = Async.Gate();
        using var gate = new ManualResetEventSlim();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, _) =>
            {
                inHandler.SetResult();
                gate.Wait(TestServer.Timely);
            },
            options => options.StopTimeout = TimeSpan.FromMilliseconds(100));
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        await inHandler.Task.Timely();

        Assert.Equal(new StopResult { Aborted = 1 }, await server.Server.StopAsync(TestServer.Timely).Timely());
        gate.Set();
        Assert.Equal(DisconnectCause.ServerStopping, (await server.NextEndAsync()).Cause);
        Assert.Empty(server.Clients);
    }

    [Fact]
    public async Task Awaited_in_a_handler_it_waits_for_that_handler_no_longer_than_the_timeout()
    {
        TaskCompletionSource<StopResult> stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(
#pragma warning disable WSK0005 // this is the mistake of a host
            server => server.MessageReceived += async (_, _) => stopped.SetResult(await server.StopAsync()),
#pragma warning restore WSK0005
            options => options.StopTimeout = TimeSpan.FromMilliseconds(200));
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("stop");

        Assert.Equal(new StopResult { Aborted = 1 }, await stopped.Task.Timely());
        Assert.Equal(DisconnectCause.ServerStopping, (await server.NextEndAsync()).Cause);
    }

    [Fact]
    public async Task A_cancelled_token_cuts_at_once()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.StopTimeout = TimeSpan.FromMinutes(10));
        (TestClient deaf, _) = await server.ConnectAsync();
        using var cut = new CancellationTokenSource();

        Task<StopResult> stop = server.Server.StopAsync(cut.Token);
        Assert.Equal(1001, (await deaf.ReadFrameAsync()).CloseCode);
        await cut.CancelAsync();
        Assert.Equal(new StopResult { Aborted = 1 }, await stop.Timely());
        await deaf.AssertResetAsync();
        deaf.Dispose();

        await server.Server.StartAsync(TestContext.Current.CancellationToken);
        using TestClient other = await server.OpenAsync();
        long before = Stopwatch.GetTimestamp();
        Assert.Equal(new StopResult { Aborted = 1 }, await server.Server.StopAsync(new CancellationToken(canceled: true)).Timely());
        Assert.True(Stopwatch.GetElapsedTime(before) < TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Clients_that_leave_while_it_stops_are_each_counted_once()
    {
        for (int round = 0; round < 20; round++)
        {
            await using TestServer server = await TestServer.StartEchoAsync();
            TestClient[] clients = new TestClient[8];
            for (int i = 0; i < clients.Length; i++)
                clients[i] = (await server.ConnectAsync()).Raw;

            Task[] leaving = [.. clients.Select(client => Task.Run(client.LeaveAsync, TestServer.Timely))];
            StopResult result = await server.Server.StopAsync(TestServer.Timely).Timely();
            await Task.WhenAll(leaving).Timely();

            // Those that left before it began to stop are in neither number; all others left cleanly.
            Assert.Equal(0, result.Aborted);
            Assert.InRange(result.ClosedCleanly, 0, clients.Length);
            for (int i = 0; i < clients.Length; i++)
                Assert.True((await server.NextEndAsync()).WasClean);
        }
    }

    [Fact]
    public async Task Two_end_points_that_exclude_each_other_are_told_as_that()
    {
        IOException failure;
        do
        {
            int port;
            await using (TestServer server = await TestServer.StartEchoAsync())
                port = server.EndPoint.Port;
            var endPoint = new IPEndPoint(IPAddress.Loopback, port);
            await using var both = new WebSocketServer(new WebSocketServerOptions().Listen(endPoint).Listen(endPoint));
            failure = await Assert.ThrowsAsync<IOException>(() => both.StartAsync(TestContext.Current.CancellationToken));
            Assert.False(both.IsListening);
        }
        while (failure.Message.Contains("Stop the program that uses it", StringComparison.Ordinal)); // which has taken the port meanwhile

        Assert.EndsWith("it is among the server's end points twice. Leave one out.", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_clients_than_files_can_be_open_is_a_warning_at_the_start()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells the limit.");
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxClients = int.MaxValue);
        FakeLogRecord warning = Assert.Single(server.Log.Of(22));
        Assert.Equal(LogLevel.Warning, warning.Level);
        Assert.StartsWith("options.MaxClients is 2147483647, but this process may have ", warning.Message, StringComparison.Ordinal);

        await using TestServer unset = await TestServer.StartEchoAsync();
        Assert.Empty(unset.Log.Of(22));
        Assert.Empty(unset.Log.Troubles);
    }
}
