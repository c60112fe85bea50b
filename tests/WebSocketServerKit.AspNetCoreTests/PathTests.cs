using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Which paths of a mapped server the requests of the host match.</summary>
public sealed class PathTests
{
    [Fact]
    public async Task A_path_of_the_server_is_the_path_of_the_route()
    {
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Path("/ws/{room}").MessageReceived += async (_, e) => await e.Client.SendAsync(e.Client.PathValues["room"]),
            map: (application, server) => application.MapWebSocketServer("/ws/{room}", server));
        using ClientWebSocket client = await host.ConnectAsync("/ws/caf%C3%A9");
        WebSocketClient connected = await host.NextClientAsync();
        Assert.Equal(("/ws/{room}", "café", "/ws/café"), (connected.MatchedPath?.Template, connected.PathValues["room"], connected.Path));
    }

    [Fact]
    public async Task What_the_route_takes_and_no_path_matches_gets_404()
    {
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Path("/ws/a"), map: (application, server) => application.MapWebSocketServer("/ws/{**rest}", server));
        Assert.Equal("HTTP/1.1 404 Not Found", (await host.AskToConnectAsync("/ws/b")).StatusLine);
        using ClientWebSocket client = await host.ConnectAsync("/ws/a");
        Assert.Equal("/ws/a", (await host.NextClientAsync()).MatchedPath?.Template);
    }

    [Theory]
    [InlineData("/app/ws")]
    [InlineData("/app/ws/")]
    [InlineData("/ws")]
    public async Task The_path_base_of_the_host_does_not_count(string target)
    {
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Path("/ws"),
            use: application =>
            {
                application.UsePathBase("/app");
                application.UseRouting();
            });
        using ClientWebSocket client = await host.ConnectAsync(target);
        WebSocketClient connected = await host.NextClientAsync();
        Assert.Equal(("/ws", target), (connected.MatchedPath?.Template, connected.Path));
    }

    [Fact]
    public async Task A_path_of_a_group_of_routes_has_the_prefix_of_the_group()
    {
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Path("/api/ws"), map: (application, server) => application.MapGroup("/api").MapWebSocketServer("/ws", server));
        using ClientWebSocket client = await host.ConnectAsync("/api/ws");
        Assert.Equal("/api/ws", (await host.NextClientAsync()).MatchedPath?.Template);
    }
}
