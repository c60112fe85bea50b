using System.Net;
using System.Threading.Channels;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Conformance.Rules;

/// <summary>A server of its own for one test, which takes the ends of its clients one by one.</summary>
internal sealed class RuleServer : IAsyncDisposable
{
    private readonly WebSocketServer _server = new(new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0), OverTlsAttribute.Server));
    private readonly Channel<ClientDisconnectedEventArgs> _ends = Channel.CreateUnbounded<ClientDisconnectedEventArgs>();

    /// <summary>Starts a server; without handlers of the test's own it sends every message back.</summary>
    public static async Task<RuleServer> StartAsync(Action<WebSocketServer>? subscribe = null)
    {
        var server = new RuleServer();
        server._server.ClientDisconnected += (_, e) => server._ends.Writer.TryWrite(e);
        if (subscribe is null)
            server._server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        else
            subscribe(server._server);
        await server._server.StartAsync();
        return server;
    }

    public Task<RawClient> ConnectAsync() => RawClient.ConnectAsync((IPEndPoint)_server.EndPoints[0], tls: OverTlsAttribute.Client);

    public Task<RawClient> OpenAsync(params IEnumerable<string> headerLines) => RawClient.OpenAsync((IPEndPoint)_server.EndPoints[0], "/", OverTlsAttribute.Client, headerLines);

    /// <summary>How the next client left.</summary>
    public async Task<ClientDisconnectedEventArgs> NextEndAsync()
    {
        using var timely = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        return await _ends.Reader.ReadAsync(timely.Token);
    }

    public Task StopAsync() => _server.StopAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
