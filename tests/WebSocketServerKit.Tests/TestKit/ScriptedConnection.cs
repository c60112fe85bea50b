using System.Collections.Concurrent;
using System.Net;
using System.Text;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Connections.Receiving;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.TestKit;

/// <summary>A connection's life that writes down what it is called for, and whose handlers are the test's.</summary>
internal sealed class ScriptedConnection(ScriptedTransport transport, ConnectionSettings settings, Heartbeat heartbeat, ServerLog log)
    : ConnectionLifetime(transport, settings, heartbeat, log), IRequestDecision
{
    private readonly Lock _gate = new();
    private readonly List<string> _calls = [];
    private readonly Dictionary<string, TaskCompletionSource> _awaited = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource<bool> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private HandshakeRequest? _request;

    /// <summary>Handlers; an async lambda here is an async void method, as on an event. Null for an event without any.</summary>
    public Action? OnRequest { get; set; }

    public Action? OnConnected { get; set; }

    public Action? OnMessage { get; set; }

    /// <summary>Gets the parts of a message that comes in parts, and is done with them when its task has ended. Null if all messages come whole.</summary>
    public Func<MessageParts, Task>? OnMessageStream { get; set; }

    public Action? OnDisconnected { get; set; }

    public Action? OnOpened { get; set; }

    /// <summary>The handler of notices; null for none.</summary>
    public Action<Notice>? OnNotice { get; set; }

    /// <summary>The settings that the client gets for itself; null for those of the server.</summary>
    public Func<ConnectionSettings, ConnectionSettings>? OwnSettings { get; set; }

    /// <summary>Whether the host answers plain requests.</summary>
    public bool HasPlainHandlers { get; set; }

    public override bool AnswersPlainRequests => HasPlainHandlers;

    /// <summary>What the host answers; null to accept.</summary>
    public Func<HandshakeResponse>? Answer { get; set; }

    public IReadOnlyList<string> Calls
    {
        get
        {
            lock (_gate)
                return [.. _calls];
        }
    }

    public string PayloadText => Encoding.UTF8.GetString(Payload.Span);

    /// <summary>Completes when all that the end brings about is done: true when all handlers have ended.</summary>
    public Task<bool> WhenEnded => _ended.Task.InTime();

    /// <summary>What outlives its event or the connection.</summary>
    public ConcurrentQueue<Task> Tracked { get; } = [];

    public new ConnectionEnding? Ending => base.Ending;

    public new bool WasClean => base.WasClean;

    /// <summary>Lets the connection begin with a PROXY header. Before it starts.</summary>
    public void ExpectProxyHeader(bool fromTrustedProxy = true) => (ExpectsProxyHeader, IsFromTrustedProxy) = (true, fromTrustedProxy);

    public override void Locate(ProxyConnection proxy)
    {
        Proxy = proxy;
        Note($"located {proxy.ClientRemoteEndPoint}");
    }

    public override void ProxyRefused(string reason) => Note($"proxy refused: {reason}");

    /// <summary>Something of the peer has arrived, and nobody has received it.</summary>
    public void HasBegunToSpeak() => transport.Receive("G");

    public bool WasCalled(string call) => Calls.Contains(call, StringComparer.Ordinal);

    /// <summary>Completes when this call has come.</summary>
    public Task Called(string call)
    {
        lock (_gate)
        {
            if (!_awaited.TryGetValue(call, out TaskCompletionSource? awaited))
                _awaited.Add(call, awaited = Timely.Signal());
            if (_calls.Contains(call, StringComparer.Ordinal))
                awaited.TrySetResult();
            return awaited.Task.InTime();
        }
    }

    protected override bool HandlesMessageStreams => OnMessageStream is not null;

    private async void ReadAndClose(MessageParts parts)
    {
        try
        {
            await OnMessageStream!(parts);
        }
        finally
        {
            parts.Close();
        }
    }

    public override void RaiseNotice(Notice notice, IHandlers handlers)
    {
        Note(notice.ToString());
        try
        {
            OnNotice?.Invoke(notice);
        }
        catch (Exception exception)
        {
            handlers.HandlerFailed(exception);
        }
    }

    protected override bool Hears(NoticeKind kind) => OnNotice is not null;

    protected override void Track(Task handlers) => Tracked.Enqueue(handlers);

    protected override void Raise(ConnectionEvent what, long run)
    {
        Note(what switch
        {
            ConnectionEvent.Message => $"Message {PayloadText}",
            ConnectionEvent.Request => $"Request {_request?.Path}",
            _ => what.ToString(),
        });
        try
        {
            (what switch
            {
                ConnectionEvent.Request => OnRequest,
                ConnectionEvent.Connected => OnConnected,
                ConnectionEvent.Message => OnMessage,
                ConnectionEvent.MessageInParts => () => ReadAndClose(Receive.Parts!),
                _ => OnDisconnected,
            })?.Invoke();
        }
        catch (Exception exception)
        {
            HandlerFailed(exception);
        }
    }

    public HandshakeResponse Refuse(HandshakeViolation violation)
    {
        Note($"Refuse {violation}");
        return HandshakeResponse.Refuse(violation);
    }

    public HandshakeResponse TurnAway(Admission admission)
    {
        Note($"TurnAway {admission}");
        return HandshakeResponse.Refuse(
            admission == Admission.TooSlow ? HttpStatusCode.RequestTimeout : HttpStatusCode.ServiceUnavailable, "turned away\n");
    }

    public override IRequestDecision Decide() => this;

    public bool Begin(HandshakeRequest request)
    {
        _request = request;
        return OnRequest is not null;
    }

    public HandshakeResponse End(OpeningHandshake opening)
    {
        Note("EndRequest");
        if (opening.HasHandlerFailed)
            return HandshakeResponse.Refuse(HttpStatusCode.InternalServerError);
        if (OwnSettings is not null)
            Apply(OwnSettings(Settings));
        return Answer?.Invoke() ?? HandshakeResponse.Accept(extensions: opening.AgreeOnExtensions(_request!.Headers["Sec-WebSocket-Extensions"]));
    }

    public override void HandshakeEnded() => Note("HandshakeEnded");

    protected override void Opened()
    {
        Note("Opened");
        OnOpened?.Invoke();
    }

    protected override void Closed() => Note("Closed");

    protected override void Ended(bool handlersEnded) => _ended.SetResult(handlersEnded);

    protected override void Released() => Note("Released");

    private void Note(string call)
    {
        lock (_gate)
        {
            _calls.Add(call);
            if (_awaited.TryGetValue(call, out TaskCompletionSource? awaited))
                awaited.TrySetResult();
        }
    }
}
