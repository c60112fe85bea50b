using System.Buffers;
using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport;
using WebSocketServerKit.Transport.Pipes;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Serving;

/// <summary>All that exists between one start of a server and its stop: the options as they were, the listeners, the heartbeat, the connections.</summary>
internal sealed class ServerRun
{
    // How long cut connections get to unwind after the stop timeout. Only a handler that blocks its thread takes longer, and nobody can end that.
    private static readonly TimeSpan UnwindTime = TimeSpan.FromSeconds(1);

    private readonly WebSocketServer _server;
    private readonly TimeProvider _time;
    private readonly TimeSpan _stopTimeout;
    private readonly int _maxTurnedAway;
    private readonly ConnectionTable _table;
    private readonly IReadOnlyList<TransportListener> _listeners;
    private readonly List<Task> _accepting = [];
    private readonly OutlivingHandlers _outliving = new();
    private readonly bool _hasEventContext;
    private readonly TaskCompletionSource _cutNow = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;
    private int _foreignHostLogged;
    private int _foreignOriginLogged;
    private int _subprotocolsLogged;
    private int _closedCleanly; // clients that left, with all their handlers, since it began to stop
    private int _closedOtherwise;

    /// <summary>Binds every end point and begins to accept.</summary>
    /// <exception cref="IOException">One of the end points cannot be listened on; then none is.</exception>
    public ServerRun(WebSocketServer server, WebSocketServerOptions options, ServerLog log)
    {
        _server = server;
        _time = options.TimeProvider;
        _stopTimeout = options.StopTimeout;
        ClientLimits limits = ClientLimits.Of(options, OpenFileLimit.Read(), log);
        _maxTurnedAway = limits.MaxTurnedAway;
        _hasEventContext = options.EventContext is not null;
        _table = new ConnectionTable(
            limits.MaxClients, options.MaxClientsPerRemoteAddress, options.MaxConcurrentHandshakes, options.EffectiveMaxConcurrentHandshakesPerRemoteAddress);
        Log = log;
        Budget = new MemoryBudget(options.EffectiveMaxBufferedBytes, ArrayPool<byte>.Shared, log) { BecameShort = Relieve };
        Settings = options.ToConnectionSettings(Budget);
        Access = new AccessRules(new HostRules(options.AllowedHosts), new OriginRules(options.AllowedOrigins));
        Subprotocols = [.. options.Subprotocols];

        _listeners = Listeners.Start(
            options.ToListenAddresses(), (endPoint, others) => TransportListener.Start(endPoint, options.Backlog, others, Budget.Pool));
        EndPoints = [.. _listeners.Select(listener => listener.LocalEndPoint)];
        Heartbeat = new Heartbeat(_time, options.HeartbeatInterval, Beat);
        if (_listeners.Count == 0)
            log.ListeningNowhere();
        foreach (TransportListener listener in _listeners)
        {
            log.Listening(listener.LocalEndPoint);
            _accepting.Add(listener.RunAsync(Accepted, trouble => log.AcceptTrouble(trouble, listener.LocalEndPoint), _time));
        }
    }

    public ServerLog Log { get; }

    /// <summary>What all connections hold together.</summary>
    public MemoryBudget Budget { get; }

    public ConnectionSettings Settings { get; }

    public Heartbeat Heartbeat { get; }

    public AccessRules Access { get; }

    public IReadOnlyCollection<string> Subprotocols { get; }

    /// <summary>Where it really listens.</summary>
    public IReadOnlyList<EndPoint> EndPoints { get; }

    public bool IsStopping => _stopping;

    /// <summary>What clients are told when <see cref="IsStopping"/>.</summary>
    public WebSocketCloseStatus StopCode { get; private set; }

    public string StopReason { get; private set; } = "";

    public DateTimeOffset UtcNow() => _time.GetUtcNow();

    public void HandshakeEnded(ClientSession session)
    {
        if (session.Admission == Admission.Admitted)
            _table.HandshakeEnded(session);
    }

    /// <summary>All that a client's end brings about is done.</summary>
    public void ClientEnded(bool cleanly)
    {
        if (_stopping)
            Interlocked.Increment(ref cleanly ? ref _closedCleanly : ref _closedOtherwise);
    }

    /// <summary>Handlers may go on longer than their connection: the stop waits for them.</summary>
    public void Outlive(Task handlers) => _outliving.Add(handlers);

    public void Released(ClientSession session) => _table.Remove(session);

    /// <summary>Says once how a host or an origin is allowed; a page that tries again and again must not fill the log.</summary>
    public void Advise(HandshakeViolation violation, HandshakeRequest refused)
    {
        if (violation == HandshakeViolation.HostNotAllowed && HostRules.EntryFor(refused.Host) is { } host && IsFirst(ref _foreignHostLogged))
            Log.ForeignHostRefused(new PeerText(refused.Host), new PeerText(host));
        if (violation == HandshakeViolation.OriginNotAllowed && OriginRules.EntryFor(refused.Origin!) is { } origin && IsFirst(ref _foreignOriginLogged))
            Log.ForeignOriginRefused(new PeerText(refused.Origin!), new PeerText(origin));
    }

    /// <summary>Says once how subprotocols are agreed on.</summary>
    public void AdviseOnSubprotocols(IReadOnlyList<string> offered)
    {
        if (IsFirst(ref _subprotocolsLogged))
            Log.NoSubprotocolAgreed(new PeerText(string.Join(", ", offered)), new PeerText(offered[0]));
    }

    /// <summary>Why a run that is being stopped serves nothing more.</summary>
    public static InvalidOperationException Stopping() => new("The server is stopping, and takes no more clients.");

    /// <summary>Serves what the host has accepted. The task completes when that is closed and all its events were raised; it is cancelled if the token has cut the connection.</summary>
    /// <exception cref="InvalidOperationException">It is too late: the carrier was left alone.</exception>
    public Task ServeAsync(ICarrier carrier, EndPoint? remoteEndPoint, EndPoint? localEndPoint, CancellationToken cancellationToken)
    {
        var transport = new PipeTransportConnection(carrier, remoteEndPoint, localEndPoint, Budget.Pool);
        ClientSession session = Enter(transport);
        if (session.Admission == Admission.Stopping)
        {
            // The stop may have looked at all connections already, and at the time for the last time.
            _table.Remove(session);
            throw Stopping();
        }

        transport.Start();
        AbortInFlood(session);
        return FollowAsync(session, transport, cancellationToken);
    }

    /// <summary>Cuts the clients that are left, if the server is being stopped or when it is.</summary>
    public void CutNow() => _cutNow.TrySetResult();

    /// <summary>Frees the addresses at once, ahead of <see cref="StopAsync"/>. From any thread; again does nothing.</summary>
    public void StopListening()
    {
        foreach (TransportListener listener in _listeners)
            listener.Dispose();
    }

    /// <summary>No new clients, a Close frame to everyone, then a cut for those that are still there. Call it once.</summary>
    /// <param name="code">The code of the Close frames.</param>
    /// <param name="reason">Their reason.</param>
    public async Task<StopResult> StopAsync(WebSocketCloseStatus code, string reason)
    {
        long began = _time.GetTimestamp();
        StopCode = code;
        StopReason = reason;
        _stopping = true;
        _table.BeginStop();
        Log.Stopping(_server.Clients.Count);
        StopListening();
        await Task.WhenAll(_accepting).ConfigureAwait(false);

        foreach (ConnectionLifetime connection in _table.Snapshot())
            connection.BeginStop(code, reason);
        await WaitAsync(Task.WhenAny(_table.WhenEmpty(), _cutNow.Task), _stopTimeout).ConfigureAwait(false);

        foreach (ConnectionLifetime connection in _table.Snapshot())
            connection.EndStop();
        await WaitAsync(_table.WhenEmpty(), UnwindTime).ConfigureAwait(false);
        await WaitForHandlersAsync(began).ConfigureAwait(false);

        Heartbeat.Dispose();
        // Those whose handlers block a thread are listed still.
        var result = new StopResult { ClosedCleanly = _closedCleanly, Cut = _closedOtherwise + _server.Clients.Count, Unfinished = _outliving.Count };
        Log.Stopped(result.ClosedCleanly, result.Cut, result.Unfinished);
        return result;
    }

    private static bool IsFirst(ref int logged) => Interlocked.Exchange(ref logged, 1) == 0;

    // Events that wait for the host's context are waited for as long as it gets on with them: its thread may be blocked in this very stop.
    private async Task WaitForHandlersAsync(long began)
    {
        TimeSpan left = _stopTimeout - _time.GetElapsedTime(began);
        while (_outliving.Count > 0 && left > TimeSpan.Zero && !_cutNow.Task.IsCompleted)
        {
            int ended = _outliving.Ended;
            await WaitAsync(Task.WhenAny(_outliving.WhenNone(), _cutNow.Task), _hasEventContext && left > UnwindTime ? UnwindTime : left).ConfigureAwait(false);
            if (_outliving.Ended == ended)
                return;
            left = _stopTimeout - _time.GetElapsedTime(began);
        }
    }

    // That it takes too long is no error here.
    private async Task WaitAsync(Task what, TimeSpan timeout) =>
        await what.WaitAsync(timeout, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private void Beat(long now)
    {
        _table.Beat(now);
        Relieve();
    }

    private void Relieve() => Budget.Relieve(_table.Snapshot, Heartbeat);

    private static async Task FollowAsync(ClientSession session, PipeTransportConnection transport, CancellationToken cancellationToken)
    {
        Task running = session.RunAsync();
        bool isCut = false;
        using (cancellationToken.UnsafeRegister(
            _ => isCut = session.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseFrame.Abnormal, "")), null))
            await running.ConfigureAwait(false);
        await transport.WhenClosed().ConfigureAwait(false);
        await session.WhenTold().ConfigureAwait(false);
        if (isCut)
            throw new OperationCanceledException("The connection was cut because the token was cancelled.", cancellationToken);
    }

    private void Accepted(TransportConnection transport)
    {
        ClientSession session = Enter(transport);
        AbortInFlood(session);
        _ = session.RunAsync();
    }

    private ClientSession Enter(TransportConnection transport)
    {
        var session = new ClientSession(_server, this, transport);
        _table.Add(session, out ConnectionLifetime? givesWay);
        givesWay?.GiveWay();
        return session;
    }

    // Those who are turned away get an answer, unless they come in such a flood that the answers themselves would be the burden.
    private void AbortInFlood(ClientSession session)
    {
        if (session.Admission != Admission.Admitted && _table.TurnedAway > _maxTurnedAway)
            session.Transport.Abort();
    }
}
