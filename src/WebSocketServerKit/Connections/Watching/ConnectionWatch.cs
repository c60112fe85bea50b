using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Receiving;

namespace WebSocketServerKit.Connections.Watching;

/// <summary>
/// The checks of one connection at each beat: is the peer alive, does it take what is sent, are handlers slow?
/// <para>Only the heartbeat calls the <c>Beat</c> methods; the others may be called from any thread. A struct, so that it costs an idle connection no object of
/// its own.</para>
/// </summary>
internal struct ConnectionWatch(long now)
{
    private KeepAlivePings _keepAlive = new(now);
    private PingLatency _ping = new();
    private SlowHandlers? _slowHandlers; // null unless the last beat saw handlers run

    /// <summary>The time between the latest ping and its pong, or null before the first.</summary>
    public readonly TimeSpan? Latency => _ping.Latency;

    /// <summary>Notes that bytes were received.</summary>
    public void Heard(long now) => _keepAlive.Heard(now);

    public void PongReceived(ConnectionLifetime connection, ReadOnlySpan<byte> payload)
    {
        if (_ping.End(connection.Heartbeat, payload) is { } roundTrip)
            connection.Settings.Metrics?.PingAnswered(roundTrip);
    }

    /// <summary>Sends a ping, unless one is already waiting for its pong and has not timed out. Completes with the round-trip time; with null if the connection ends before the pong.</summary>
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

    /// <summary>Ends the wait for a pong. The connection is marked as ending before.</summary>
    public void End() => _ping.Abandon();

    /// <summary>Checks the peer of an open connection: pings it if it is silent, and cuts the connection if it does not answer or does not read.</summary>
    public void BeatOpen(ConnectionLifetime connection, long now)
    {
        if (_keepAlive.IsSilent(now))
            connection.Transport.ReleaseIdle();

        bool isDraining = connection.Queue.IsDraining;
        KeepAliveAction action = _keepAlive.Beat(
            now,
            connection.Heartbeat.ToTimestamp(connection.Settings.PingInterval),
            connection.Heartbeat.ToTimestamp(connection.Settings.PingTimeout),
            holdingBack: ((connection.Receive.WatchedRun & 1) != 0 && !connection.Receive.SeesAll) || connection.Receive.IsHoldingBack,
            isDraining,
            isDraining ? connection.Transport.BytesTaken : 0);

        switch (action)
        {
            case KeepAliveAction.Ping:
                Ping(connection);
                break;
            case KeepAliveAction.PingTimeout when connection.Transport.HasUnread:
                // Unread bytes are a sign of life: the server has not read them yet.
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

    /// <summary>Checks the handlers. While the same ones run for a second beat, the connection reads ahead. They are logged once they are slow.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="now">The time of this beat.</param>
    /// <param name="run">The value of <see cref="ReceiveLoop.WatchedRun"/>; odd while the loop waits for handlers.</param>
    public void BeatHandlers(ConnectionLifetime connection, long now, long run)
    {
        if ((run & 1) == 0)
        {
            _slowHandlers = null;
            return;
        }

        if (_slowHandlers is null || !_slowHandlers.IsSameRun(run))
        {
            _slowHandlers = new SlowHandlers(run, now);
            return;
        }

        connection.LookAtPeer(run);
        if (_slowHandlers.ShouldReport(now, connection.Heartbeat.ToTimestamp(connection.Settings.SlowHandlerThreshold)))
            connection.HandlersAreSlow();
    }

    private void Ping(ConnectionLifetime connection)
    {
        Span<byte> payload = stackalloc byte[PingLatency.PayloadSize];
        _ping.BeginOrRepeat(connection.Heartbeat, connection.Settings.PingTimeout, payload);
        connection.Queue.Ping(payload);
    }
}
