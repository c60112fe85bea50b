using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;

namespace WebSocketServerKit.Connections.Watching;

/// <summary>What the heartbeat asks of one connection that is open or runs handlers: does the peer live, does it take what is sent, are handlers slow?</summary>
/// <remarks>A struct, so that it costs an idle connection no object of its own.</remarks>
internal struct ConnectionWatch(long now)
{
    private KeepAlive _keepAlive = new(now);
    private PingLatency _ping = new();
    private SlowHandlers? _slowHandlers; // while handlers run

    /// <summary>The time between the latest ping and its pong, or null before the first.</summary>
    public readonly TimeSpan? Latency => _ping.Latency;

    /// <summary>A read brought something.</summary>
    public void Heard(long now) => _keepAlive.Heard(now);

    public void PongReceived(ConnectionLifetime connection, ReadOnlySpan<byte> payload) => _ping.End(connection.Heartbeat, payload);

    /// <summary>Sends a Ping, unless one is under way that may still be answered in time. Completes with the time to the Pong; with null if the connection ends before.</summary>
    public Task<TimeSpan?> PingAsync(ConnectionLifetime connection)
    {
        Task<TimeSpan?> answer = _ping.WhenAnswered();
        Span<byte> payload = stackalloc byte[PingLatency.PayloadSize];
        if (!connection.IsOpen)
            _ping.Abandon();
        else if (_ping.TryBegin(connection.Heartbeat, connection.Settings.PingTimeout, payload))
            connection.Queue.Ping(payload);
        return answer;
    }

    /// <summary>The connection ends, as everybody can see already.</summary>
    public void End() => _ping.Abandon();

    /// <summary>Looks at the peer of an open connection: pings it, or ends the connection.</summary>
    public void BeatOpen(ConnectionLifetime connection, long now)
    {
        if (_keepAlive.IsSilent(now))
            connection.Transport.ReleaseIdle();

        bool isDraining = connection.Queue.IsDraining;
        KeepAliveAction action = _keepAlive.Beat(
            now,
            connection.Heartbeat.ToTimestamp(connection.Settings.PingInterval),
            connection.Heartbeat.ToTimestamp(connection.Settings.PingTimeout),
            holdingBack: (connection.Handlers.IsRunning && !connection.Receive.SeesAll) || connection.Receive.IsHoldingBack,
            isDraining,
            isDraining ? connection.Transport.BytesTaken : 0);

        switch (action)
        {
            case KeepAliveAction.Ping:
                Ping(connection);
                break;
            case KeepAliveAction.PingTimeout when connection.Transport.HasUnread:
                // Unread bytes are an answer: this side was slow.
                _keepAlive.Heard(now);
                break;
            case KeepAliveAction.PingTimeout:
                connection.Abort(new ConnectionEnding(DisconnectCause.PingTimeout, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));
                break;
            case KeepAliveAction.SendTimeout:
                connection.Abort(new ConnectionEnding(DisconnectCause.SendTimeout, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));
                break;
        }
    }

    /// <summary>Looks at handlers: those that still run at the second beat have the peer looked at for them, and are reported when they are slow.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="now">The time of this beat.</param>
    /// <param name="run">The value of <see cref="HandlerScope.Run"/>; odd while handlers run.</param>
    public void BeatHandlers(ConnectionLifetime connection, long now, long run)
    {
        if ((run & 1) == 0)
        {
            _slowHandlers = null;
            return;
        }

        if (_slowHandlers is null || !_slowHandlers.AreStill(run))
        {
            _slowHandlers = new SlowHandlers(run, now);
            return;
        }

        connection.LookAtPeer(run);
        if (_slowHandlers.IsFirstOver(now, connection.Heartbeat.ToTimestamp(connection.Settings.SlowHandlerThreshold)))
            connection.HandlersAreSlow();
    }

    private void Ping(ConnectionLifetime connection)
    {
        Span<byte> payload = stackalloc byte[PingLatency.PayloadSize];
        _ping.Begin(connection.Heartbeat, payload);
        connection.Queue.Ping(payload);
    }
}
