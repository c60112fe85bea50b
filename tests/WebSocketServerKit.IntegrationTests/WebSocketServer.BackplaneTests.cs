using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Servers that act as one, over sockets.</summary>
public sealed class WebSocketServerBackplaneTests
{
    private readonly InProcessBackplane _backplane = new();

    private Task<TestServer> StartAsync(Action<WebSocketServer>? subscribe = null, Action<WebSocketServerOptions>? configure = null) => TestServer.StartAsync(
        server =>
        {
            server.UseBackplane(_backplane);
            subscribe?.Invoke(server);
        },
        configure);

    // A chat room whose code knows nothing of other servers.
    private static void Chat(WebSocketServer server)
    {
        server.ClientConnected += async (_, e) => await e.Client.JoinAsync("room");
        server.MessageReceived += (_, e) => server.Clients.InGroup("room").Except(e.Client).Broadcast(e);
        server.ClientDisconnected += (_, e) => server.Clients.InAnyGroup([.. e.Groups]).Broadcast("somebody has left");
    }

    // The handler's own JoinAsync may not be complete yet; who joins once more waits for the same subscription.
    private static async Task<TestClient> EnterAsync(TestServer server)
    {
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await client.JoinAsync("room", TestServer.Timely);
        return raw;
    }

    [Fact]
    public async Task A_room_has_members_on_two_servers_and_its_code_does_not_know_it()
    {
        await using TestServer one = await StartAsync(Chat), two = await StartAsync(Chat);
        TestClient ada = await EnterAsync(one), bob = await EnterAsync(one), eve = await EnterAsync(two);
        for (int i = 0; i < 100; i++)
            await ada.SendAsync($"hello {i}");
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal($"hello {i}", await bob.ReadTextAsync());
            Assert.Equal($"hello {i}", await eve.ReadTextAsync());
        }

        await eve.SendAsync("hello from elsewhere");
        Assert.Equal("hello from elsewhere", await ada.ReadTextAsync());
        Assert.Equal("hello from elsewhere", await bob.ReadTextAsync());
        bob.Dispose();
        Assert.Equal("somebody has left", await ada.ReadTextAsync());
        Assert.Equal("somebody has left", await eve.ReadTextAsync());
        ada.Dispose();
        eve.Dispose();
    }

    [Fact]
    public async Task A_user_is_sent_to_counted_and_closed_wherever_the_connections_are()
    {
        static void SignIn(WebSocketServer server) => server.Handshaking += (_, e) => e.UserId = "ada";
        await using TestServer one = await StartAsync(SignIn), two = await StartAsync(SignIn);
        (TestClient here, _) = await one.ConnectAsync();
        (TestClient there, WebSocketClient thereOnServer) = await two.ConnectAsync();
        // Then the other server has subscribed.
        await Polling.UntilAsync(() => one.Clients.WithUser("ada").Except([.. one.Clients]).Broadcast("elsewhere").OtherServers == ForwardResult.Accepted);
        Assert.Equal("elsewhere", await there.ReadTextAsync());

        BroadcastReport report = await one.Clients.WithUser("ada").BroadcastAsync("to both", cancellationToken: TestServer.Timely);
        Assert.Equal((2, 1, 1), (report.Result.Accepted, report.ServersAsked, report.ServersAnswered));
        report = await one.Clients.WithGlobalId(thereOnServer.GlobalId).BroadcastAsync("to one", cancellationToken: TestServer.Timely);
        Assert.Equal((1, 1), (report.Result.Accepted, report.ServersAsked));
        Assert.Equal("to both", await here.ReadTextAsync());
        Assert.Equal("to both", await there.ReadTextAsync());
        Assert.Equal("to one", await there.ReadTextAsync());

        Task closing = one.Clients.WithUser("ada").CloseAsync(4001, "signed out", TestServer.Timely);
        await Task.WhenAll(AnswerCloseAsync(here), AnswerCloseAsync(there));
        await closing;
        here.Dispose();
        there.Dispose();
    }

    [Fact]
    public async Task Who_is_meant_on_this_server_alone_is_reached_there_alone()
    {
        await using TestServer one = await StartAsync(), two = await StartAsync();
        (TestClient here, _) = await one.ConnectAsync();
        (TestClient there, _) = await two.ConnectAsync();
        Assert.Equal(ForwardResult.Unneeded, one.Clients.OnThisServer().Broadcast("here").OtherServers);
        Assert.Equal(ForwardResult.Accepted, one.Clients.Broadcast("everywhere").OtherServers);
        Assert.Equal("here", await here.ReadTextAsync());
        Assert.Equal("everywhere", await here.ReadTextAsync());
        Assert.Equal("everywhere", await there.ReadTextAsync());
        one.Clients.Abort();
        Assert.Equal(DisconnectCause.Aborted, (await one.NextEndAsync()).Cause);
        Assert.Equal(DisconnectCause.Aborted, (await two.NextEndAsync()).Cause);
        here.Dispose();
        there.Dispose();
    }

    [Fact]
    public async Task Topics_reach_subscribers_of_other_servers()
    {
        await using TestServer one = await StartAsync(), two = await StartAsync(server => server.ClientConnected += (_, e) => e.Client.Subscribe("prices/+"));
        (TestClient there, _) = await two.ConnectAsync();
        await Polling.UntilAsync(() => one.Clients.SubscribedTo("news").Broadcast("not subscribed").OtherServers == ForwardResult.Accepted);
        one.Clients.SubscribedTo("prices/EURUSD").Broadcast("1.08");
        Assert.Equal("1.08", await there.ReadTextAsync());
        there.Dispose();
    }

    [Fact]
    public async Task A_message_is_compressed_by_each_server_for_its_clients()
    {
        await using TestServer one = await StartAsync(), two = await StartAsync(configure: options => options.PerMessageDeflate = new PerMessageDeflateOptions());
        using TestClient raw = await TestClient.ConnectAsync(two.EndPoint);
        await raw.WriteAsync(TestClient.Request("/", ["Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"]));
        await raw.ReadAnswerAsync();
        await two.NextClientAsync();
        one.Clients.Broadcast(new string('a', 10_000));
        byte[] head = await raw.ReadBytesAsync(2);
        Assert.Equal(0xC1, head[0]); // FIN, RSV1 and the opcode of a text
        Assert.InRange(head[1], 1, 125);
    }

    [Fact]
    public async Task A_server_that_has_stopped_is_no_part_of_it_until_it_is_started_again()
    {
        await using TestServer one = await StartAsync(), two = await StartAsync();
        Assert.True(two.Server.Health.IsBackplaneConnected);
        await two.Server.StopAsync(TestServer.Timely);
        Assert.Null(two.Server.Health.IsBackplaneConnected);
        Assert.Equal(ForwardResult.Unneeded, one.Clients.Broadcast("nobody").OtherServers);
        await two.Server.StartAsync(TestServer.Timely);
        (TestClient there, _) = await two.ConnectAsync();
        Assert.Equal(ForwardResult.Accepted, one.Clients.Broadcast("again").OtherServers);
        Assert.Equal("again", await there.ReadTextAsync());
        there.Dispose();
    }

    [Fact]
    public async Task What_handlers_send_while_the_server_stops_still_reaches_the_others()
    {
        await using TestServer one = await StartAsync(Chat), two = await StartAsync(Chat);
        TestClient leaver = await EnterAsync(one), there = await EnterAsync(two);
        Task stopping = one.Server.StopAsync(TestServer.Timely);
        await leaver.SendCloseAsync(1000);
        Assert.Equal("somebody has left", await there.ReadTextAsync());
        await stopping.Timely();
        there.Dispose();
    }

    [Fact]
    public async Task A_start_that_cannot_connect_fails_and_may_be_repeated()
    {
        Connecting backplane = new() { Failure = new IOException("no broker") };
        await using WebSocketServer server = new(new IPEndPoint(IPAddress.Loopback, 0));
        server.UseBackplane(backplane);
        Assert.Equal("no broker", (await Assert.ThrowsAsync<IOException>(() => server.StartAsync(TestServer.Timely))).Message);
        Assert.False(server.IsListening);
        backplane.Failure = null;
        backplane.Confirmed.SetResult();
        await server.StartAsync(TestServer.Timely);
        Assert.True(server.IsListening);
        Assert.Throws<InvalidOperationException>(() => server.UseBackplane(backplane));
    }

    [Theory]
    [InlineData("stop")]
    [InlineData("dispose")]
    [InlineData("token")]
    public async Task A_start_that_waits_for_its_backplane_can_be_ended(string by)
    {
        Connecting backplane = new();
        await using WebSocketServer server = new(new IPEndPoint(IPAddress.Loopback, 0));
        server.UseBackplane(backplane);
        using CancellationTokenSource token = new();
        Task starting = server.StartAsync(token.Token);
        await Assert.ThrowsAsync<InvalidOperationException>(() => server.StartAsync(TestServer.Timely));
        if (by is "stop")
            await server.StopAsync(TestServer.Timely).Timely();
        else if (by is "dispose")
            await server.DisposeAsync();
        else
            await token.CancelAsync();
        Exception ended = await Assert.ThrowsAnyAsync<Exception>(() => starting.Timely());
        Assert.True(by is "dispose" ? ended is ObjectDisposedException : ended is OperationCanceledException, ended.ToString());
        Assert.False(server.IsListening);
        Assert.Equal(1, backplane.Disposed);
        if (by is "dispose")
            return;
        backplane.Confirmed.SetResult();
        await server.StartAsync(TestServer.Timely);
        Assert.True(server.IsListening);
    }

    [Theory]
    [InlineData("stop")]
    [InlineData("dispose")]
    public async Task What_awaits_a_start_that_is_ended_goes_on_outside_of_the_lock_of_the_server(string by)
    {
        await using WebSocketServer server = new(new IPEndPoint(IPAddress.Loopback, 0));
        server.UseBackplane(new Connecting());
        Task<bool> goingOn = Waiting.ForUseByAnotherThreadAsync(server, server.StartAsync(TestServer.Timely));
        if (by is "stop")
            await server.StopAsync(TestServer.Timely).Timely();
        else
            server.Dispose();
        Assert.True(await goingOn.Timely());
    }

    [Fact]
    public async Task A_backplane_learns_outside_of_the_lock_of_the_server_that_a_start_is_ended()
    {
        await using WebSocketServer server = new(new IPEndPoint(IPAddress.Loopback, 0));
        TaskCompletionSource<bool> used = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Connecting backplane = new() { Cancelled = () => used.SetResult(Waiting.ForUseByAnotherThread(server)) };
        server.UseBackplane(backplane);
        Task starting = server.StartAsync(TestServer.Timely);
        await backplane.Connected.Task.Timely();
        server.Dispose();
        Assert.True(await used.Task.Timely());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => starting.Timely());
    }

    private static async Task AnswerCloseAsync(TestClient client)
    {
        ReceivedFrame close = await client.ReadFrameAsync();
        Assert.Equal([0x0F, 0xA1, .. "signed out"u8], close.Payload); // 4001
        await client.SendCloseAsync(4001);
        await client.AssertEndAsync();
    }

    // A host that waits for what another thread has to do with the server.
    private static class Waiting
    {
        public static async Task<bool> ForUseByAnotherThreadAsync(WebSocketServer server, Task starting)
        {
            await starting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return ForUseByAnotherThread(server);
        }

        public static bool ForUseByAnotherThread(WebSocketServer server) =>
            Task.Run(() => Assert.Throws<InvalidOperationException>(() => server.UseBackplane(new InProcessBackplane()))).Wait(TimeSpan.FromSeconds(5));
    }

    // A backplane that lets a server subscribe when the test says so.
    private sealed class Connecting : IBackplane, IBackplaneConnection
    {
        public Exception? Failure { get; set; }

        public Action? Cancelled { get; init; }

        public TaskCompletionSource Connected { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Confirmed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Disposed { get; private set; }

        public bool IsConnected => true;

        public ValueTask<IBackplaneConnection> ConnectAsync(IBackplaneReceiver receiver, CancellationToken cancellationToken)
        {
            if (Cancelled is not null)
                cancellationToken.Register(Cancelled);
            Connected.TrySetResult();
            return Failure is null ? ValueTask.FromResult<IBackplaneConnection>(this) : ValueTask.FromException<IBackplaneConnection>(Failure);
        }

        public Task SubscribeAsync(string channel) => Confirmed.Task;

        public Task UnsubscribeAsync(string channel) => Task.CompletedTask;

        public bool IsWanted(string channel) => false;

        public bool TryPublish(string channel, ReadOnlyMemory<byte> message) => true;

        public Task<int> PublishAsync(string channel, ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => Task.FromResult(0);

        public ValueTask DisposeAsync()
        {
            Disposed++;
            return ValueTask.CompletedTask;
        }
    }
}
