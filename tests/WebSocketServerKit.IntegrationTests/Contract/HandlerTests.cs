using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>Whatever a handler does, it harms nobody but its own client, and the end of that client is told.</summary>
public class HandlerTests
{
    public enum Misdeed
    {
        Throws,
        ThrowsLater,
        BlocksItsThread,
        NeverEnds,
    }

    public static MatrixTheoryData<Misdeed, string> Misdeeds => new(Enum.GetValues<Misdeed>(), ["ClientConnected", "MessageReceived", "ClientDisconnected"]);

    [Theory]
    [MemberData(nameof(Misdeeds))]
    public async Task A_bad_handler_harms_neither_other_clients_nor_other_subscribers_and_its_client_can_leave(Misdeed misdeed, string which)
    {
        TaskCompletionSource never = Async.Gate();
        using var unblock = new ManualResetEventSlim();
        TaskCompletionSource began = Async.Gate();
        var others = new ConcurrentQueue<string>();
        async Task MisbehaveAsync(WebSocketClient client)
        {
            if (client.Path != "/bad")
                return;
            began.TrySetResult();
            switch (misdeed)
            {
                case Misdeed.Throws:
                    throw new InvalidDataException("at once");
                case Misdeed.ThrowsLater:
                    await Task.Yield();
                    throw new InvalidDataException("later");
                case Misdeed.BlocksItsThread:
                    unblock.Wait(TestServer.Timely);
                    break;
                case Misdeed.NeverEnds:
                    await never.Task;
                    break;
            }
        }

        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
                if (which == "ClientConnected")
                    server.ClientConnected += async (_, e) => await MisbehaveAsync(e.Client);
                if (which == "MessageReceived")
                    server.MessageReceived += async (_, e) => await MisbehaveAsync(e.Client);
                if (which == "ClientDisconnected")
                    server.ClientDisconnected += async (_, e) => await MisbehaveAsync(e.Client);
                server.ClientConnected += (_, e) => others.Enqueue($"ClientConnected {e.Client.Path}");
                server.MessageReceived += (_, e) => others.Enqueue($"MessageReceived {e.Client.Path}");
                server.ClientDisconnected += (_, e) => others.Enqueue($"ClientDisconnected {e.Client.Path}");
            },
            options => options.CloseTimeout = TimeSpan.FromMilliseconds(100));
        (TestClient good, WebSocketClient goodClient) = await server.ConnectAsync("/good");
        using TestClient bad = await server.OpenAsync("/bad");
        await Polling.UntilAsync(() => server.Clients.Count == 2); // its handler of ClientConnected may never end
        WebSocketClient badClient = server.Clients.Single(client => client != goodClient);
        if (which == "MessageReceived")
            await bad.SendAsync("x");
        if (which == "ClientDisconnected")
            await bad.SendCloseAsync(1000);
        await began.Task.Timely();

        // Others are served meanwhile: those who were there, and those who come now.
        using TestClient late = await server.OpenAsync("/late");
        foreach (TestClient client in (TestClient[])[good, late])
        {
            await client.SendAsync("still here?");
            Assert.Equal("still here?", await client.ReadTextAsync());
        }

        // The subscriber behind the bad one gets the same event, unless the bad one blocks the thread that is to call it.
        if (misdeed == Misdeed.BlocksItsThread)
        {
            Assert.DoesNotContain(others, told => told == $"{which} /bad");
            unblock.Set();
        }

        await Polling.UntilAsync(() => others.Any(told => told == $"{which} /bad"));
        if (misdeed is Misdeed.Throws or Misdeed.ThrowsLater)
            await Polling.UntilAsync(() => !badClient.IsOpen && server.Log.Of(10).Count > 0);

        // The bad one's client can be got rid of, and its end is told.
        Task close = badClient.CloseAsync(cancellationToken: TestServer.Timely);
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Same(badClient, end.Client);
        await close.Timely();
        Assert.Null(server.Clients.Find(badClient.Id));
        if (misdeed is Misdeed.Throws or Misdeed.ThrowsLater)
        {
            Assert.Equal(LogLevel.Error, Assert.Single(server.Log.Of(10)).Level);
            if (which != "ClientDisconnected")
                Assert.Equal((DisconnectCause.HandlerFailed, 1011), (end.Cause, (int)end.CloseCode));
        }

        Assert.True(goodClient.IsOpen);
        await good.LeaveAsync();
        Assert.Same(goodClient, (await server.NextEndAsync()).Client);
        never.SetResult();
    }

    [Fact]
    public async Task The_policy_KeepClient_logs_and_goes_on_with_the_next_message()
    {
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += (_, _) => throw new InvalidDataException("at once");
                server.MessageReceived += async (_, _) =>
                {
                    await Task.Yield();
                    throw new InvalidDataException("later");
                };
                server.MessageReceived += (_, e) => e.Client.TrySend(e.Text);
            },
            options => options.HandlerExceptions = HandlerExceptionPolicy.KeepClient);
        using TestClient client = await server.OpenAsync();
        foreach (string text in (string[])["1", "2", "3"])
        {
            await client.SendAsync(text);
            Assert.Equal(text, await client.ReadTextAsync());
        }

        await client.LeaveAsync();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.Closed, 1000), (end.Cause, (int)end.CloseCode));
        Assert.Equal(6, server.Log.Of(10).Count);
    }

    [Fact]
    public async Task What_a_handler_posted_throws_is_caught_like_what_it_throws_itself()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, _) =>
            SynchronizationContext.Current!.Post(_ => throw new InvalidDataException("posted"), null));
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
        Assert.Equal("posted", Assert.Single(server.Log.Of(10)).Exception!.Message);
    }

    [Fact]
    public async Task A_slow_handler_is_logged_once_with_the_way_out()
    {
        TaskCompletionSource gate = Async.Gate(), began = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, _) =>
            {
                began.SetResult();
                await gate.Task;
            },
            options => options.TimeProvider = new FakeTimeProvider());
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        await began.Task.Timely();
        server.Pass(TimeSpan.FromSeconds(4));
        Assert.Empty(server.Log.Of(12));
        server.Pass(TimeSpan.FromSeconds(20));
        Assert.Contains("MessageReceived", server.Log.Of(12)[0].Message, StringComparison.Ordinal);
        Assert.Equal(LogLevel.Warning, Assert.Single(server.Log.Of(12)).Level);
        gate.SetResult();
    }

    [Fact]
    public async Task Blocking_on_async_work_inside_a_handler_does_not_deadlock()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) =>
        {
            async Task<string> AnswerAsync(string text)
            {
                await Task.Yield(); // its continuation goes where the handler's context says
                await e.Client.SendAsync("on its way");
                return text + "!";
            }

#pragma warning disable WSK0004 // this is the mistake of a host
            string answer = AnswerAsync(e.Text).Result;
            e.Client.SendAsync(answer).AsTask().Wait();
#pragma warning restore WSK0004
        });
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(TestClient.Text("1").Concat(TestClient.Text("2")).ToArray()); // corked: two in one read
        foreach (string expected in (string[])["on its way", "1!", "on its way", "2!"])
            Assert.Equal(expected, await client.ReadTextAsync());
    }

    [Fact]
    public async Task Waiting_for_the_close_inside_a_handler_does_not_deadlock_even_on_a_corked_connection()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) =>
        {
            e.Client.TrySend("bye");
#pragma warning disable WSK0004 // this is the mistake of a host
            e.Client.CloseAsync().Wait();
#pragma warning restore WSK0004
        });
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(TestClient.Text("1").Concat(TestClient.Text("2")).ToArray());
        Assert.Equal("bye", await client.ReadTextAsync());
        Assert.Equal(1000, (await client.ReadFrameAsync()).CloseCode);
        await client.SendCloseAsync(1000);
        await client.AssertEndAsync();
    }

    [Theory]
    [InlineData("ClientConnected")]
    [InlineData("MessageReceived")]
    public async Task CloseAsync_awaited_inside_a_handler_returns_and_closes_cleanly(string which)
    {
        bool returned = false;
        async Task CloseAsync(WebSocketClient client)
        {
            await client.CloseAsync(CloseCode.PolicyViolation, "from inside");
            returned = true;
        }

        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                if (which == "ClientConnected")
                    server.ClientConnected += async (_, e) => await CloseAsync(e.Client);
                else
                    server.MessageReceived += async (_, e) => await CloseAsync(e.Client);
            },
            options => options.CloseTimeout = TimeSpan.FromMinutes(10));
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        ReceivedFrame close = await client.ReadFrameAsync();
        Assert.Equal((Opcode.Close, 1008, "from inside"), (close.Opcode, close.CloseCode, close.CloseReason));
        await client.SendCloseAsync(1008);
        await client.AssertEndAsync();
        client.Dispose();

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.True(returned);
        Assert.True(end.WasClean);
        Assert.Equal((DisconnectCause.Closed, ConnectionSide.Server, 1008), (end.Cause, end.ClosedBy, (int)end.CloseCode));
    }

    [Fact]
    public async Task Clients_that_close_one_another_in_their_handlers_do_not_deadlock()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            foreach (WebSocketClient other in server.Clients)
            {
                if (other != e.Client)
                    await other.CloseAsync();
            }
        });
        using TestClient first = await server.OpenAsync();
        using TestClient second = await server.OpenAsync();
        await Task.WhenAll(first.SendAsync("x"), second.SendAsync("x"));
        static async Task AnswerAsync(TestClient client)
        {
            Assert.Equal(Opcode.Close, (await client.ReadFrameAsync()).Opcode);
            await client.SendCloseAsync(1000);
            await client.AssertEndAsync();
            client.Dispose();
        }

        // The first close may end the other's life before that one's handler has begun, so at least one is closed.
        Task[] answers = [AnswerAsync(first), AnswerAsync(second)];
        await Task.WhenAny(answers).Timely();
        await server.NextEndAsync();

        // The other one may wait in vain. Its exception is taken here, lest it turns up in a test that counts those that nobody took.
        first.Dispose();
        second.Dispose();
        await Task.WhenAll(answers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    [Fact]
    public async Task EventContext_decides_where_handlers_and_their_continuations_run()
    {
        using var thread = new SingleThread();
        var outside = new ConcurrentQueue<string>();
        void Check(string where)
        {
            if (!thread.IsCurrent)
                outside.Enqueue(where);
        }

        await using (TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.Handshaking += async (_, _) =>
                {
                    Check("Handshaking");
                    await Task.Yield();
                    Check("Handshaking, continued");
                };
                server.HttpRequestReceived += (_, e) =>
                {
                    Check("HttpRequestReceived");
                    e.Respond(System.Net.HttpStatusCode.OK, "fine");
                };
                server.ClientConnected += (_, _) => Check("ClientConnected");
                server.MessageReceived += async (_, e) =>
                {
                    Check("MessageReceived");
                    await Task.Run(static () => { });
                    Check("MessageReceived, continued");
                    await e.Client.SendAsync(e.Text);
                    Check("MessageReceived, after a send");
                };
                server.ClientDisconnected += (_, _) => Check("ClientDisconnected");
            },
            options => options.EventContext = thread))
        {
            using TestClient plain = await TestClient.ConnectAsync(server.EndPoint);
            await plain.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
            Assert.Equal("fine", (await plain.ReadAnswerAsync()).Body);
            plain.Dispose();

            using TestClient client = await server.OpenAsync();
            await client.WriteAsync(TestClient.Text("1").Concat(TestClient.Text("2")).ToArray());
            Assert.Equal("1", await client.ReadTextAsync());
            Assert.Equal("2", await client.ReadTextAsync());
            await client.LeaveAsync();
            await server.NextEndAsync();
        }

        Assert.Empty(outside);
    }

    [Fact]
    public async Task Handlers_that_throw_on_the_EventContext_are_caught_there()
    {
        using var thread = new SingleThread();
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += (_, _) => throw new InvalidDataException("at once");
                server.MessageReceived += async (_, _) =>
                {
                    await Task.Yield();
                    throw new InvalidDataException("later");
                };
            },
            options => options.EventContext = thread);
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
        await client.SendCloseAsync(1011);
        Assert.Equal("at once", (await server.NextEndAsync()).Exception!.Message);
        Assert.Equal(2, server.Log.Of(10).Count);
    }

    [Fact]
    public async Task An_EventContext_that_has_ended_costs_its_clients_their_connection_and_nothing_else()
    {
        using var thread = new SingleThread();
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource gate = Async.Gate();
        TaskCompletionSource wentOn = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, _) =>
            {
                inHandler.SetResult();
                await gate.Task;
                wentOn.SetResult();
            },
            options => options.EventContext = thread);
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        await inHandler.Task.Timely();
        thread.Close();
        gate.SetResult();

        await wentOn.Task.Timely(); // elsewhere, for it has to end somewhere
        Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
        await client.SendCloseAsync(1011);
        await client.AssertEndAsync();
        client.Dispose();
        Assert.Equal(DisconnectCause.HandlerFailed, (await server.NextEndAsync()).Cause);
        Assert.Empty(server.Clients);
        Assert.IsType<InvalidOperationException>(server.Log.Of(10)[0].Exception);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_handler_that_removes_its_context_does_not_make_the_next_ones_exception_the_processs(bool sameMessage)
    {
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += (_, e) =>
                {
                    if (sameMessage || e.Text == "1")
                        SynchronizationContext.SetSynchronizationContext(null);
                };
                server.MessageReceived += async (_, e) =>
                {
                    if (e.Text != "2")
                        return;
                    await Task.Yield();
                    throw new InvalidTimeZoneException();
                };
            },
            options => options.HandlerExceptions = HandlerExceptionPolicy.KeepClient);
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync((byte[])[.. TestClient.Text("1"), .. TestClient.Text("2")]);
        await Polling.UntilAsync(() => server.Log.Of(10).Count > 0);
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(server.Log.Of(10)).Exception);
        await client.LeaveAsync();
    }

    [Fact]
    public async Task A_reply_to_another_client_does_not_wait_for_the_next_handler_that_blocks_the_same_thread()
    {
        using var mayEnd = new ManualResetEventSlim();
        WebSocketClient? other = null;
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.ClientConnected += (_, e) => other ??= e.Client;
            server.MessageReceived += (_, e) =>
            {
                if (e.Text == "tell")
                    other!.TrySend("told");
                else
                    mayEnd.Wait(TimeSpan.FromSeconds(30));
            };
        });
        using TestClient told = await server.OpenAsync();
        await server.NextClientAsync();
        using TestClient teller = await server.OpenAsync();
        await teller.WriteAsync((byte[])[.. TestClient.Text("tell"), .. TestClient.Text("block"), .. TestClient.Text("more")]);
        Assert.Equal("told", await told.ReadTextAsync());
        mayEnd.Set();
        await teller.LeaveAsync();
    }
}
