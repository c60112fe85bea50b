using System.Security.Claims;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.TestKit;

/// <summary>Clients whose connections are not run: what is sent to them lies in their <see cref="ScriptedTransport"/>.</summary>
internal sealed class ClientBench : IDisposable
{
    private readonly Dictionary<WebSocketClient, (ScriptedTransport Transport, ScriptedConnection Connection)> _behind = [];
    private readonly Heartbeat _heartbeat = new(new FakeTimeProvider(), TimeSpan.FromSeconds(1), _ => { });

    public LeakCheckingPool Pool { get; } = new();

    public WebSocketClient Client(string path = "/", string address = "203.0.113.7", int limit = 1024, ClaimsPrincipal? user = null, SlowClientPolicy policy = SlowClientPolicy.Wait)
    {
        var transport = new ScriptedTransport(remoteAddress: address);
        ConnectionSettings settings = ConnectionStage.DefaultSettings(Pool) with { SendQueueLimit = limit, SlowClients = policy };
        var connection = new ScriptedConnection(transport, settings, _heartbeat, new ServerLog(NullLogger.Instance));
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Sample.Replace("/chat", path, StringComparison.Ordinal));
        HandshakingEventArgs? handshaking = user is null ? null : new(request, transport.RemoteEndPoint, transport.LocalEndPoint, subprotocol: null) { User = user };
        var client = new WebSocketClient(_behind.Count + 1, connection, request, handshaking, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);
        _behind.Add(client, (transport, connection));
        return client;
    }

    public ScriptedTransport TransportOf(WebSocketClient client) => _behind[client].Transport;

    public ScriptedConnection ConnectionOf(WebSocketClient client) => _behind[client].Connection;

    public string SentTo(WebSocketClient client) => string.Join('\n', TransportOf(client).Frames);

    public void Dispose() => _heartbeat.Dispose();
}
