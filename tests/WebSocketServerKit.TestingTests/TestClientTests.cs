namespace WebSocketServerKit.Testing;

/// <summary>The life of a client: it connects, stays, and ends in each of the ways that there are.</summary>
public class TestClientTests
{
    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_is_one_of_the_servers_clients()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync("/chat/room%201?user=ann");
        Assert.Equal([client.ServerSide], server.Clients);
        Assert.Equal(("/chat/room 1", "user=ann"), (client.ServerSide.Path, client.ServerSide.QueryString));
        Assert.True(client.IsOpen);
        Assert.Null(client.CloseCode);
        Assert.Same(server, client.Server);
        Assert.Contains("/chat/room%201", client.ToString(), StringComparison.Ordinal);
        Assert.Empty(server.EndPoints);
    }

    [Fact]
    public async Task All_events_come_in_their_order_and_the_end_of_the_handlers_is_waited_for()
    {
        List<string> events = [];
        await using WebSocketServer server = await Started.ServerAsync(server =>
        {
            server.Handshaking += (_, e) => events.Add("Handshaking");
            server.ClientConnected += (_, e) => events.Add("ClientConnected");
            server.MessageReceived += (_, e) => events.Add(e.Text);
            server.ClientDisconnected += async (_, e) =>
            {
                await Task.Yield();
                events.Add($"ClientDisconnected {e.Cause} {e.ClosedBy} {e.CloseCode.Value} {e.CloseReason} {e.WasClean}");
            };
        });
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("1");
        await client.SendAsync("2");
        await client.CloseAsync(4000, "bye");
        Assert.Equal(["Handshaking", "ClientConnected", "1", "2", "ClientDisconnected Closed Client 4000 bye True"], events, StringComparer.Ordinal);
        Assert.Equal((CloseCode)4000, client.CloseCode);
        Assert.False(client.IsOpen);
    }

    [Fact]
    public async Task The_server_closes_and_the_client_answers_as_a_browser_does()
    {
        TaskCompletionSource<bool> clean = new();
        await using WebSocketServer server = await Started.ServerAsync(server => server.ClientDisconnected += (_, e) => clean.SetResult(e.WasClean));
        await using TestClient client = await server.ConnectAsync();
        await client.ServerSide.CloseAsync(4001, "too many logins", cancellationToken: Ended);
        Assert.Equal((CloseCode)4001, await client.WaitForCloseAsync());
        Assert.Equal("too many logins", client.CloseReason);
        Assert.True(await clean.Task);
    }

    [Fact]
    public async Task A_client_that_drops_its_connection_is_1006_to_the_server_which_gets_what_was_sent_before()
    {
        List<string> events = [];
        await using WebSocketServer server = await Started.ServerAsync(server =>
        {
            server.MessageReceived += (_, e) => events.Add(e.Text);
            server.ClientDisconnected += (_, e) => events.Add($"{e.Cause} {e.CloseCode.Value} {e.WasClean}");
        });
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("last words");
        client.Drop();
        Assert.Equal(CloseCode.AbnormalClosure, await client.WaitForCloseAsync());
        Assert.Equal(["last words", "ConnectionLost 1006 False"], events, StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_the_server_cuts_is_1006_to_the_client_which_gets_what_was_sent_before()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.ServerSide.SendAsync("last words", cancellationToken: Ended);
        await server.WhenIdleAsync();
        client.ServerSide.Abort();
        Assert.Equal(CloseCode.AbnormalClosure, await client.WaitForCloseAsync());
        Assert.Equal("last words", await client.ReceiveTextAsync());
        ConnectionClosedException closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ReceiveAsync());
        Assert.Equal((CloseCode.AbnormalClosure, ""), (closed.CloseCode, closed.CloseReason));
    }

    [Fact]
    public async Task A_client_that_is_disposed_of_has_dropped_its_connection()
    {
        TaskCompletionSource<CloseCode> left = new();
        await using WebSocketServer server = await Started.ServerAsync(server => server.ClientDisconnected += (_, e) => left.SetResult(e.CloseCode));
        TestClient client = await server.ConnectAsync();
        client.Dispose();
        await client.DisposeAsync();
        Assert.Equal(CloseCode.AbnormalClosure, await left.Task);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.SendAsync("x"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.SendRawAsync(new byte[1]));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.ReceiveAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.WaitForCloseAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.ExpectClosedAsync(1000));
    }

    [Fact]
    public async Task Whoever_waits_for_a_message_of_a_client_that_is_disposed_of_is_told()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        TestClient client = await server.ConnectAsync();
        Task<ReceivedMessage> waiting = client.ReceiveAsync();
        client.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
    }

    [Fact]
    public async Task A_client_may_close_while_the_server_closes_and_after_it()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        Task closing = client.ServerSide.CloseAsync(4001, cancellationToken: Ended);
        await client.CloseAsync();
        await closing;
        await client.CloseAsync();
        await client.CloseAsync(CloseCode.GoingAway, "again");
        client.Drop();
        Assert.Equal(client.CloseCode, await client.WaitForCloseAsync());
    }

    [Fact]
    public async Task A_client_can_close_without_a_code_by_a_frame_of_the_tests_own()
    {
        TaskCompletionSource<CloseCode> left = new();
        await using WebSocketServer server = await Started.ServerAsync(server => server.ClientDisconnected += (_, e) => left.SetResult(e.CloseCode));
        await using TestClient client = await server.ConnectAsync();
        await client.SendRawAsync(new byte[] { 0x88, 0x80, 1, 2, 3, 4 });
        Assert.Equal(CloseCode.NormalClosure, await client.WaitForCloseAsync());
        Assert.Equal(CloseCode.NoStatusReceived, await left.Task);
    }

    [Fact]
    public async Task A_code_that_a_client_must_not_send_is_refused()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => client.CloseAsync(CloseCode.AbnormalClosure));
        await Assert.ThrowsAsync<ArgumentException>(() => client.CloseAsync(CloseCode.NoStatusReceived));
        await Assert.ThrowsAsync<ArgumentException>(() => client.CloseAsync(1000, new string('x', 124)));
        Assert.True(client.IsOpen);
    }

    [Fact]
    public async Task A_paused_client_gets_what_was_sent_meanwhile_when_it_reads_again()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        client.PauseReading();
        await client.SendAsync("1");
        await client.SendAsync("2");
        await client.ExpectNothingAsync();
        client.ResumeReading();
        await client.ExpectTextAsync("1");
        await client.ExpectTextAsync("2");
    }

    [Fact]
    public async Task A_paused_client_reads_again_when_it_closes()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        client.PauseReading();
        await client.ServerSide.SendAsync("x", cancellationToken: Ended);
        await client.CloseAsync();
        Assert.Equal(CloseCode.NormalClosure, client.CloseCode);
        await client.ExpectTextAsync("x");
    }

    [Fact]
    public async Task The_servers_writes_to_a_paused_client_wait_so_that_it_is_a_slow_one()
    {
        TaskCompletionSource<DisconnectCause> left = new();
        await using WebSocketServer server = await Started.ServerAsync(
            server => server.ClientDisconnected += (_, e) => left.SetResult(e.Cause),
            options =>
            {
                options.SendQueueLimit = 4096;
                options.SlowClients = SlowClientPolicy.Disconnect;
            });
        await using TestClient client = await server.ConnectAsync(configure: options => options.BufferSize = 1024);
        client.PauseReading();
        int sent = 0;
        while (client.ServerSide.TrySend(new byte[1000]).IsAccepted && sent < 100)
            sent++;
        Assert.InRange(sent, 1, 10);
        Assert.True(client.ServerSide.UnsentBytes > 0);
        client.ResumeReading();
        await client.WaitForCloseAsync();
        Assert.Equal(CloseCode.PolicyViolation, client.CloseCode);
        Assert.Equal(DisconnectCause.SlowClient, await left.Task);
    }

    [Fact]
    public async Task A_stand_alone_client_receives_what_is_sent_to_its_server_side()
    {
        await using TestClient client = await TestClient.StandAloneAsync("/room/7", options => options.Subprotocols.Add("v1"), new WebSocketServerOptions { Subprotocols = ["v1"] });
        Assert.Equal("v1", client.ServerSide.Subprotocol);
        await client.ServerSide.SendAsync("hello", cancellationToken: Ended);
        await client.ExpectTextAsync("hello");
        client.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.Server.StartAsync(cancellationToken: Ended));
    }

    [Fact]
    public async Task A_stand_alone_client_that_its_server_refuses_leaves_no_server_behind()
    {
        WebSocketServerOptions options = new() { AllowedHosts = ["app.example.com"] };
        HandshakeRefusedException refused = await Assert.ThrowsAsync<HandshakeRefusedException>(() => TestClient.StandAloneAsync(options: options));
        Assert.Equal(421, (int)refused.Status);
    }

    [Fact]
    public async Task A_token_ends_each_wait_of_a_client()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        using CancellationTokenSource over = new();
        await using TestClient client = await server.ConnectAsync(configure: options => options.CancellationToken = over.Token);
        Task[] waits = [client.ReceiveAsync(), client.WaitForCloseAsync(), client.ExpectClosedAsync(1000)];
        await over.CancelAsync();
        foreach (Task wait in waits)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.ReceiveAsync());
    }

    [Fact]
    public async Task A_wait_that_was_given_up_takes_no_message()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        client.Timeout = TimeSpan.FromMilliseconds(1);
        await Assert.ThrowsAsync<TimeoutException>(() => client.ReceiveAsync());
        client.Timeout = TimeSpan.FromSeconds(30);
        await client.ServerSide.SendAsync("x", cancellationToken: Ended);
        await server.WhenIdleAsync();
        await client.ExpectTextAsync("x");
    }

    [Fact]
    public async Task Each_wait_that_takes_too_long_says_what_was_awaited()
    {
        TaskCompletionSource gate = new();
        await using WebSocketServer server = await Started.ServerAsync(server => server.MessageReceived += async (_, e) =>
        {
            await e.Client.SendAsync("begun");
            await gate.Task;
        });
        await using TestClient client = await server.ConnectAsync("/chat", options => options.BufferSize = 64);
        await client.SendAsync("x");
        await client.ExpectTextAsync("begun");
        client.Timeout = TimeSpan.FromMilliseconds(20);
        TimeoutException receiving = await Assert.ThrowsAsync<TimeoutException>(() => client.ReceiveTextAsync());
        Assert.Equal(
            "Waited 0.02 s for a text message of the server. The last message that the client has received: text \"begun\". State: the connection is open; on the server, a handler of the client runs.",
            receiving.Message);
        TimeoutException sending = await Assert.ThrowsAsync<TimeoutException>(() => client.SendAsync(new byte[1000]));
        Assert.StartsWith("Waited 0.02 s for the server to take a message of 1000 bytes.", sending.Message, StringComparison.Ordinal);
        TimeoutException closing = await Assert.ThrowsAsync<TimeoutException>(() => client.WaitForCloseAsync());
        Assert.StartsWith("Waited 0.02 s for the end of the connection and of the handlers of ClientDisconnected.", closing.Message, StringComparison.Ordinal);
        TimeoutException idle = await Assert.ThrowsAsync<TimeoutException>(() => client.ExpectNothingAsync());
        Assert.Matches("^The server was not idle within 0.02 s: client 1 .* is not at rest: a handler of the client runs\\.$", idle.Message);
        await Assert.ThrowsAsync<TimeoutException>(() => client.ExpectClosedAsync(1000));
        gate.SetResult();
    }

    [Fact]
    public async Task An_infinite_timeout_waits_for_as_long_as_it_takes()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync(configure: options => options.Timeout = Timeout.InfiniteTimeSpan);
        Task<string> waiting = client.ReceiveTextAsync();
        await client.SendAsync("x");
        Assert.Equal("x", await waiting);
        await client.ExpectNothingAsync();
        await client.CloseAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    public void A_timeout_is_positive_or_infinite(double seconds) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new TestClientOptions { Timeout = TimeSpan.FromSeconds(seconds) });

    [Fact]
    public void A_buffer_has_at_least_one_byte() => Assert.Throws<ArgumentOutOfRangeException>(() => new TestClientOptions { BufferSize = 0 });

    [Fact]
    public async Task A_buffer_of_one_byte_carries_everything()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync(configure: options => options.BufferSize = 1);
        string text = new('é', 500);
        await client.SendAsync(text);
        await client.ExpectTextAsync(text);
        await client.CloseAsync();
    }

    [Fact]
    public async Task A_paused_client_that_is_waited_for_is_said_to_be_paused()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        client.PauseReading();
        Task closing = client.ServerSide.CloseAsync(cancellationToken: Ended);
        client.Timeout = TimeSpan.FromMilliseconds(1);
        Assert.Contains("It is paused, so it receives nothing.", (await Assert.ThrowsAsync<TimeoutException>(() => client.ExpectClosedAsync(1000))).Message, StringComparison.Ordinal);
        client.Timeout = TimeSpan.FromSeconds(30);
        client.ResumeReading();
        await client.ExpectClosedAsync(1000);
        await closing;
    }

    [Fact]
    public async Task Handlers_in_a_context_of_the_host_are_waited_for()
    {
        int handled = 0;
        await using WebSocketServer server = await Started.ServerAsync(
            server =>
            {
                server.MessageReceived += async (_, e) =>
                {
                    await Task.Yield();
                    handled++;
                };
                server.ClientDisconnected += (_, _) => handled += 100;
            },
            options => options.EventContext = new SynchronizationContext());
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("x");
        await client.SendAsync("y");
        await server.WhenIdleAsync();
        Assert.Equal(2, handled);
        await client.CloseAsync();
        Assert.Equal(102, handled);
    }

    [Fact]
    public async Task A_message_that_is_read_in_parts_is_waited_for()
    {
        int read = 0;
        await using WebSocketServer server = await Started.ServerAsync(
            server => server.OnMessageStream(async (_, message) =>
            {
                byte[] buffer = new byte[1000];
                for (int count = 1; count > 0; read += count)
                    count = await message.ReadAsync(buffer);
            }),
            options => options.StreamMessagesFrom = 0);
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync(new byte[300_000]);
        await server.WhenIdleAsync();
        Assert.Equal(300_000, read);
    }

    [Fact]
    public async Task A_request_of_the_server_is_answered_by_the_test()
    {
        await using WebSocketServer server = await Started.ServerAsync();
        await using TestClient client = await server.ConnectAsync();
        Task<string> reply = client.ServerSide.RequestAsync("2+2", message => message.Text is "4" ? message.Text : null, TimeSpan.FromSeconds(30), Ended);
        await client.ExpectTextAsync("2+2");
        await client.SendAsync("4");
        Assert.Equal("4", await reply);
    }

    [Fact]
    public async Task A_thousand_clients_are_connected_and_answered()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        TestClient[] clients = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => server.ConnectAsync()));
        Assert.Equal(1000, server.Clients.Count);
        await Task.WhenAll(clients.Select(client => client.SendAsync("x")));
        await Task.WhenAll(clients.Select(client => client.ExpectTextAsync("x")));
        server.Clients.Broadcast("to all");
        await server.WhenIdleAsync();
        await Task.WhenAll(clients.Select(client => client.ExpectTextAsync("to all")));
        foreach (TestClient client in clients)
            client.Dispose();
    }
}
