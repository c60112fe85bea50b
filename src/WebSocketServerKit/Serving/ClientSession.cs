using System.Diagnostics;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Serving;

/// <summary>
/// Connects one connection to the public API: makes its client, keeps the registry up to date, and raises the server's events. <see cref="RequestDecision"/>
/// does the same for the request.
/// <para>The connection calls the overrides one at a time, in the order of its phases.</para>
/// </summary>
internal sealed class ClientSession : ConnectionLifetime
{
    private readonly WebSocketServer _server;
    private readonly ServerRun _run;
    private RequestDecision? _decision;   // null once ClientConnected is raised
    private WebSocketClient? _client;     // null until the connection is open
    private string? _userPlace;           // the user of whom it holds one of the places
    private WebSocketPath? _place;        // not null while it has one of the places of a path
    private Activity? _trace;             // of its handshake, and then of the connection, if somebody traces; handlers run in it
    private Activity? _message;           // of the message whose handlers run, if they are traced
    private bool _isOfStop;               // it was closed while the server stops, so the result of the stop counts it

    /// <param name="server">The server whose events are raised.</param>
    /// <param name="run">The run of the server that the connection belongs to.</param>
    /// <param name="transport">The connection.</param>
    /// <param name="expectsProxyHeader">Whether it begins with a header of the PROXY protocol.</param>
    public ClientSession(WebSocketServer server, ServerRun run, TransportConnection transport, bool expectsProxyHeader)
        : base(transport, run.Settings, run.Heartbeat, run.Log)
    {
        _server = server;
        _run = run;
        ExpectsProxyHeader = expectsProxyHeader;
        IsFromTrustedProxy = !run.TrustedProxies.IsEmpty && run.TrustedProxies.Contains(transport.RemoteEndPoint);
        IsAttributed = !IsFromTrustedProxy || !(expectsProxyHeader || run.ReadsForwardedHeaders);
    }

    /// <summary>The server whose events are raised.</summary>
    public WebSocketServer Server => _server;

    /// <summary>The run of the server that the connection belongs to.</summary>
    public ServerRun Run => _run;

    public override void Locate(ProxyConnection proxy)
    {
        Proxy = proxy;
        // If the client is another proxy, its headers tell the real client.
        if (!_run.ReadsForwardedHeaders || !_run.TrustedProxies.Contains(proxy.ClientRemoteEndPoint))
            Attribute();
    }

    /// <summary>Counts the connection for its client's address, if it is not counted yet.</summary>
    public void Attribute()
    {
        if (!IsAttributed)
            _run.Attribute(this);
    }

    /// <summary>Takes one of the places of the user. False if the user has as many connections as allowed.</summary>
    public bool TryTakeUserPlace(string userId)
    {
        if (_run.UserPlaces is not { } places)
            return true;
        if (!places.TryTake(userId))
            return false;
        _userPlace = userId;
        return true;
    }

    public override void ProxyRefused(string reason) => _run.AdviseOnProxyHeader(RemoteEndPoint, reason);

    public override bool AnswersPlainRequests => _server.HasHttpRequestHandlers;

    public override IRequestDecision Decide() => _decision = new RequestDecision(this);

    public override void HandshakeEnded()
    {
        if (_trace is not null && _decision?.Client is null)
            ServerActivities.End(_trace);
        _run.HandshakeEnded(this);
    }

    /// <summary>Begins the trace of the client, if somebody listens.</summary>
    public void BeginTrace(HandshakeRequest request, WebSocketPath? path)
    {
        if (ServerActivities.IsListenedTo)
            _trace = ServerActivities.BeginHandshake(request.Method, request.Path, path?.Template, _server.Name, name => request.Headers[name]);
    }

    /// <summary>Notes the answer to the request for the trace.</summary>
    public void TraceAnswer(HandshakeResponse answer, WebSocketClient? client)
    {
        if (_trace is null)
            return;
        ServerActivities.EndHandshake(_trace, (int)answer.Status, client?.Id, client?.Subprotocol);
        _trace = client is null ? null : ServerActivities.BeginConnection(_trace, client.Id, _server.Name);
        IsTraced = _trace is not null && _run.TracesMessages;
    }

    /// <summary>Takes a place in the path for as long as the client is in the registry. False if there is none.</summary>
    public bool TryTakePlace(WebSocketPath path)
    {
        if (!path.TryTakePlace())
            return false;
        _place = path;
        return true;
    }

    protected override void Opened()
    {
        _client = _decision!.Client!;
        _server.Clients.Add(_client);
        Transport.Facts?.Opened?.Invoke(_client);
        if (Log.IsDebugEnabled) // the end point is made for the log
            Log.ClientConnected(_client.Id, RemoteEndPoint, new PeerText(_client.Path));
        // The stop may have visited this connection while the host's handlers decided. It visits each connection only once.
        if (_run.IsStopping)
            BeginStop(_run.Plan.Code, _run.Plan.NextReason());
    }

    protected override void Raise(ConnectionEvent what, long handlersRun)
    {
        if (_trace is null)
            RaiseUntraced(what, handlersRun);
        else
            RaiseTraced(_trace, what, handlersRun);
    }

    public override void MessageHandled()
    {
        if (_message is null)
            return;
        ServerActivities.End(_message);
        _message = null;
    }

    private void RaiseTraced(Activity trace, ConnectionEvent what, long handlersRun)
    {
        Activity? outer = Activity.Current;
        bool isMessage = what is ConnectionEvent.Message && IsTraced;
        if (isMessage)
            _message = ServerActivities.BeginMessage(trace, _client!.Id, _server.Name, Payload.Length, MessageType == WebSocketMessageType.Text);
        Activity.Current = isMessage ? _message : trace;
        try
        {
            RaiseUntraced(what, handlersRun);
        }
        finally
        {
            Activity.Current = outer;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a call more for each message
    private void RaiseUntraced(ConnectionEvent what, long handlersRun)
    {
        WebSocketPath? path = _client?.MatchedPath;
        switch (what)
        {
            case ConnectionEvent.Message:
                var message = new MessageReceivedEventArgs(_client!, MessageType, handlersRun);
                if (path is null)
                    _server.RaiseMessageReceived(message, this);
                else
                    _server.RaiseMessageReceived(message, this, path);
                break;
            case ConnectionEvent.MessageInParts:
                WebSocketServer.RaiseMessageStream(MessageStreamHandler!, new MessageStream(_client!, Receive.Parts!), this);
                break;
            case ConnectionEvent.Request:
                _decision!.Raise();
                break;
            case ConnectionEvent.Connected:
                var connected = new ClientConnectedEventArgs(_client!, _decision!.Request!, handlersRun);
                _decision = null; // idle clients must not keep the headers
                if (path is null)
                    _server.RaiseClientConnected(connected, this);
                else
                    _server.RaiseClientConnected(connected, this, path);
                break;
            case ConnectionEvent.Disconnected:
                var disconnected = new ClientDisconnectedEventArgs(_client!, Ending!, WasClean);
                if (path is null)
                    _server.RaiseClientDisconnected(disconnected, this);
                else
                    _server.RaiseClientDisconnected(disconnected, this, path);
                break;
        }
    }

    protected override bool HandlesMessageStreams => MessageStreamHandler is not null;

    private Func<WebSocketClient, MessageStream, ValueTask>? MessageStreamHandler => _client!.MatchedPath?.MessageStreamHandler ?? _server.MessageStreamHandler;

    public override void RaiseNotice(Notice notice, IHandlers handlers)
    {
        Activity? outer = Activity.Current;
        if (_trace is { IsStopped: false } trace)
            Activity.Current = trace;
        RaiseUntraced(notice, handlers);
        Activity.Current = outer;
    }

    private void RaiseUntraced(Notice notice, IHandlers handlers)
    {
        switch (notice.Kind)
        {
            case NoticeKind.Expiring:
                _server.RaiseClientExpiring(new ClientExpiringEventArgs(_client!, new DateTimeOffset(notice.Value, TimeSpan.Zero)), handlers);
                break;
            case NoticeKind.OverRate:
                _server.RaiseClientOverRate(new ClientOverRateEventArgs(_client!, (RateLimitReaction)notice.Value), handlers);
                break;
            case NoticeKind.SlowBegan:
            case NoticeKind.SlowEnded:
                _server.RaiseClientSlow(new ClientSlowEventArgs(_client!, isSlow: notice.Kind == NoticeKind.SlowBegan), handlers);
                break;
        }
    }

    protected override bool Hears(NoticeKind kind) => kind switch
    {
        NoticeKind.SlowBegan or NoticeKind.SlowEnded => _server.HasClientSlowHandlers,
        NoticeKind.Expiring => _server.HasClientExpiringHandlers,
        _ => _server.HasClientOverRateHandlers,
    };

    protected override void Track(Task handlers) => _run.Outlive(handlers);

    protected override void Closed()
    {
        _server.Clients.Remove(_client!);
        ReleasePlaces();
        _isOfStop = _run.IsStopping;
        if (_isOfStop && !WasClean)
            _run.ClientCut(_client!, WhyCut);
        _server.Metrics.ClientClosed(Ending!.Cause, Ending.Code.Value, isClientsCode: Ending.ClosedBy == ConnectionSide.Client, _run.UtcNow() - _client!.ConnectedAt);
        Log.ClientDisconnected(_client!.Id, Ending!.Cause, Ending.Code.Value, new PeerText(Ending.Reason));
    }

    protected override void Ended(bool handlersEnded)
    {
        if (_trace is not null)
            ServerActivities.EndConnection(_trace, Ending!.Cause, Ending.Code.Value);
        if (_isOfStop)
            _run.ClientEnded(WasClean && handlersEnded);
    }

    protected override void Released()
    {
        ReleasePlaces(); // of a handshake that was accepted and then failed
        _run.Released(this);
    }

    /// <summary>Gives back what places it has.</summary>
    public void ReleasePlaces()
    {
        _place?.ReleasePlace();
        _place = null;
        if (_userPlace is { } userId)
            _run.UserPlaces!.Release(userId);
        _userPlace = null;
    }
}
