using System.Net;

namespace WebSocketServerKit;

/// <summary>What needs no socket; the rest is tested over loopback.</summary>
public sealed class WebSocketServerTests
{
    [Fact]
    public void An_impossible_option_is_refused_when_the_server_is_made()
    {
        var options = new WebSocketServerOptions { MaxMessageSize = 0 }.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.Contains("MaxMessageSize", Assert.Throws<ArgumentException>(() => new WebSocketServer(options)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => new WebSocketServer((WebSocketServerOptions)null!));
    }

    [Fact]
    public async Task An_option_that_became_impossible_is_refused_at_the_start()
    {
        var options = new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using var server = new WebSocketServer(options);
        options.ListenDefaults.Backlog = 0;
        Assert.Contains("Backlog", (await Assert.ThrowsAsync<ArgumentException>(() => server.StartAsync(TestContext.Current.CancellationToken))).Message, StringComparison.Ordinal);
        Assert.False(server.IsListening);
    }

    [Fact]
    public async Task Stopping_what_was_not_started_does_nothing()
    {
        await using var server = new WebSocketServer(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.Equal(new StopResult(), await server.StopAsync(TestContext.Current.CancellationToken));
        Assert.Empty(server.EndPoints);
        Assert.False(server.IsListening);
        Assert.Empty(server.Clients);
    }

    [Fact]
    public async Task Disposed_it_cannot_be_started()
    {
        var server = new WebSocketServer(new IPEndPoint(IPAddress.Loopback, 0));
        await server.DisposeAsync();
        await server.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.StartAsync(TestContext.Current.CancellationToken));
    }
}
