using System.Net;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Serving;

/// <summary>What the host application gets to see of one connection: requests, the client, its events.</summary>
internal sealed class ClientSession(WebSocketServer server, ServerRun run, TransportConnection transport)
    : ConnectionLifetime(transport, run.Settings, run.Heartbeat, run.Log)
{
    private HandshakeRequest? _request;              // until the client is connected
    private HandshakingEventArgs? _handshaking;      // while the host decides about a handshake
    private HttpRequestReceivedEventArgs? _http;     // while a plain request is answered
    private HandshakeResponse? _refusal;             // decided without asking the host
    private WebSocketClient? _client;            // once the handshake is accepted

    protected override HandshakeResponse Refuse(HandshakeViolation violation)
    {
        HandshakeResponse answer = HandshakeResponse.Refuse(violation);
        Log.RequestRefused(RemoteEndPoint, (int)answer.Status, violation.ToString());
        return answer;
    }

    protected override HandshakeResponse TurnAway(Admission admission)
    {
        HandshakeResponse answer = admission == Admission.TooSlow
            ? HandshakeResponse.Refuse(HttpStatusCode.RequestTimeout, "The request did not come in time. Send it right after connecting.\n")
            : HandshakeResponse.Refuse(HttpStatusCode.ServiceUnavailable, WhyUnavailable(admission), headers: [new("Retry-After", "5")]);
        Log.RequestRefused(RemoteEndPoint, (int)answer.Status, admission.ToString());
        return answer;
    }

    protected override bool BeginRequest(HandshakeRequest request)
    {
        _request = request;
        HandshakeViolation violation = request.IsWebSocket ? HandshakeRules.Check(request) : HandshakeViolation.None;
        if (violation == HandshakeViolation.None)
            violation = run.Access.Check(request, EndPointAddress.Of(LocalEndPoint));
        if (violation != HandshakeViolation.None)
        {
            run.Advise(violation, request);
            _refusal = Refuse(violation);
            return false;
        }

        if (!request.IsWebSocket)
        {
            _http = new HttpRequestReceivedEventArgs(request, RemoteEndPoint, LocalEndPoint, this);
            return server.HasHttpRequestHandlers;
        }

        if (!server.HasHandshakingHandlers)
            return false;
        _handshaking = new HandshakingEventArgs(request, RemoteEndPoint, LocalEndPoint, SelectSubprotocol(request), this);
        return true;
    }

    protected override HandshakeResponse EndRequest()
    {
        _handshaking?.Decide();
        _http?.Decide();
        HandshakeResponse answer = Decide(_request!);
        _handshaking = null;
        _http = null;
        return answer;
    }

    protected override void HandshakeEnded() => run.HandshakeEnded(this);

    protected override void Opened()
    {
        server.Clients.Add(_client!);
        Log.ClientConnected(_client!.Id, RemoteEndPoint, new PeerText(_client.Path));
        // The server may have begun to stop while the host was asked; it does not look at connections twice.
        if (run.IsStopping)
            BeginStop(run.StopCode, run.StopReason);
    }

    protected override void Closed()
    {
        server.Clients.Remove(_client!);
        Log.ClientDisconnected(_client!.Id, Ending!.Cause, (int)Ending.Code, new PeerText(Ending.Reason));
    }

    protected override void Ended(bool handlersEnded) => run.ClientEnded(WasClean && handlersEnded);

    protected override void Released() => run.Released(this);

    protected override void Track(Task handlers) => run.Outlive(handlers);

    protected override void Raise(ConnectionEvent what, long handlersRun)
    {
        switch (what)
        {
            case ConnectionEvent.Message:
                server.RaiseMessageReceived(new MessageReceivedEventArgs(_client!, MessageType, handlersRun), this);
                break;
            case ConnectionEvent.Request when _handshaking is not null:
                server.RaiseHandshaking(_handshaking, this);
                break;
            case ConnectionEvent.Request:
                server.RaiseHttpRequestReceived(_http!, this);
                break;
            case ConnectionEvent.Connected:
                var connected = new ClientConnectedEventArgs(_client!, _request!, handlersRun);
                _request = null; // the headers are no longer needed, and there may be many idle clients
                server.RaiseClientConnected(connected, this);
                break;
            case ConnectionEvent.Disconnected:
                server.RaiseClientDisconnected(new ClientDisconnectedEventArgs(_client!, Ending!, WasClean), this);
                break;
        }
    }

    private HandshakeResponse Decide(HandshakeRequest request)
    {
        if (_refusal is not null)
            return _refusal;
        if (RequestFailed)
            return HandshakeResponse.Refuse(HttpStatusCode.InternalServerError, "The server failed to decide about this request. Try again later.\n");
        if (_http is not null)
            return _http.Answer ?? Refuse(HandshakeRules.Check(request));
        if (run.IsStopping)
            return TurnAway(Admission.Stopping);
        if (_handshaking?.Refusal is { } refusal)
        {
            Log.RequestRefused(RemoteEndPoint, (int)refusal.Status, "by the host");
            return refusal;
        }

        string? extensions = AgreeOnExtensions(request.Headers["Sec-WebSocket-Extensions"]);
        string? subprotocol = _handshaking is null ? SelectSubprotocol(request) : _handshaking.Subprotocol;
        if (subprotocol is null && request.RequestedSubprotocols.Count > 0 && SelectSubprotocol(request) is null)
            run.AdviseOnSubprotocols(request.RequestedSubprotocols);
        _client = new WebSocketClient(server.NextClientId(), this, request, _handshaking, subprotocol, extensions, run.UtcNow());
        return HandshakeResponse.Accept(request.Key!, subprotocol, extensions, _handshaking?.ResponseHeaders);
    }

    private string? SelectSubprotocol(HandshakeRequest request) => SubprotocolSelection.Select(request.RequestedSubprotocols, run.Subprotocols);

    private static string WhyUnavailable(Admission admission) => admission switch
    {
        Admission.TooManyFromAddress => "There are too many connections from your address. Close some, or try again later.\n",
        Admission.Stopping => "The server is being stopped. Try again later.\n",
        _ => "The server is full at present. Try again later.\n",
    };
}
