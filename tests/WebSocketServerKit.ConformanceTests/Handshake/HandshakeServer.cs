using System.Net;
using WebSocketServerKit.Conformance.Handshake;
using WebSocketServerKit.Raw;

[assembly: AssemblyFixture(typeof(HandshakeServer))]

namespace WebSocketServerKit.Conformance.Handshake;

/// <summary>The server that the battery is fired at: default limits, two subprotocols, one foreign origin; an echo.</summary>
public sealed class HandshakeServer : IAsyncLifetime
{
    private readonly WebSocketServer _server = new(new WebSocketServerOptions
    {
        Urls = ["http://127.0.0.1:0"],
        Subprotocols = { "chat", "superchat" },
        AllowedOrigins = { "https://app.example.com" },
    });

    public Task<RawClient> ConnectAsync() => RawClient.ConnectAsync((IPEndPoint)_server.EndPoints[0]);

    public async ValueTask InitializeAsync()
    {
        _server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await _server.StartAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
