using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Serving;

/// <summary>
/// Connects one connection to the public API: makes its client, keeps the registry up to date, and raises the server's events. <see cref="RequestDecision"/>
/// does the same for the request.
/// <para>The connection calls the overrides one at a time, in the order of its phases.</para>
/// </summary>
internal sealed class ClientSession(WebSocketServer server, ServerRun run, TransportConnection transport)
    : ConnectionLifetime(transport, run.Settings, run.Heartbeat, run.Log)
{
    private RequestDecision? _decision;   // null once ClientConnected is raised
    private WebSocketClient? _client;     // null until the connection is open

    public override IRequestDecision Decide() => _decision = new RequestDecision(server, run, this);

    public override void HandshakeEnded() => run.HandshakeEnded(this);

    protected override void Opened()
    {
        _client = _decision!.Client!;
        server.Clients.Add(_client);
        Log.ClientConnected(_client.Id, RemoteEndPoint, new PeerText(_client.Path));
        // The stop may have visited this connection while the host's handlers decided. It visits each connection only once.
        if (run.IsStopping)
            BeginStop(run.StopCode, run.StopReason);
    }

    protected override void Raise(ConnectionEvent what, long handlersRun)
    {
        switch (what)
        {
            case ConnectionEvent.Message:
                server.RaiseMessageReceived(new MessageReceivedEventArgs(_client!, MessageType, handlersRun), this);
                break;
            case ConnectionEvent.Request:
                _decision!.Raise();
                break;
            case ConnectionEvent.Connected:
                var connected = new ClientConnectedEventArgs(_client!, _decision!.Request!, handlersRun);
                _decision = null; // idle clients must not keep the headers
                server.RaiseClientConnected(connected, this);
                break;
            case ConnectionEvent.Disconnected:
                server.RaiseClientDisconnected(new ClientDisconnectedEventArgs(_client!, Ending!, WasClean), this);
                break;
        }
    }

    protected override void Track(Task handlers) => run.Outlive(handlers);

    protected override void Closed()
    {
        server.Clients.Remove(_client!);
        Log.ClientDisconnected(_client!.Id, Ending!.Cause, Ending.Code.Value, new PeerText(Ending.Reason));
    }

    protected override void Ended(bool handlersEnded) => run.ClientEnded(WasClean && handlersEnded);

    protected override void Released() => run.Released(this);
}
