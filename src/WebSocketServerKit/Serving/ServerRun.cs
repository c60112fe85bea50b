using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Options;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.Serving.Paths;
using WebSocketServerKit.Transport;
using WebSocketServerKit.Transport.EventLoops;
using WebSocketServerKit.Transport.Pipes;
using WebSocketServerKit.Transport.Proxies;
using WebSocketServerKit.Transport.Sockets;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.Serving;

/// <summary>
/// One run of a server, from its start to its stop: a copy of the options, the listeners, the heartbeat, the connections. Thread-safe; <see cref="StopAsync"/>
/// is called once.
/// </summary>
internal sealed class ServerRun
{
    // The time that cut connections have to end after the stop timeout. Only a handler that blocks its thread takes longer, and the server cannot end that.
    private static readonly TimeSpan UnwindTime = TimeSpan.FromSeconds(1);

    // The clients that the log names for each reason. The result names all of them.
    private const int MostCutNames = 20;

    private readonly WebSocketServer _server;
    private readonly TimeProvider _time;
    private readonly TimeSpan _stopTimeout;
    private readonly ConnectionTable _table;
    private readonly ListenOptions _listenDefaults;
    private readonly CertificateWatch _certificates;
    private readonly Listeners _listeners;
    private readonly EventLoopGroup? _loops; // null for the portable transport
    private readonly List<Task> _accepting = []; // the lock is the list
    private readonly OutlivingHandlers _outliving = new();
    private volatile ClientRules _rules; // replaced by Change
    private readonly bool _hasEventContext;
    private readonly TaskCompletionSource _cutNow = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<CutClient> _cut = []; // the lock is the list
    private volatile bool _stopping;
    private volatile bool _closing;
    private int _foreignHostLogged;
    private int _foreignOriginLogged;
    private int _subprotocolsLogged;
    private int _plainOnTlsLogged;
    private int _tlsOnPlainLogged;
    private int _unknownPathLogged;
    private int _proxyHeaderLogged;
    private int _blockedLoopLogged;
    private int _closedCleanly; // clients that closed cleanly since the stop began, and whose handlers ended
    private int _closedOtherwise;

    /// <summary>Listens on all end points and begins to accept.</summary>
    /// <exception cref="IOException">One of the end points cannot be listened on. Then all listeners are closed.</exception>
    public ServerRun(WebSocketServer server, WebSocketServerOptions options, ServerLog log)
    {
        _server = server;
        _time = options.TimeProvider;
        _stopTimeout = options.StopTimeout;
        ClientLimits limits = ClientLimits.Of(options, OpenFileLimit.Read(), log);
        MaxClients = limits.MaxClients;
        _hasEventContext = options.EventContext is not null;
        _table = new ConnectionTable(
            limits.MaxClients, options.MaxClientsPerRemoteAddress, options.MaxConcurrentHandshakes, options.EffectiveMaxConcurrentHandshakesPerRemoteAddress, limits.MaxTurnedAway);
        Log = log;
        Budget = new MemoryBudget(options.EffectiveMaxBufferedBytes, ArrayPool<byte>.Shared, log) { BecameShort = Relieve };
        _rules = new ClientRules(options.ToConnectionSettings(Budget) with { SendTotals = server.SendTotals, Metrics = server.Metrics }, options);
        server.Traffic.Add(_table);

        UserPlaces = options.MaxClientsPerUser is { } perUser ? new UserPlaces(perUser) : null;
        TracesMessages = options.TraceMessages;
        TrustedProxies = new TrustedProxies(options.TrustedProxies);
        ForwardedHeaders = options.ForwardedHeaders;

        _listenDefaults = options.ListenDefaults;
        _certificates = new CertificateWatch(_time, log);
        if (options.UsesEventLoop)
            _loops = new EventLoopGroup(options.EventLoops ?? Environment.ProcessorCount, Budget.Pool, Settings.Clock, HandlerBlocksLoop);
        AcceptFactory accept = OperatingSystem.IsLinux() && _loops is not null ? _loops.AcceptFrom : TransportListener.AcceptWith(Budget.Pool);
        _listeners = new Listeners((endPoint, others, sockets) => TransportListener.Start(endPoint, sockets, others, accept), accept);
        try
        {
            var places = options.AllPlaces().Select(place => place.ToTarget(_listenDefaults, _certificates.Add)).ToList();
            var listening = places.Select(place => (Place: place, Listeners: _listeners.Add(place))).ToList();
            Heartbeat = new Heartbeat(_time, options.HeartbeatInterval, Beat);
            foreach ((ListenTarget place, IReadOnlyList<TransportListener> listeners) in listening)
                Accept(place, listeners);
            if (listening.Count == 0)
                log.ListeningNowhere();
        }
        catch
        {
            _listeners.Close();
            _certificates.Stop();
            StopLoops();
            throw;
        }
    }

    public ServerLog Log { get; }

    /// <summary>The most clients that are admitted.</summary>
    public int MaxClients { get; }

    /// <summary>The memory budget of all connections.</summary>
    public MemoryBudget Budget { get; }

    /// <summary>For clients that connect now.</summary>
    public ConnectionSettings Settings => _rules.Settings;

    public Heartbeat Heartbeat { get; }

    public AccessRules Access => _rules.Access;

    public IReadOnlyCollection<string> Subprotocols => _rules.Subprotocols;

    /// <summary>Null without a limit.</summary>
    public UserPlaces? UserPlaces { get; }

    /// <summary>Whether each message of a traced client has an activity of its own.</summary>
    public bool TracesMessages { get; }

    /// <summary>The proxies that are believed what they tell about their clients.</summary>
    public TrustedProxies TrustedProxies { get; }

    /// <summary>The HTTP headers in which trusted proxies tell who the client is.</summary>
    public ForwardedHeaderKind ForwardedHeaders { get; }

    public bool ReadsForwardedHeaders => ForwardedHeaders != ForwardedHeaderKind.None && !TrustedProxies.IsEmpty;

    /// <summary>The end points that it listens on, with the ports that the system chose.</summary>
    public IReadOnlyList<EndPoint> EndPoints => _closing ? [] : _listeners.EndPoints;

    /// <summary>Whether clients are being closed, and no new ones are accepted.</summary>
    public bool IsStopping => _stopping;

    /// <summary>Whether it listens no longer, or is about to end that.</summary>
    public bool IsClosing => _closing;

    /// <summary>How it stops, when <see cref="IsStopping"/>.</summary>
    public StopPlan Plan { get; private set; } = StopPlan.Default;

    /// <summary>The number of connections in the opening handshake.</summary>
    public int HandshakeCount => _table.Handshakes;

    public DateTimeOffset UtcNow() => _time.GetUtcNow();

    public void HandshakeEnded(ClientSession session)
    {
        if (session.Admission is Admission.Admitted or Admission.PlainRequestOnly)
            _table.HandshakeEnded(session);
    }

    /// <summary>Counts a client that has left during the stop, and whose handlers have ended or were given up.</summary>
    public void ClientEnded(bool cleanly) => Interlocked.Increment(ref cleanly ? ref _closedCleanly : ref _closedOtherwise);

    /// <summary>Keeps a client that has left during the stop, but not cleanly.</summary>
    public void ClientCut(WebSocketClient client, CutReason why)
    {
        lock (_cut)
            _cut.Add(new CutClient(client, why));
    }

    /// <summary>Lets the stop wait for handlers that outlive their event or connection.</summary>
    public void Outlive(Task handlers) => _outliving.Add(handlers);

    public void Released(ClientSession session) => _table.Remove(session);

    /// <summary>Listens on one more place. The caller lets no other call of this and of <see cref="StopListening(EndPoint)"/> run meanwhile.</summary>
    /// <returns>The end points that were added.</returns>
    /// <exception cref="IOException">The place cannot be listened on, or its certificate cannot be used.</exception>
    /// <exception cref="InvalidOperationException">The server is being stopped.</exception>
    public IReadOnlyList<EndPoint> Listen(ListenPlace place)
    {
        try
        {
            ListenTarget target = place.ToTarget(_listenDefaults, _certificates.Add);
            if (target.ProxyProtocol && TrustedProxies.IsEmpty)
                throw new ArgumentException($"{place.Name} expects the PROXY protocol, but the server was started without TrustedProxies, so nobody could connect. Add the proxy's address to the options before the start.");
            IReadOnlyList<TransportListener> added = _listeners.Add(target);
            Accept(target, added);
            return [.. added.Select(listener => listener.LocalEndPoint)];
        }
        catch
        {
            _certificates.Keep(_listeners.Certificates);
            throw;
        }
    }

    /// <summary>Stops listening on one end point. False if the server does not listen there.</summary>
    public bool StopListening(EndPoint endPoint)
    {
        if (!_listeners.Remove(endPoint))
            return false;
        _certificates.Keep(_listeners.Certificates);
        Log.NoLongerListening(endPoint);
        return true;
    }

    /// <summary>Stops listening on an address, by the text with which it was given. False if there is none of that text.</summary>
    public bool StopListening(string url)
    {
        IReadOnlyList<EndPoint> removed = _listeners.Remove(url);
        _certificates.Keep(_listeners.Certificates);
        foreach (EndPoint endPoint in removed)
            Log.NoLongerListening(endPoint);
        return removed.Count > 0;
    }

    /// <summary>Counts a connection for its client's address, which a proxy has told.</summary>
    public void Attribute(ClientSession session)
    {
        _table.Attribute(session, out ConnectionLifetime? givesWay);
        givesWay?.GiveWay();
        AbortInFlood(session, givesWay);
    }

    /// <summary>Logs once how to use the PROXY protocol.</summary>
    public void AdviseOnProxyHeader(EndPoint remoteEndPoint, string reason)
    {
        if (IsFirst(ref _proxyHeaderLogged))
            Log.ProxyHeaderRefused(remoteEndPoint, reason);
        else
            Log.ConnectionRefused(remoteEndPoint, reason);
    }

    /// <summary>Logs once how to reach a port with the wrong use of TLS.</summary>
    public void AdviseOnTls(HandshakeViolation violation, ClientSession session)
    {
        if (violation == HandshakeViolation.PlainOnTlsPort && IsFirst(ref _plainOnTlsLogged))
            Log.PlainClientOnTls(session.RemoteEndPoint, session.LocalEndPoint);
        if (violation == HandshakeViolation.TlsOnPlainPort && IsFirst(ref _tlsOnPlainLogged))
            Log.TlsClientOnPlain(session.RemoteEndPoint, session.LocalEndPoint);
    }

    /// <summary>What the options of a path make of those of the server.</summary>
    public ServedPath Serve(WebSocketPath path)
    {
        ClientRules rules = _rules;
        return rules.Paths.GetOrAdd(path, static (path, rules) => new ServedPath(path.Options, rules.Settings, rules.Access, rules.Subprotocols), rules);
    }

    /// <summary>Uses the <see cref="WebSocketServer.ChangeableOptions"/> for clients that connect from now on. The caller lets no other call of this run meanwhile.</summary>
    public void Change(WebSocketServerOptions options)
    {
        ConnectionSettings settings = options.ToConnectionSettings(Budget);
        _rules = new ClientRules(
            Settings with
            {
                MaxMessageSize = settings.MaxMessageSize,
                MaxFragmentsPerMessage = settings.MaxFragmentsPerMessage,
                MaxMessagesPerSecond = settings.MaxMessagesPerSecond,
                MaxBytesPerSecond = settings.MaxBytesPerSecond,
                OverRate = settings.OverRate,
                SendQueueLimit = settings.SendQueueLimit,
                SlowClients = settings.SlowClients,
                StreamMessagesFrom = settings.StreamMessagesFrom,
                MaxStreamedMessageSize = settings.MaxStreamedMessageSize,
                MaxSubscriptionsPerClient = settings.MaxSubscriptionsPerClient,
                CloseOnHandlerException = settings.CloseOnHandlerException,
            },
            options);
    }

    /// <summary>Logs once how to allow a host or an origin, or how to add a path. Once, because a page may try again and again.</summary>
    /// <param name="violation">The rule that the request breaks.</param>
    /// <param name="refused">The request.</param>
    /// <param name="path">The path of the request, if there is one with options of its own.</param>
    public void Advise(HandshakeViolation violation, HandshakeRequest refused, WebSocketPath? path)
    {
        if (violation == HandshakeViolation.UnknownPath && IsFirst(ref _unknownPathLogged))
            Log.UnknownPathRefused(new PeerText(refused.Path), string.Join(", ", _server.Paths!.Templates.Select(template => template.Text).Take(20)), new PeerText(refused.Path));
        if (violation == HandshakeViolation.HostNotAllowed && HostRules.EntryFor(refused.Host) is { } host && IsFirst(ref _foreignHostLogged))
            Log.ForeignHostRefused(new PeerText(refused.Host), new PeerText(host));
        if (violation == HandshakeViolation.OriginNotAllowed && OriginRules.EntryFor(refused.Origin!) is { } origin && IsFirst(ref _foreignOriginLogged))
            Log.ForeignOriginRefused(new PeerText(refused.Origin!), ListOf(nameof(PathOptions.AllowedOrigins), path?.Options.AllowedOrigins is null ? null : path), new PeerText(origin));
    }

    /// <summary>Logs once how to support a subprotocol.</summary>
    public void AdviseOnSubprotocols(IReadOnlyList<string> offered, WebSocketPath? path)
    {
        if (IsFirst(ref _subprotocolsLogged))
            Log.NoSubprotocolAgreed(new PeerText(string.Join(", ", offered)), ListOf(nameof(PathOptions.Subprotocols), path?.Options.Subprotocols is null ? null : path), new PeerText(offered[0]));
    }

    /// <summary>The exception for a connection that is brought while the server is being stopped.</summary>
    public static InvalidOperationException Stopping() => new("The server is stopping, and takes no more clients, addresses or options. Await StopAsync, then start it again.");

    /// <summary>Serves a connection that the host has accepted. The task completes when it is closed and all its events were raised; it is cancelled if the token has cut the connection.</summary>
    /// <exception cref="InvalidOperationException">The server is being stopped. The carrier was not touched.</exception>
    public Task ServeAsync(ICarrier carrier, AcceptOptions? options, CancellationToken cancellationToken)
    {
        BroughtConnection transport = options is { IsStreamTrusted: true } && carrier is StreamCarrier stream
            ? new DirectConnection(stream, options.RemoteEndPoint, options.LocalEndPoint, Budget.Pool, options.ToFacts())
            : new PipeTransportConnection(carrier, options?.RemoteEndPoint, options?.LocalEndPoint, Budget.Pool, options?.ToFacts());
        // The stop cuts what is in the table, so a carrier that stays the host's must not get there.
        ClientSession session = Enter(transport, expectsProxyHeader: false, out ConnectionLifetime? givesWay, isAnsweredWhileStopping: false);
        if (session.Admission == Admission.Stopping)
            throw Stopping();

        transport.Start();
        AbortInFlood(session, givesWay);
        return FollowAsync(session, transport, cancellationToken);
    }

    /// <summary>Ends the wait for clients in <see cref="StopAsync"/>, now or when it is called, so that the remaining ones are cut.</summary>
    public void CutNow() => _cutNow.TrySetResult();

    /// <summary>Closes the listeners, before <see cref="StopAsync"/> or in it. From any thread; further calls do nothing.</summary>
    public void StopListening()
    {
        _listeners.Close();
        _certificates.Stop();
    }

    /// <summary>Announces the stop, before <see cref="StopAsync"/>. Call it once.</summary>
    public void BeginStop(StopPlan plan)
    {
        Plan = plan;
        _closing = !plan.KeepsListening;
    }

    /// <summary>Stops as planned: waits for the load balancers, closes the clients over the spread, stops listening, and cuts the clients that are left after the stop timeout. Call it once.</summary>
    public async Task<StopResult> StopAsync()
    {
        if (Plan.ReadinessDelay > TimeSpan.Zero)
        {
            Log.NotReady(Plan.ReadinessDelay);
            await WaitAsync(_cutNow.Task, Plan.ReadinessDelay).ConfigureAwait(false);
        }

        _stopping = true;
        Log.Stopping(_server.Clients.Count);
        if (Plan.Spread > TimeSpan.Zero)
            await DrainAsync().ConfigureAwait(false);

        long began = _time.GetTimestamp();
        TimeSpan timeout = Plan.Timeout ?? _stopTimeout;
        _closing = true;
        _table.BeginStop();
        StopListening();
        Task[] accepting;
        lock (_accepting)
            accepting = [.. _accepting];
        await Task.WhenAll(accepting).ConfigureAwait(false);

        foreach (ConnectionLifetime connection in _table.Snapshot())
            connection.BeginStop(Plan.Code, Plan.NextReason());
        await WaitAsync(Task.WhenAny(_table.WhenEmpty(), _cutNow.Task), timeout).ConfigureAwait(false);

        foreach (ConnectionLifetime connection in _table.Snapshot())
            connection.EndStop(isCancelled: _cutNow.Task.IsCompleted);
        await WaitAsync(_table.WhenEmpty(), UnwindTime).ConfigureAwait(false);
        await WaitForHandlersAsync(began, timeout).ConfigureAwait(false);

        Heartbeat.Dispose();
        StopLoops();
        // A client whose handler blocks its thread is still in the registry.
        WebSocketClient[] blocked = [.. _server.Clients];
        var result = new StopResult
        {
            ClosedCleanly = _closedCleanly,
            Aborted = _closedOtherwise + blocked.Length,
            Unfinished = _outliving.Count,
            Cut = WhoWasCut(blocked),
        };
        Log.Stopped(result.ClosedCleanly, result.Aborted, result.Unfinished);
        foreach (IGrouping<CutReason, CutClient> cut in result.Cut.GroupBy(cut => cut.Why))
            Log.Cut(cut.Count(), cut.Key, string.Join(", ", cut.Take(MostCutNames).Select(cut => cut.Client.Id)));
        return result;
    }

    // In random order, each at its time. Those that connect from now on are refused, or closed when they open.
    private async Task DrainAsync()
    {
        long began = _time.GetTimestamp();
        ConnectionLifetime[] clients = [.. _table.Snapshot().Where(connection => connection.IsOpen)];
        Random.Shared.Shuffle(clients);
        for (int i = 0; i < clients.Length && !_cutNow.Task.IsCompleted; i++)
        {
            TimeSpan left = Plan.Due(i, clients.Length) - _time.GetElapsedTime(began);
            if (left > TimeSpan.Zero && clients[i].IsOpen)
                await WaitAsync(Task.WhenAny(clients[i].WhenClosed(), _cutNow.Task), left).ConfigureAwait(false);
            clients[i].BeginDrain(Plan.Code, Plan.NextReason());
        }
    }

    private List<CutClient> WhoWasCut(WebSocketClient[] blocked)
    {
        lock (_cut)
            return [.. _cut, .. blocked.Except(_cut.Select(cut => cut.Client)).Select(client => new CutClient(client, CutReason.HandlerRunning))];
    }

    // The list that counts: the server's, or that of a path.
    private static string ListOf(string option, WebSocketPath? path) => path is null ? $"options.{option}" : $"the PathOptions of \"{path}\": {option}";

    private static bool IsFirst(ref int logged) => Interlocked.Exchange(ref logged, 1) == 0;

    // With a host's context, wait only as long as handlers keep ending: the context's thread may be blocked by this stop.
    private async Task WaitForHandlersAsync(long began, TimeSpan timeout)
    {
        TimeSpan left = timeout - _time.GetElapsedTime(began);
        while (_outliving.Count > 0 && left > TimeSpan.Zero && !_cutNow.Task.IsCompleted)
        {
            int ended = _outliving.Ended;
            await WaitAsync(Task.WhenAny(_outliving.WhenNone(), _cutNow.Task), _hasEventContext && left > UnwindTime ? UnwindTime : left).ConfigureAwait(false);
            if (_outliving.Ended == ended)
                return;
            left = timeout - _time.GetElapsedTime(began);
        }
    }

    // A timeout is not an error here.
    private async Task WaitAsync(Task what, TimeSpan timeout) =>
        await what.WaitAsync(timeout, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private void Beat(long now)
    {
        _table.Beat(now);
        Relieve();
        MeasureLag();
    }

    private void MeasureLag()
    {
        if (!_server.Metrics.MeasuresLag)
            return;
        _server.Metrics.TimerRan(Heartbeat.Lateness);
        if (OperatingSystem.IsLinux() && _loops is not null)
            _server.Metrics.LoopTurned(_loops.TakeLongestTurn());
    }

    private void Relieve() => Budget.Relieve(_table.Snapshot, Heartbeat);

    private static async Task FollowAsync(ClientSession session, BroughtConnection transport, CancellationToken cancellationToken)
    {
        await Turn.ToOthers; // the host's thread must not run handlers
        bool isCut = false;
        using (cancellationToken.UnsafeRegister(
            _ => isCut = session.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, "")), null))
            await session.RunAsync().ConfigureAwait(false); // after the registration: it may run handlers before it returns
        await transport.WhenClosed().ConfigureAwait(false);
        await session.WhenTold().ConfigureAwait(false);
        if (isCut)
            throw new OperationCanceledException("The connection was cut because the token was cancelled.", cancellationToken);
    }

    private void Accept(ListenTarget target, IReadOnlyList<TransportListener> listeners)
    {
        foreach (TransportListener listener in listeners)
        {
            Log.Listening(listener.LocalEndPoint);
            Task accepting = listener.RunAsync(transport => Accepted(transport, target), trouble => Log.AcceptTrouble(trouble, listener.LocalEndPoint), _time);
            lock (_accepting)
            {
                _accepting.RemoveAll(ended => ended.IsCompleted);
                _accepting.Add(accepting);
            }
        }
    }

    private void HandlerBlocksLoop(TransportConnection connection)
    {
        if (IsFirst(ref _blockedLoopLogged))
            Log.HandlerBlocksLoop(connection.RemoteEndPoint);
    }

    private void StopLoops()
    {
        if (OperatingSystem.IsLinux())
            _loops?.Stop();
    }

    private void Accepted(TransportConnection transport, ListenTarget target)
    {
        if (target.Tls is { } authentication)
            transport = new TlsTransportConnection(transport, authentication, Budget.Pool);
        ClientSession session = Enter(transport, target.ProxyProtocol, out ConnectionLifetime? givesWay);
        AbortInFlood(session, givesWay);
        session.Start();
    }

    private ClientSession Enter(TransportConnection transport, bool expectsProxyHeader, out ConnectionLifetime? givesWay, bool isAnsweredWhileStopping = true)
    {
        var session = new ClientSession(_server, this, transport, expectsProxyHeader);
        _table.Add(session, out givesWay, isAnsweredWhileStopping);
        givesWay?.GiveWay();
        return session;
    }

    // A connection that is not admitted gets an answer, unless too many are being answered already. Of two, the one that gave way is cut.
    private void AbortInFlood(ClientSession session, ConnectionLifetime? gaveWay)
    {
        if (session.Admission != Admission.Admitted && _table.IsFlooded)
            (gaveWay ?? session).Transport.Abort();
    }

    // What holds for clients that connect now. One object, so that what a path makes of it can never be a mixture of before and after a change.
    private sealed class ClientRules(ConnectionSettings settings, WebSocketServerOptions options)
    {
        public ConnectionSettings Settings { get; } = settings;

        public AccessRules Access { get; } = new(new HostRules(options.AllowedHosts), new OriginRules(options.AllowedOrigins));

        public IReadOnlyCollection<string> Subprotocols { get; } = [.. options.Subprotocols];

        /// <summary>What the options of each path make of it.</summary>
        public ConcurrentDictionary<WebSocketPath, ServedPath> Paths { get; } = [];
    }
}
