using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public class WebSocketServerTests
{
    [Fact]
    public async Task Five_lines_make_an_echo_server_for_any_client()
    {
        await using var server = new WebSocketServer(new IPEndPoint(IPAddress.Loopback, 0));
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Text);
        await server.StartAsync(TestContext.Current.CancellationToken);
        using var client = new ClientWebSocket();
        await client.ConnectAsync(new Uri($"ws://{server.EndPoints[0]}/"), TestServer.Timely);

        await client.SendAsync("grüße"u8.ToArray(), WebSocketMessageType.Text, true, TestServer.Timely);
        byte[] buffer = new byte[64];
        WebSocketReceiveResult result = await client.ReceiveAsync(buffer, TestServer.Timely);

        Assert.Equal("grüße"u8, buffer.AsSpan(0, result.Count));
        Assert.Equal(WebSocketMessageType.Text, result.MessageType);
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "", TestServer.Timely);
        Assert.Equal(WebSocketState.Closed, client.State);
    }

    [Fact]
    public async Task Listens_between_start_and_stop_and_tells_where()
    {
        await using var server = new WebSocketServer(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.False(server.IsListening);
        Assert.Empty(server.EndPoints);

        await server.StartAsync(TestContext.Current.CancellationToken);
        Assert.True(server.IsListening);
        IPEndPoint endPoint = (IPEndPoint)Assert.Single(server.EndPoints);
        Assert.NotEqual(0, endPoint.Port);

        await server.StopAsync(TestServer.Timely);
        Assert.False(server.IsListening);
        Assert.Empty(server.EndPoints);
        using var late = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => late.ConnectAsync(endPoint, TestServer.Timely).AsTask());
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    [Fact]
    public async Task Starts_again_on_the_same_port_with_ids_that_go_on()
    {
        var options = new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using var server = new WebSocketServer(options);
        long lastId = 0;
        server.ClientConnected += (_, e) =>
        {
            Assert.True(e.Client.Id > lastId);
            lastId = e.Client.Id;
            e.Client.TrySend("welcome");
        };

        for (int round = 0; round < 3; round++)
        {
            await server.StartAsync(TestContext.Current.CancellationToken);
            options.Places.Clear();
            options.Listen(server.EndPoints[0]);
            using TestClient client = await TestClient.OpenAsync((IPEndPoint)server.EndPoints[0]);
            Assert.Equal("welcome", await client.ReadTextAsync());
            Task<StopResult> stop = server.StopAsync(TestServer.Timely);
            Assert.Equal(1001, (await client.ReadFrameAsync()).CloseCode);
            await client.SendCloseAsync(1001);
            client.Dispose();
            Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
        }
    }

    [Fact]
    public async Task Options_count_from_the_next_start()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        server.Options.MaxMessageSize = 3;
        using (TestClient client = await server.OpenAsync())
        {
            await client.SendAsync("long enough");
            Assert.Equal("long enough", await client.ReadTextAsync());
            await client.LeaveAsync();
        }

        await server.Server.StopAsync(TestServer.Timely);
        await server.Server.StartAsync(TestContext.Current.CancellationToken);
        using TestClient limited = await server.OpenAsync();
        await limited.SendAsync("long enough");
        await limited.AssertClosedAsync(1009);
    }

    [Fact]
    public async Task Listens_on_several_end_points_at_once_in_their_order()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.Listen(new IPEndPoint(IPAddress.Loopback, 0));
            if (Socket.OSSupportsIPv6)
                options.Listen(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            options.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        });

        Assert.Equal(server.Options.Places.Select(place => ((IPEndPoint)place.Address!.EndPoint).Address), server.Server.EndPoints.Cast<IPEndPoint>().Select(endPoint => endPoint.Address));
        foreach (IPEndPoint endPoint in server.Server.EndPoints)
        {
            using TestClient client = await TestClient.OpenAsync(endPoint);
            Assert.Equal(endPoint, (await server.NextClientAsync()).LocalEndPoint);
            await client.SendAsync("x");
            Assert.Equal("x", await client.ReadTextAsync());
        }
    }

    [Fact]
    public async Task IPv6Any_takes_clients_of_both_families_and_shows_each_as_what_it_is()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen(new IPEndPoint(IPAddress.IPv6Any, 0)));

        foreach (IPAddress address in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
        {
            using TestClient raw = await TestClient.OpenAsync(new IPEndPoint(address, server.EndPoint.Port));
            WebSocketClient client = await server.NextClientAsync();
            Assert.Equal(new IPEndPoint(address, raw.LocalEndPoint.Port), client.RemoteEndPoint);
            Assert.Equal([client], server.Clients.WithRemoteAddress(address));
            if (address.AddressFamily == AddressFamily.InterNetwork)
                Assert.Equal([client], server.Clients.WithRemoteAddress(address.MapToIPv6()));
        }
    }

    [Fact]
    public async Task A_taken_port_fails_with_a_way_out_leaves_nothing_listening_and_start_can_be_tried_again()
    {
        using var taker = new TcpListener(IPAddress.Loopback, 0);
        taker.Start();
        var taken = (IPEndPoint)taker.LocalEndpoint;
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var first = (IPEndPoint)free.LocalEndpoint;
        free.Stop();
        await using var server = new WebSocketServer(new WebSocketServerOptions().Listen(first).Listen(taken));

        IOException failure = await Assert.ThrowsAsync<IOException>(() => server.StartAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith($"Cannot listen on {taken}: the address is already in use. Stop the program that uses it", failure.Message, StringComparison.Ordinal);
        Assert.IsType<SocketException>(failure.InnerException);
        Assert.False(server.IsListening);
        using (var probe = new TcpListener(first))
            probe.Start(); // the first end point is free again

        taker.Stop();
        await server.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal([first, taken], server.EndPoints);
    }

    [Fact]
    public async Task Refuses_to_start_twice()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        InvalidOperationException failure = await Assert.ThrowsAsync<InvalidOperationException>(() => server.Server.StartAsync(TestContext.Current.CancellationToken));
        Assert.Equal("The server is started already. Stop it first.", failure.Message);
        using TestClient client = await server.OpenAsync();
    }

    [Fact]
    public async Task Refuses_to_start_while_it_stops()
    {
        TaskCompletionSource gate = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.ClientConnected += async (_, _) => await gate.Task);
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();

        Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
        InvalidOperationException failure = await Assert.ThrowsAsync<InvalidOperationException>(() => server.Server.StartAsync(TestContext.Current.CancellationToken));
        Assert.Equal("The server is still stopping. Await StopAsync first.", failure.Message);

        gate.SetResult();
        client.Dispose();
        await stop.Timely();
        await server.Server.StartAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Stop_and_dispose_do_nothing_on_a_server_that_is_not_started()
    {
        var server = new WebSocketServer(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.Equal(new StopResult(), await server.StopAsync(TestServer.Timely));
        await server.DisposeAsync();
        await server.DisposeAsync();
        Assert.Equal(new StopResult(), await server.StopAsync(TestServer.Timely));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.StartAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Dispose_stops_and_may_be_called_again_even_while_the_first_call_is_at_it()
    {
        TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await server.OpenAsync();

        Task first = server.Server.DisposeAsync().AsTask();
        Task second = server.Server.DisposeAsync().AsTask();
        await client.ReadFrameAsync();
        Assert.False(second.IsCompleted);
        await client.SendCloseAsync(1001);
        client.Dispose();
        await Task.WhenAll(first, second).Timely();
        await server.Server.DisposeAsync();

        Assert.Equal(DisconnectCause.ServerStopping, (await server.NextEndAsync()).Cause);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.Server.StartAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_second_stop_waits_for_the_first_and_tells_the_same()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient client, _) = await server.ConnectAsync();

        Task<StopResult> first = server.Server.StopAsync(TestServer.Timely);
        Task<StopResult> second = server.Server.StopAsync(TestServer.Timely);
        Assert.Equal(Opcode.Close, (await client.ReadFrameAsync()).Opcode);
        Assert.False(second.IsCompleted);
        await client.SendCloseAsync(1001);
        client.Dispose();

        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await first.Timely());
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await second.Timely());
        Assert.Equal(new StopResult(), await server.Server.StopAsync(TestServer.Timely));
    }

    [Fact]
    public async Task The_server_carries_nothing_of_the_context_in_which_it_was_started()
    {
        var ambient = new AsyncLocal<string?> { Value = "the starter's" };
        string? seen = "nothing";
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) =>
        {
            seen = ambient.Value;
            ambient.Value = "a handler's";
            e.Client.TrySend("done");
        });
        using TestClient client = await server.OpenAsync();

        await client.SendAsync("1");
        await client.ReadTextAsync();
        Assert.Null(seen);
        Assert.Equal("the starter's", ambient.Value);
    }

    [Fact]
    public async Task A_second_StopAsync_can_still_say_that_it_has_waited_for_long_enough()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.CloseTimeout = TimeSpan.FromMinutes(10);
            options.StopTimeout = TimeSpan.FromMinutes(10);
        });
        using TestClient deaf = await server.OpenAsync();
        Task<StopResult> first = server.Server.StopAsync(CancellationToken.None);
        Assert.Equal(1001, (await deaf.ReadFrameAsync()).CloseCode);
        using var enough = new CancellationTokenSource();
        Task<StopResult> second = server.Server.StopAsync(enough.Token);
        Assert.False(first.IsCompleted);
        await enough.CancelAsync();
        Assert.Equal(new StopResult { Aborted = 1 }, await second.Timely());
        Assert.Equal(new StopResult { Aborted = 1 }, await first.Timely());
        await deaf.AssertResetAsync();
    }

    [Fact]
    public async Task A_text_says_where_to_listen()
    {
        await using var server = new WebSocketServer("http://localhost:0");
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await server.StartAsync(TestServer.Timely);
        foreach (IPEndPoint endPoint in server.EndPoints.Cast<IPEndPoint>())
        {
            using TestClient client = await TestClient.OpenAsync(endPoint);
            await client.SendAsync("x");
            Assert.Equal("x", await client.ReadTextAsync());
        }
    }

    [Fact]
    public async Task Clients_of_a_Unix_domain_socket_are_served_and_its_file_goes_with_the_stop()
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.sock");
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen($"unix:{path}"));
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var invoker = new HttpMessageInvoker(handler);
        using var client = new ClientWebSocket();
        await client.ConnectAsync(new Uri("ws://localhost/"), invoker, TestServer.Timely);

        WebSocketClient connected = await server.NextClientAsync();
        Assert.Equal((path, path), (connected.RemoteEndPoint.ToString(), connected.LocalEndPoint.ToString()));
        await client.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, TestServer.Timely);
        byte[] buffer = new byte[8];
        Assert.Equal(1, (await client.ReceiveAsync(buffer, TestServer.Timely)).Count);
        client.Abort();
        await server.NextEndAsync();

        await server.Server.StopAsync(TestServer.Timely);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task Dispose_cuts_at_once_frees_the_port_and_may_be_called_again_and_beside_DisposeAsync()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        IPEndPoint endPoint = server.EndPoint;
        (TestClient client, _) = await server.ConnectAsync();
        using (client)
        {
            server.Server.Dispose();
            Assert.Empty(server.Server.EndPoints);
            using (var next = new WebSocketServer(endPoint))
                await next.StartAsync(TestServer.Timely);
            server.Server.Dispose();
            await server.Server.DisposeAsync().AsTask().Timely();
        }

        Assert.Equal(DisconnectCause.ServerStopping, (await server.NextEndAsync()).Cause);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.Server.StartAsync(TestServer.Timely));
        server.Server.Dispose();
    }

    [Fact]
    public async Task A_stop_may_have_a_code_and_a_reason_of_the_hosts_own()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await server.OpenAsync();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => server.Server.StopAsync(1006, "", TestServer.Timely));
        Assert.True(server.Server.IsListening);

        Task<StopResult> stop = server.Server.StopAsync(1012, "restarting", TestServer.Timely);
        Assert.Equal(1012, (await client.ReadFrameAsync()).CloseCode);
        await client.SendCloseAsync(1012);
        client.Dispose();
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stop.Timely());
    }

    [Fact]
    public async Task A_cancelled_start_starts_nothing()
    {
        await using var server = new WebSocketServer("http://127.0.0.1:0");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server.StartAsync(new CancellationToken(canceled: true)));
        Assert.False(server.IsListening);
    }
}
