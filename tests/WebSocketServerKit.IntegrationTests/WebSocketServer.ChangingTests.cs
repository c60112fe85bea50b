using System.Net.WebSockets;
using System.Reflection;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Options that change while the server runs.</summary>
public sealed class WebSocketServerChangingTests
{
    private static async Task<int> StatusFromAsync(TestServer server, string origin, string target = "/")
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request(target, $"Origin: {origin}"));
        return (await client.ReadAnswerAsync()).Status;
    }

    [Fact]
    public async Task Who_may_connect_changes_for_all_that_come_and_for_paths_without_a_list_of_their_own()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.Path("/");
            server.Path("/own", new PathOptions { AllowedOrigins = ["https://own.example"] });
        });
        Assert.Equal((403, 101), (await StatusFromAsync(server, "https://new.example"), await StatusFromAsync(server, "https://own.example", "/own")));
        server.Server.Change(new WebSocketServerOptions { AllowedOrigins = ["https://new.example"], Subprotocols = ["v2"] });
        Assert.Equal((101, 101), (await StatusFromAsync(server, "https://new.example"), await StatusFromAsync(server, "https://own.example", "/own")));
        Assert.Equal(403, await StatusFromAsync(server, "https://new.example", "/own"));
        using ClientWebSocket client = await server.ConnectWebSocketAsync("/", options => options.AddSubProtocol("v2"));
        Assert.Equal("v2", client.SubProtocol);
        server.Server.Change(new WebSocketServerOptions());
        Assert.Equal(403, await StatusFromAsync(server, "https://new.example"));
    }

    [Fact]
    public async Task Limits_change_for_clients_that_come_and_stay_for_those_that_are_there()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient before = await server.OpenAsync();
        await before.SendAsync("1");
        Assert.Equal("1", await before.ReadTextAsync());
        server.Server.Change(new WebSocketServerOptions { MaxMessageSize = 5 });
        using TestClient after = await server.OpenAsync();
        await after.SendAsync("123456");
        await after.AssertClosedAsync(1009);
        await before.SendAsync("123456");
        Assert.Equal("123456", await before.ReadTextAsync());
    }

    [Fact]
    public async Task Invalid_options_change_nothing_and_a_server_that_does_not_run_cannot_be_changed()
    {
        await using WebSocketServer server = new("http://127.0.0.1:0");
        Assert.Throws<InvalidOperationException>(() => server.Change(new WebSocketServerOptions()));
        await server.StartAsync(TestServer.Timely);
        Assert.Contains("MaxMessageSize is 0", Assert.Throws<ArgumentException>(() => server.Change(new WebSocketServerOptions { MaxMessageSize = 0 })).Message, StringComparison.Ordinal);
        await server.StopAsync(TestServer.Timely);
        Assert.Throws<InvalidOperationException>(() => server.Change(new WebSocketServerOptions()));
        await server.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => server.Change(new WebSocketServerOptions()));
    }

    [Fact]
    public void The_options_that_can_change_are_options()
    {
        Assert.All(WebSocketServer.ChangeableOptions, name => Assert.NotNull(typeof(WebSocketServerOptions).GetProperty(name, BindingFlags.Public | BindingFlags.Instance)));
    }
}
