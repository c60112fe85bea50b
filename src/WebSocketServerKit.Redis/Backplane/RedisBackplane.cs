using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using StackExchange.Redis;
using WebSocketServerKit.Backplane;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit;

/// <summary>
/// Connects servers of several machines through the publish/subscribe of Redis: <c>server.UseRedis("redis:6379", "chat")</c>. Thread-safe. There is nothing to dispose of: it is connected to Redis
/// from the start of its first server to the stop of its last.
/// </summary>
/// <remarks>
/// <para>While Redis is lost, the server goes on with its own clients, and messages for those of other servers are dropped. When Redis is back, all channels are subscribed to again.</para>
/// <para>Messages are delivered at most once. One that is published while a connection breaks may be lost.</para>
/// <para>Servers of one process that share a backplane are one for Redis: in a <see cref="BroadcastReport"/> of another process they count as one, and it may be complete when the first of them has answered.</para>
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "A semaphore without a wait handle has nothing to dispose of.")]
public sealed class RedisBackplane : IBackplane
{
    // Two nodes of one client are one subscriber for Redis, so neither could tell from its counts that the other is there.
    private static readonly ConditionalWeakTable<IConnectionMultiplexer, HashSet<string>> Shared = [];

    private readonly ConfigurationOptions? _configuration;
    private readonly IConnectionMultiplexer? _multiplexer;
    private readonly string _prefix;
    private readonly RedisBackplaneOptions _options;
    private readonly SemaphoreSlim _gate = new(1, 1); // guards the next two
    private RedisNode? _node;
    private int _connections;

    /// <summary>Makes one with a client of its own.</summary>
    /// <param name="configuration">Where Redis is, as StackExchange.Redis reads it: <c>redis:6379,password=…,ssl=true</c>.</param>
    /// <param name="prefix">Begins the names of all channels: servers that are to act as one have the same, other applications of that Redis have others. Not empty.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <exception cref="ArgumentException">The configuration cannot be read, the prefix is empty, or an option is out of its range.</exception>
    public RedisBackplane(string configuration, string prefix, RedisBackplaneOptions? options = null)
        : this(prefix, options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(configuration);
        _configuration = ConfigurationOptions.Parse(configuration);
        _configuration.AbortOnConnectFail = !_options.StartWithoutRedis;
        // What waits for a lost Redis would come late.
        _configuration.BacklogPolicy = BacklogPolicy.FailFast;
        // A message that has timed out keeps its exception until Redis answers.
        _configuration.IncludeDetailInExceptions = false;
        // The client's own waits for up to a minute between its attempts.
        _configuration.ReconnectRetryPolicy = new ExponentialRetry(deltaBackOffMilliseconds: 1_000, maxDeltaBackOffMilliseconds: 10_000);
    }

    /// <summary>Makes one with a client of the application, which is not disposed of. Connect all servers of that client and prefix with one backplane.</summary>
    /// <param name="multiplexer">The client.</param>
    /// <param name="prefix">Begins the names of all channels: servers that are to act as one have the same, other applications of that Redis have others. Not empty.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <exception cref="ArgumentException">The prefix is empty, or an option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The client has a backplane with that prefix already.</exception>
    public RedisBackplane(IConnectionMultiplexer multiplexer, string prefix, RedisBackplaneOptions? options = null)
        : this(prefix, options)
    {
        ArgumentNullException.ThrowIfNull(multiplexer);
        _multiplexer = multiplexer;
        HashSet<string> prefixes = Shared.GetOrCreateValue(multiplexer);
        lock (prefixes)
        {
            if (!prefixes.Add(prefix))
                throw new InvalidOperationException($"The client has a RedisBackplane with the prefix \"{prefix}\" already. Use that one for all servers: server.UseBackplane(backplane).");
        }
    }

    /// <summary>No server has it, and none will: the client may have another one with the prefix.</summary>
    internal void GiveUp()
    {
        if (_multiplexer is null || !Shared.TryGetValue(_multiplexer, out HashSet<string>? prefixes))
            return;
        lock (prefixes)
            prefixes.Remove(_prefix);
    }

    private RedisBackplane(string prefix, RedisBackplaneOptions? options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(prefix);
        _prefix = prefix;
        _options = (options ?? new RedisBackplaneOptions()).CheckedCopy();
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">Redis cannot be reached, and <see cref="RedisBackplaneOptions.StartWithoutRedis"/> is false.</exception>
    public async ValueTask<IBackplaneConnection> ConnectAsync(IBackplaneReceiver receiver, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(receiver);
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _node ??= await StartNodeAsync(cancellationToken).ConfigureAwait(false);
            _connections++;
            return new RedisConnection(_node, receiver, ReleaseAsync);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<RedisNode> StartNodeAsync(CancellationToken cancellationToken)
    {
        IConnectionMultiplexer multiplexer = _multiplexer ?? await ConnectAsync(_configuration!, cancellationToken).ConfigureAwait(false);
        var node = new RedisNode(multiplexer, ownsMultiplexer: _multiplexer is null, _prefix, _options);
        try
        {
            await node.StartAsync(cancellationToken).ConfigureAwait(false);
            return node;
        }
        catch
        {
            await node.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task<IConnectionMultiplexer> ConnectAsync(ConfigurationOptions configuration, CancellationToken cancellationToken)
    {
        Task<ConnectionMultiplexer> connecting = ConnectionMultiplexer.ConnectAsync(configuration).Observed();
        try
        {
            return await connecting.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (RedisException exception)
        {
            throw RedisNode.Unreachable(configuration.EndPoints, exception);
        }
        catch (OperationCanceledException)
        {
            _ = connecting.ContinueWith(static late => late.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            throw;
        }
    }

    private async Task ReleaseAsync(IBackplaneReceiver receiver)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            RedisNode node = _node!;
            bool last = --_connections == 0;
            if (last)
                _node = null;
            // A connection that ends takes its subscriptions with it.
            if (!last || _multiplexer is not null)
                await node.RemoveAsync(receiver).ConfigureAwait(false);
            if (last)
                await node.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }
}
