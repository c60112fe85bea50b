using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>The host's timeout for its stop is infinite here: a stop that waits for a request does not end.</summary>
public sealed class StopTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_that_stops_closes_its_clients_with_1001_and_does_not_wait_for_them(bool stopsServer)
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        if (stopsServer)
            host.Application.Lifetime.ApplicationStopping.Register(() => _ = host.Server.StopAsync());
        List<ClientWebSocket> clients = [];
        for (int i = 0; i < 20; i++)
            clients.Add(await host.ConnectAsync());
        Task stopping = host.Application.StopAsync(CancellationToken.None);
        foreach (ClientWebSocket client in clients)
            await client.AssertClosedAsync(1001, "server is stopping");
        await stopping.WaitAsync(MappedHost.Timely);
        Assert.Empty(host.Server.Clients);
        foreach (ClientWebSocket client in clients)
            client.Dispose();
    }

    [Fact]
    public async Task A_client_that_does_not_answer_is_cut_when_the_servers_time_for_closing_is_over()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync(new WebSocketServerOptions { CloseTimeout = TimeSpan.FromMilliseconds(100) });
        using RawClient client = await host.OpenRawAsync();
        await host.NextClientAsync();
        await host.Application.StopAsync(CancellationToken.None).WaitAsync(MappedHost.Timely);
        Assert.Equal(1001, (await client.ReadFrameAsync())!.CloseCode);
    }

    [Fact]
    public async Task A_server_that_is_being_stopped_closes_its_clients_in_its_own_way_although_the_host_stops()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using ClientWebSocket client = await host.ConnectAsync();
        await host.NextClientAsync();
        Task<StopResult> draining = null!;
        host.Application.Lifetime.ApplicationStopping.Register(() => draining = host.Server.StopAsync(
            new StopOptions { ReadinessDelay = TimeSpan.FromMilliseconds(50), Code = CloseCode.ServiceRestart, Reason = "update", RetryAfter = TimeSpan.FromSeconds(9) }, MappedHost.Timely));
        Task stopping = host.Application.StopAsync(CancellationToken.None);
        WebSocketReceiveResult close = await client.ReceiveAsync(new byte[100], MappedHost.Timely);
        Assert.Equal((WebSocketMessageType.Close, 1012), (close.MessageType, (int?)close.CloseStatus));
        Assert.Matches("^update; retry after [0-9]+ s$", close.CloseStatusDescription);
        await client.CloseOutputAsync(close.CloseStatus!.Value, null, MappedHost.Timely);
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await draining.WaitAsync(MappedHost.Timely));
        await stopping.WaitAsync(MappedHost.Timely);
    }

    [Fact]
    public async Task A_server_that_stops_over_a_time_answers_late_handshakes_itself_and_plain_requests_too()
    {
        await using MappedHost host = await MappedHost.StartAsync(server => server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, "plain"));
        using ClientWebSocket client = await host.ConnectAsync();
        await host.NextClientAsync();
        using var cut = new CancellationTokenSource();
        Task<StopResult> stopping = host.Server.StopAsync(new StopOptions { Spread = TimeSpan.FromHours(1), RetryAfter = TimeSpan.FromSeconds(4000) }, cut.Token);
        HttpAnswer answer;
        do
            answer = await host.AskToConnectAsync();
        while (answer.StatusLine.Contains(" 101 ", StringComparison.Ordinal)); // the stop has not got that far yet
        Assert.Contains(" 503 ", answer.StatusLine, StringComparison.Ordinal);
        Assert.InRange(int.Parse(answer["Retry-After"].Single(), System.Globalization.CultureInfo.InvariantCulture), 4000, 8000);
        Assert.Equal("plain", (await host.AskAsync("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")).Body);
        await cut.CancelAsync();
        Assert.NotEmpty((await stopping.WaitAsync(MappedHost.Timely)).Cut);
    }

    [Fact]
    public async Task A_client_that_leaves_while_the_clients_are_closed_keeps_none_of_them_open()
    {
        var slow = new SlowEndpoint();
        await using MappedHost host = await MappedHost.StartAsync(MappedHost.Echo, use: application => application.Use((context, next) =>
        {
            if (context.Request.QueryString.Value == "?slow")
            {
                slow.Endpoint = context.GetEndpoint();
                context.Features.Set<IEndpointFeature>(slow);
            }

            return next(context);
        }));
        using ClientWebSocket first = await host.ConnectAsync("/ws?slow");
        await host.NextClientAsync();
        using ClientWebSocket leaves = await host.ConnectAsync();
        HttpContext request = (await host.NextClientAsync()).GetHttpContext()!;
        using ClientWebSocket last = await host.ConnectAsync();
        await host.NextClientAsync();

        slow.IsBlocking = true;
        Task stopping = Task.Run(() => host.Application.StopAsync(CancellationToken.None), TestContext.Current.CancellationToken);
        await slow.Asked.Task.WaitAsync(MappedHost.Timely);
        await leaves.LeaveAsync();
        CancellationToken timely = MappedHost.Timely;
        while (Record.Exception(() => request.Features) is null) // until the host has taken its request back
        {
            timely.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        slow.GoOn.Set();
        await first.AssertClosedAsync(1001, "server is stopping");
        await last.AssertClosedAsync(1001, "server is stopping");
        await stopping.WaitAsync(MappedHost.Timely);
    }

    [Fact]
    public async Task A_client_whose_handshake_was_under_way_is_closed_too()
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MappedHost host = await MappedHost.StartAsync(server => server.Handshaking += async (_, _) =>
        {
            asked.SetResult();
            await goOn.Task;
        });
        Task<ClientWebSocket> connecting = host.ConnectAsync();
        await asked.Task.WaitAsync(MappedHost.Timely);
        Task stopping = host.Application.StopAsync(CancellationToken.None);
        goOn.SetResult();
        using ClientWebSocket client = await connecting;
        await client.AssertClosedAsync(1001, "server is stopping");
        await stopping.WaitAsync(MappedHost.Timely);
    }

    [Fact]
    public async Task Clients_on_the_servers_own_port_and_of_another_host_stay()
    {
        await using MappedHost host = await MappedHost.StartAsync(MappedHost.Echo, new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0)));
        await using MappedHost other = await MappedHost.StartAsync(map: (application, _) => application.MapWebSocketServer("/ws", host.Server));
        using RawClient own = await RawClient.OpenAsync((IPEndPoint)host.Server.EndPoints[0]);
        using RawClient others = await other.OpenRawAsync();
        using ClientWebSocket client = await host.ConnectAsync();
        Task stopping = host.Application.StopAsync(CancellationToken.None);
        await client.AssertClosedAsync(1001, "server is stopping");
        await stopping.WaitAsync(MappedHost.Timely);
        foreach (RawClient still in new[] { own, others })
        {
            await still.SendAsync(ClientFrame.Text("still here"));
            Assert.Equal("still here", (await still.ReadFrameAsync())!.Text);
        }
    }

    /// <summary>The endpoint of a request, which the host's stop has to wait for.</summary>
    private sealed class SlowEndpoint : IEndpointFeature
    {
        private Endpoint? _endpoint;

        public bool IsBlocking { get; set; }

        public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ManualResetEventSlim GoOn { get; } = new();

        public Endpoint? Endpoint
        {
            get
            {
                if (IsBlocking)
                {
                    Asked.TrySetResult();
                    GoOn.Wait(MappedHost.Timely);
                }

                return _endpoint;
            }
            set => _endpoint = value;
        }
    }
}
