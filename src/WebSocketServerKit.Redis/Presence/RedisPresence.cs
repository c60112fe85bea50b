using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Presence;

namespace WebSocketServerKit;

/// <summary>
/// Who is online in the whole cluster. Each server has one, with the same Redis and the same prefix; it tells Redis who is connected to its server, and answers for all servers:
/// <code>
/// await using var presence = new RedisPresence(server, redis, "chat");
/// await presence.StartAsync();
/// if (await presence.IsOnlineAsync("alice")) …
/// </code>
/// </summary>
/// <remarks>
/// <para>
/// It follows the server's change feed (<see cref="ClientRegistry.WatchAsync"/>), so answers lag behind by the time of a call to Redis, and by more while Redis is away. Nobody waits for Redis to
/// connect, to join a group or to leave. Changes that wait are kept as one per client at most.
/// </para>
/// <para>
/// A server that has died, or that Redis has not heard of for its <see cref="RedisPresenceOptions.Expiry"/>, has no clients in any answer from then on, by Redis' clock; those of servers do not matter. (After a failover it is that of the replica: keep the clocks of both together.)
/// Any other server removes what is left of it. A server that was only paused, and one whose Redis has lost its contents, notices at its next heartbeat and writes all its clients anew; until that is done
/// they are missing in answers.
/// </para>
/// <para>
/// All keys are named <c>{prefix}:presence:…</c>, with the braces, so that the whole presence is in one hash slot, and on one node, of a Redis cluster. Redis must not evict keys without an
/// expiry: <c>maxmemory-policy</c> is <c>noeviction</c> (the default) or one of <c>volatile-*</c>.
/// </para>
/// <para>
/// Thread-safe. Queries may be called before <see cref="StartAsync"/> and after <see cref="DisposeAsync"/>. They throw what the connection throws while Redis is away: a
/// <see cref="RedisConnectionException"/>, a <see cref="RedisTimeoutException"/> (a <see cref="TimeoutException"/>) after the timeout of the connection, or a <see cref="RedisServerException"/> while it
/// does not serve. Following goes on by itself, and logs when it is interrupted and when it is up to date again.
/// </para>
/// </remarks>
public sealed partial class RedisPresence : IAsyncDisposable
{
    // Those that follow a server. Two of the same cluster would count its clients twice.
    private static readonly ConditionalWeakTable<WebSocketServer, List<RedisPresence>> Following = [];

    private readonly WebSocketServer _server;
    private readonly IConnectionMultiplexer _redis;
    private readonly string _prefix;
    private readonly PresenceStore _store;
    private readonly PresenceLog _log;
    private readonly PresenceFollower _follower;
    private readonly PresenceRemover _remover;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private Task? _running;
    private Task? _disposal;

    /// <summary>Makes the presence of one server. It does nothing before <see cref="StartAsync"/>.</summary>
    /// <param name="server">Whose clients Redis is told. It may be started before or after, stopped and started again.</param>
    /// <param name="redis">The connection. It stays the caller's, and has to be open until <see cref="DisposeAsync"/> has completed.</param>
    /// <param name="prefix">Names the application: the servers with the same prefix are one cluster. Not empty, without braces.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="loggerFactory">Null to log nothing.</param>
    /// <exception cref="ArgumentException">The prefix, or a value of the options, cannot be used.</exception>
    public RedisPresence(WebSocketServer server, IConnectionMultiplexer redis, string prefix, RedisPresenceOptions? options = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(redis);
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        if (prefix.AsSpan().ContainsAny('{', '}'))
            throw new ArgumentException($"The prefix is \"{prefix}\"; it must have no braces: the keys put it between their own.", nameof(prefix));
        RedisPresenceOptions copy = (options ?? new RedisPresenceOptions()).CheckedCopy();
        NodeId = server.NodeId;
        (_server, _redis, _prefix) = (server, redis, prefix);
        _store = new PresenceStore(redis, prefix);
        _log = new PresenceLog(new FaultTolerantLogger((loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<RedisPresence>()));
        _follower = new PresenceFollower(server, _store, NodeId, copy, _log);
        _remover = new PresenceRemover(_store, NodeId, copy, _log);
    }

    /// <summary>Names this server in the answers: its <see cref="WebSocketServer.NodeId"/>.</summary>
    public string NodeId { get; }

    /// <summary>
    /// Begins to tell Redis who is connected: first those who are. Completes when the server is known to Redis, or when the first attempt has failed; then it goes on trying, and the log tells why.
    /// So a Redis that is away keeps no server from starting.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait, but not the following: <see cref="DisposeAsync"/> does that.</param>
    /// <exception cref="InvalidOperationException">It is started already, or another one with the same connection and prefix follows the server.</exception>
    /// <exception cref="ObjectDisposedException">It is disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposal is not null, this);
            if (_running is not null)
                throw new InvalidOperationException("The presence is started already.");
            Follow();
            CancellationToken stopping = _stopping.Token;
            _running = Task.WhenAll(Task.Run(() => _follower.RunAsync(stopping), CancellationToken.None), Task.Run(() => _remover.RunAsync(stopping), CancellationToken.None));
        }

        return _follower.Tried.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Ends the following, and removes the server's clients from all answers at once, connected or not: call it when the server stops. Does not throw. If Redis does not answer it takes up to the
    /// timeouts of the connection, and the clients are gone after the expiry.
    /// </summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
            return new ValueTask(_disposal ??= EndAsync(isLeaving: true));
    }

    /// <summary>Ends the following as a crash would: Redis is not told.</summary>
    internal Task AbandonAsync()
    {
        lock (_gate)
            return _disposal ??= EndAsync(isLeaving: false);
    }

    private void Follow()
    {
        List<RedisPresence> following = Following.GetOrCreateValue(_server);
        lock (following)
        {
            if (following.Exists(other => other._redis == _redis && other._prefix == _prefix))
                throw new InvalidOperationException($"Another presence with the prefix \"{_prefix}\" follows this server. Use that one, or dispose of it first.");
            following.Add(this);
        }
    }

    private void Unfollow()
    {
        List<RedisPresence> following = Following.GetOrCreateValue(_server);
        lock (following)
            following.Remove(this);
    }

    private async Task EndAsync(bool isLeaving)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await (_running ?? Task.CompletedTask).ConfigureAwait(false);
        Unfollow();
        _stopping.Dispose();
        if (_running is null || !isLeaving)
            return;
        try
        {
            if (_follower.IsAway && !_redis.IsConnected)
            {
                _log.NotLeft(null, NodeId);
                return;
            }

            await _store.LeaveAsync(_follower.Registration).ConfigureAwait(false);
            await _remover.RemoveAsync(CancellationToken.None).ConfigureAwait(false);
        }
        // Whatever the connection throws: it must not keep a program from stopping.
        catch (Exception exception)
        {
            _log.NotLeft(exception, NodeId);
        }
    }
}
