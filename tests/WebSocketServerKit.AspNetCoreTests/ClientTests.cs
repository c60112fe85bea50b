using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public sealed class ClientTests
{
    [Fact]
    public async Task Events_come_in_their_order()
    {
        List<string> events = [];
        await using MappedHost host = await MappedHost.StartAsync(server =>
        {
            server.Handshaking += (_, e) => events.Add($"Handshaking {e.Request.Path}");
            server.ClientConnected += (_, e) => events.Add($"ClientConnected {server.Clients.Count}");
            server.MessageReceived += (_, e) => events.Add($"MessageReceived {e.Text}");
            server.ClientDisconnected += (_, e) => events.Add($"ClientDisconnected {(int)e.CloseCode} {e.CloseReason} {e.WasClean} {server.Clients.Count}");
        });
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("one");
        await client.SendAsync("two");
        await client.LeaveAsync();
        await host.NextEndAsync();
        Assert.Equal(
            ["Handshaking /ws", "ClientConnected 1", "MessageReceived one", "MessageReceived two", "ClientDisconnected 1000 bye True 0"],
            events, StringComparer.Ordinal);
    }

    [Fact]
    public async Task The_server_closes_with_a_code_and_a_reason()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using ClientWebSocket client = await host.ConnectAsync();
        WebSocketClient connected = await host.NextClientAsync();
        Task closing = connected.CloseAsync((CloseCode)4001, "enough", MappedHost.Timely);
        await client.AssertClosedAsync(4001, "enough");
        await closing;
        ClientDisconnectedEventArgs end = await host.NextEndAsync();
        Assert.Equal((DisconnectCause.Closed, ConnectionSide.Server, true), (end.Cause, end.ClosedBy, end.WasClean));
    }

    [Fact]
    public async Task A_broken_rule_is_told_by_a_Close_frame()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using RawClient client = await host.OpenRawAsync();
        await client.SendAsync(ClientFrame.Text("not masked") with { Masked = false });
        ServerFrame close = (await client.ReadFrameAsync())!;
        Assert.Equal(1002, close.CloseCode);
        Assert.Equal(DisconnectCause.ProtocolViolation, (await host.NextEndAsync()).Cause);
    }

    [Fact]
    public async Task An_abort_cuts_the_connection_without_a_Close_frame()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using RawClient client = await host.OpenRawAsync();
        (await host.NextClientAsync()).Abort();
        Assert.Null(await client.ReadFrameAsync());
        Assert.Equal(ConnectionEnd.Reset, client.End);
        Assert.Equal(DisconnectCause.Aborted, (await host.NextEndAsync()).Cause);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_is_lost_has_left(bool byReset)
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        RawClient client = await host.OpenRawAsync();
        await host.NextClientAsync();
        if (byReset)
            client.Reset();
        else
            client.Dispose();
        ClientDisconnectedEventArgs end = await host.NextEndAsync();
        Assert.Equal((DisconnectCause.ConnectionLost, 1006), (end.Cause, (int)end.CloseCode));
    }

    [Fact]
    public async Task What_a_client_has_sent_before_its_end_is_raised_before_it()
    {
        List<string> received = [];
        await using MappedHost host = await MappedHost.StartAsync(server => server.MessageReceived += (_, e) => received.Add(e.Text));
        for (int i = 0; i < 20; i++)
        {
            received.Clear();
            using (RawClient client = await host.OpenRawAsync())
            {
                await client.SendAsync([.. Enumerable.Range(0, 100).Select(n => ClientFrame.Text($"{n}")), ClientFrame.Close(1000, "done")]);
                client.HalfClose();
                ClientDisconnectedEventArgs end = await host.NextEndAsync();
                Assert.Equal((DisconnectCause.Closed, ConnectionSide.Client, "done"), (end.Cause, end.ClosedBy, end.CloseReason));
            }

            Assert.Equal(Enumerable.Range(0, 100).Select(n => $"{n}"), received, StringComparer.Ordinal);
        }
    }

    [Fact]
    public async Task The_host_cuts_a_client_by_its_request()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using RawClient client = await host.OpenRawAsync();
        (await host.NextClientAsync()).GetHttpContext()!.Abort();
        Assert.Equal(DisconnectCause.ConnectionLost, (await host.NextEndAsync()).Cause);
        Assert.Null(await client.ReadFrameAsync());
    }

    [Fact]
    public async Task A_client_has_its_request_with_services_and_items_until_it_has_left()
    {
        object? atTheEnd = null;
        object?[] seen = [];
        await using MappedHost host = await MappedHost.StartAsync(
            server =>
            {
                server.Handshaking += (_, e) => seen = [e.GetHttpContext()!.Items["tenant"], e.GetHttpContext()!.RequestServices.GetRequiredService<Scoped>()];
                server.ClientDisconnected += (_, e) => atTheEnd = e.Client.GetHttpContext()!.RequestServices.GetRequiredService<Scoped>();
            },
            build: builder => builder.Services.AddScoped<Scoped>(),
            use: application => application.Use((context, next) =>
            {
                context.Items["tenant"] = "blue";
                return next(context);
            }));
        using ClientWebSocket client = await host.ConnectAsync("/ws?room=5");
        WebSocketClient connected = await host.NextClientAsync();
        HttpContext context = connected.GetHttpContext()!;
        Assert.Same(connected.Source, context);
        Assert.Equal("blue", seen[0]);
        Scoped scoped = context.RequestServices.GetRequiredService<Scoped>();
        Assert.Same(seen[1], scoped);
        Assert.Equal("5", context.Request.Query["room"]);
        Assert.Equal("room=5", connected.QueryString);
        Assert.False(scoped.IsDisposed);
        await client.LeaveAsync();
        await host.NextEndAsync();
        Assert.Same(scoped, atTheEnd);
        await scoped.WhenDisposed.WaitAsync(MappedHost.Timely);
    }

    [Fact]
    public async Task Addresses_are_those_of_the_connection()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using RawClient client = await host.OpenRawAsync();
        WebSocketClient connected = await host.NextClientAsync();
        Assert.Equal(client.LocalEndPoint, connected.RemoteEndPoint);
        Assert.Equal(host.EndPoint, connected.LocalEndPoint);
    }

    [Fact]
    public async Task Addresses_are_those_that_a_proxy_forwards_if_the_host_trusts_it()
    {
        await using MappedHost host = await MappedHost.StartAsync(use: application => application.UseForwardedHeaders(new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor }));
        using RawClient client = await host.OpenRawAsync("/ws", "X-Forwarded-For: 192.0.2.7");
        Assert.Equal("192.0.2.7", Assert.IsType<IPEndPoint>((await host.NextClientAsync()).RemoteEndPoint).Address.ToString());
    }

    [Fact]
    public async Task Several_endpoints_may_lead_to_one_server_which_may_listen_on_ports_of_its_own()
    {
        await using MappedHost host = await MappedHost.StartAsync(
            MappedHost.Echo,
            new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0)),
            map: (application, server) =>
            {
                application.MapWebSocketServer("/one", server);
                application.MapGroup("/api").MapWebSocketServer("/rooms/{room}", server);
            });
        using ClientWebSocket one = await host.ConnectAsync("/one");
        Assert.Equal("/one", (await host.NextClientAsync()).Path);
        using ClientWebSocket two = await host.ConnectAsync("/api/rooms/r%C3%B6d");
        WebSocketClient room = await host.NextClientAsync();
        Assert.Equal("/api/rooms/röd", room.Path);
        Assert.Equal("röd", room.GetHttpContext()!.GetRouteValue("room"));
        using RawClient own = await RawClient.OpenAsync((IPEndPoint)host.Server.EndPoints[0]);
        Assert.Null((await host.NextClientAsync()).GetHttpContext());
        Assert.Equal(3, host.Server.Clients.Count);
        host.Server.Clients.Broadcast("all");
        Assert.Equal("all", await one.ReceiveTextAsync());
        Assert.Equal("all", await two.ReceiveTextAsync());
        Assert.Equal("all", (await own.ReadFrameAsync())!.Text);
    }

    [Fact]
    public async Task The_path_of_a_client_is_the_whole_one_also_behind_a_path_base()
    {
        await using MappedHost host = await MappedHost.StartAsync(use: application =>
        {
            application.UsePathBase("/base");
            application.UseRouting();
        });
        using RawClient client = await host.OpenRawAsync("/base/ws");
        Assert.Equal("/base/ws", (await host.NextClientAsync()).Path);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Limits_of_the_hosts_requests_end_when_the_WebSocket_is_open_and_not_before(bool isAccepted)
    {
        var limits = new RequestLimits();
        bool? wasDisabled = null;
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Handshaking += (_, e) =>
            {
                wasDisabled = limits.IsDisabled || limits.MinDataRate is null;
                if (!isAccepted)
                    e.Refuse(HttpStatusCode.Forbidden);
            },
            use: application => application.Use((context, next) =>
            {
                context.Features.Set<IHttpRequestTimeoutFeature>(limits);
                context.Features.Set<IHttpMinResponseDataRateFeature>(limits);
                return next(context);
            }));
        HttpAnswer answer = await host.AskToConnectAsync();
        Assert.Equal(isAccepted, answer.StatusLine.Contains("101", StringComparison.Ordinal));
        Assert.False(wasDisabled);
        Assert.Equal((isAccepted, isAccepted), (limits.IsDisabled, limits.MinDataRate is null));
    }

    [Fact]
    public async Task Over_a_Unix_domain_socket_the_address_is_that_of_the_socket()
    {
        string path = Path.Combine(Path.GetTempPath(), $"wsk-{Guid.NewGuid():N}");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(path));
        await using WebApplication application = builder.Build();
        await using WebSocketServer server = new(new WebSocketServerOptions());
        TaskCompletionSource<EndPoint> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        server.ClientConnected += (_, e) => seen.SetResult(e.Client.LocalEndPoint);
        application.MapWebSocketServer("/ws", server);
        await server.StartAsync(MappedHost.Timely);
        await application.StartAsync(MappedHost.Timely);
        using SocketsHttpHandler handler = new()
        {
            ConnectCallback = async (_, token) =>
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), token);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using HttpMessageInvoker invoker = new(handler);
        using ClientWebSocket client = new();
        await client.ConnectAsync(new Uri("ws://localhost/ws"), invoker, MappedHost.Timely);
        Assert.Equal(path, Assert.IsType<UnixDomainSocketEndPoint>(await seen.Task.WaitAsync(MappedHost.Timely)).ToString());
        await client.LeaveAsync();
        await application.StopAsync(MappedHost.Timely);
    }

    private sealed class RequestLimits : IHttpRequestTimeoutFeature, IHttpMinResponseDataRateFeature
    {
        public MinDataRate? MinDataRate { get; set; } = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));

        public bool IsDisabled { get; private set; }

        public CancellationToken RequestTimeoutToken => default;

        public void DisableTimeout() => IsDisabled = true;
    }

    private sealed class Scoped : IDisposable
    {
        private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsDisposed => _disposed.Task.IsCompleted;

        public Task WhenDisposed => _disposed.Task;

        public void Dispose() => _disposed.TrySetResult();
    }
}
