using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using WebSocketServerKit;
using WebSocketServerKit.Testing;

namespace WebSocketService._1.Tests;

public sealed class ChatTests : IAsyncLifetime
{
    private readonly IHost _host;
    private readonly WebSocketServer _server;

    public ChatTests()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration["WebSocketServers:chat:MaxMessageSize"] = "4096"; // no Urls: it listens nowhere, the clients are in memory
        builder.Services.AddChat(builder.Configuration.GetSection("WebSocketServers:chat"));
        _host = builder.Build();
        _server = _host.Services.GetRequiredService<WebSocketServer>();
    }

    public async ValueTask InitializeAsync() => await _host.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    [Fact]
    public async Task What_a_client_sends_reaches_all()
    {
        await using TestClient ann = await _server.ConnectAsync("/");
        await ann.ExpectTextAsync("Welcome, visitor 1.");
        await using TestClient bob = await _server.ConnectAsync("/");
        await bob.ExpectTextAsync("Welcome, visitor 2.");

        await ann.SendAsync("hello");
        await ann.ExpectTextAsync("hello");
        await bob.ExpectTextAsync("hello");
    }
}
