using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Serving;

/// <summary>What the host application gets to see of one connection: the client and its events. <see cref="RequestDecision"/> is the same for the request.</summary>
internal sealed class ClientSession(WebSocketServer server, ServerRun run, TransportConnection transport)
    : ConnectionLifetime(transport, run.Settings, run.Heartbeat, run.Log)
{
    private RequestDecision? _decision;   // until the client is connected
    private WebSocketClient? _client;     // once the connection is open

    public override IRequestDecision Decide() => _decision = new RequestDecision(server, run, this);

    public override void HandshakeEnded() => run.HandshakeEnded(this);

    protected override void Opened()
    {
        _client = _decision!.Client!;
        server.Clients.Add(_client);
        Log.ClientConnected(_client.Id, RemoteEndPoint, new PeerText(_client.Path));
        // The server may have begun to stop while the host was asked. It does not look at connections twice.
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
