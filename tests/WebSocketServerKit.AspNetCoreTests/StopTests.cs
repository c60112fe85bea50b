using System.Net;
using System.Net.WebSockets;
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
}
