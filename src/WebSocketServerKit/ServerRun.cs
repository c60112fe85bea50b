using System.Net;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit;

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
    private readonly List<TransportListener> _listeners = [];
    private readonly List<Task> _accepting = [];
    private volatile bool _stopping;
    private int _foreignHostLogged;
    private int _foreignOriginLogged;
    private int _subprotocolsLogged;
    private int _closedCleanly; // clients that left since it began to stop
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
        _table = new ConnectionTable(limits.MaxClients, options.MaxClientsPerRemoteAddress, options.MaxConcurrentHandshakes);
        Log = log;
        Settings = options.ToConnectionSettings();
        Access = new AccessRules(new HostRules(options.AllowedHosts), new OriginRules(options.AllowedOrigins));
        Subprotocols = [.. options.Subprotocols];

        try
        {
            foreach (IPEndPoint endPoint in options.EndPoints)
                _listeners.Add(TransportListener.Start(endPoint, options.Backlog, [.. _listeners.Select(listener => listener.LocalEndPoint)]));
        }
        catch
        {
            foreach (TransportListener listener in _listeners)
                listener.Dispose();
            throw;
        }

        EndPoints = [.. _listeners.Select(listener => listener.LocalEndPoint)];
        Heartbeat = new Heartbeat(_time, options.HeartbeatInterval, _table.Beat);
        foreach (TransportListener listener in _listeners)
        {
            log.Listening(listener.LocalEndPoint);
            _accepting.Add(listener.RunAsync(Accepted, trouble => log.AcceptTrouble(trouble, listener.LocalEndPoint), _time));
        }
    }

    public ServerLog Log { get; }

    public ConnectionSettings Settings { get; }

    public Heartbeat Heartbeat { get; }

    public AccessRules Access { get; }

    public IReadOnlyCollection<string> Subprotocols { get; }

    /// <summary>Where it really listens.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints { get; }

    public bool IsStopping => _stopping;

    public DateTimeOffset UtcNow() => _time.GetUtcNow();

    public void HandshakeEnded(ClientSession session)
    {
        if (session.Admission == Admission.Admitted)
            _table.HandshakeEnded();
    }

    /// <summary>A client is out of the registry.</summary>
    public void ClientClosed(bool cleanly)
    {
        if (_stopping)
            Interlocked.Increment(ref cleanly ? ref _closedCleanly : ref _closedOtherwise);
    }

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

    /// <summary>No new clients, 1001 to everyone, then a cut for those that are still there. Call it once.</summary>
    public async Task<StopResult> StopAsync(CancellationToken cutNow)
    {
        _stopping = true;
        _table.BeginStop();
        Log.Stopping(_server.Clients.Count);
        foreach (TransportListener listener in _listeners)
            listener.Dispose();
        await Task.WhenAll(_accepting).ConfigureAwait(false);

        foreach (ConnectionLifetime connection in _table.Snapshot())
            connection.BeginStop();
        await WaitForEmptyAsync(_stopTimeout, cutNow).ConfigureAwait(false);

        foreach (ConnectionLifetime connection in _table.Snapshot())
            connection.EndStop();
        await WaitForEmptyAsync(UnwindTime, CancellationToken.None).ConfigureAwait(false);

        Heartbeat.Dispose();
        // Those whose handlers block a thread are listed still.
        var result = new StopResult(_closedCleanly, _closedOtherwise + _server.Clients.Count);
        Log.Stopped(result.ClosedCleanly, result.Cut);
        return result;
    }

    private static bool IsFirst(ref int logged) => Interlocked.Exchange(ref logged, 1) == 0;

    private async Task WaitForEmptyAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        // Neither a timeout nor a cancellation is an error here.
        await ((Task)_table.WhenEmpty().WaitAsync(timeout, _time, cancellationToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Accepted(TransportConnection transport)
    {
        var session = new ClientSession(_server, this, transport);
        // Those who are turned away get an answer, unless they come in such a flood that the answers themselves would be the burden.
        if (_table.Add(session) != Admission.Admitted && _table.TurnedAway > _maxTurnedAway)
            transport.Abort();
        _ = session.RunAsync();
    }
}
