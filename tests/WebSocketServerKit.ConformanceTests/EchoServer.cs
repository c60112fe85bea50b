using System.Net;
using WebSocketServerKit.Conformance;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

[assembly: AssemblyFixture(typeof(EchoServer))]

namespace WebSocketServerKit.Conformance;

/// <summary>
/// The server under test: it sends every message back, takes the largest message that the suite has, and compresses all for those who offer it. It listens with and without TLS.
/// </summary>
public sealed class EchoServer : IAsyncLifetime
{
    public const int MaxMessageSize = 16 * 1024 * 1024;

    private readonly WebSocketServer _server = new(new WebSocketServerOptions
    {
        MaxMessageSize = MaxMessageSize,
        PerMessageDeflate = new() { ServerContextTakeover = true, ClientContextTakeover = true, MinMessageSize = 0 },
    }.Listen(new IPEndPoint(IPAddress.Loopback, 0)).Listen(new IPEndPoint(IPAddress.Loopback, 0), OverTlsAttribute.Listen));

    private IPEndPoint EndPoint => (IPEndPoint)_server.EndPoints[OverTlsAttribute.Client is null ? 0 : 1];

    public Task<RawClient> ConnectAsync() => RawClient.ConnectAsync(EndPoint, tls: OverTlsAttribute.Client);

    public Task<RawClient> OpenAsync(string target = "/", params IEnumerable<string> headerLines) =>
        RawClient.OpenAsync(EndPoint, target, OverTlsAttribute.Client, headerLines);

    public async ValueTask InitializeAsync()
    {
        _server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await _server.StartAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
