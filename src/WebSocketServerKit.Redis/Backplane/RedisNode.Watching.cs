using System.Diagnostics;
using System.Net;
using StackExchange.Redis;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Backplane;

// The connection: made, lost and restored.
internal sealed partial class RedisNode
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    // The client subscribes again by itself; after so many intervals it is asked to.
    private const int IntervalsOfPatience = 100;

    private readonly SemaphoreSlim _changed = new(0, 1);
    private readonly CancellationTokenSource _stopping = new();
    private Task _watching = Task.CompletedTask;
    private volatile bool _lost;
    private bool _countsAreExact;

    /// <summary>Whether Redis is connected, and has confirmed all subscriptions.</summary>
    public bool IsConnected => _names is not null && !_lost && _multiplexer.IsConnected;

    private string EndPoints => Format(_multiplexer.GetEndPoints(configuredOnly: true));

    /// <summary>Subscribes to what nodes tell each other.</summary>
    /// <exception cref="IOException">Redis cannot be reached.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _multiplexer.ConnectionFailed += OnChanged;
        _multiplexer.ConnectionRestored += OnChanged;
        _multiplexer.ConfigurationChanged += OnChanged;
        _multiplexer.HashSlotMoved += OnChanged;
        if (_multiplexer.IsConnected)
            await OpenAtStartAsync(cancellationToken).ConfigureAwait(false);
        if (_names is null)
        {
            if (!_options.StartWithoutRedis)
                throw Unreachable(_multiplexer.GetEndPoints(configuredOnly: true), null);
            _lost = true;
            _log.StartedWithoutRedis(EndPoints);
            OnChanged(this, EventArgs.Empty);
        }

        _watching = WatchAsync(_stopping.Token);
    }

    /// <summary>Redis is not there when a server starts.</summary>
    public static IOException Unreachable(IEnumerable<EndPoint> endPoints, Exception? exception) => new(
        $"Redis at {Format(endPoints)} cannot be reached. Check that it runs, and the address, password and TLS settings of the configuration; or set RedisBackplaneOptions.StartWithoutRedis to start "
        + $"without it.{(exception is null ? "" : " ")}{exception?.Message}", exception);

    private static string Format(IEnumerable<EndPoint> endPoints) => string.Join(", ", endPoints.Select(static endPoint => endPoint is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : $"{endPoint}"));

    private async Task OpenAtStartAsync(CancellationToken cancellationToken)
    {
        // The client counts as connected before it can subscribe.
        long begun = Stopwatch.GetTimestamp();
        for (int interval = 1; ; interval++)
        {
            try
            {
                await OpenAsync().Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                // A Redis that hangs takes far longer for each attempt.
                bool isOver = interval >= IntervalsOfPatience || Stopwatch.GetElapsedTime(begun) >= Interval * IntervalsOfPatience;
                if (isOver && _options.StartWithoutRedis)
                    return;
                if (isOver)
                    throw Unreachable(_multiplexer.GetEndPoints(configuredOnly: true), exception);
            }

            await Task.Delay(Interval, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task OpenAsync()
    {
        IServer[] servers = [.. _multiplexer.GetServers().Where(static server => server.IsConnected)];
        bool sharded = _options.PubSub == RedisPubSub.Sharded || (_options.PubSub == RedisPubSub.Auto && Array.TrueForAll(servers, static server => server.Version.Major >= 7));
        ChannelNames names = new(_prefix, sharded);
        await _announcements.OpenAsync(names).ConfigureAwait(false);
        // In a cluster, classic messages are counted by one server of many.
        _interest.Trust(_countsAreExact = sharded || !Array.Exists(servers, static server => server.ServerType == ServerType.Cluster));
        Outbox.Open(names);
        _names = names;
        _log.Connected(EndPoints, sharded ? RedisPubSub.Sharded : RedisPubSub.Classic, _prefix);
    }

    // Announcements may have been missed, and Redis may have dropped own subscriptions, which the counts of its answers would show as missing.
    private void OnChanged(object? sender, EventArgs e)
    {
        try
        {
            _changed.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is told already.
        }

        // After that: see TryRestoreAsync.
        _interest.Trust(false);
    }

    private async Task WatchAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                await _changed.WaitAsync(stopping).ConfigureAwait(false);
                for (int interval = 1; !await TryRestoreAsync(interval).ConfigureAwait(false); interval++)
                    await Task.Delay(Interval, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task<bool> TryRestoreAsync(int interval)
    {
        try
        {
            _interest.Trust(false);
            if (!_multiplexer.IsConnected || !AreConfirmed())
            {
                if (!_lost)
                    _log.Lost(EndPoints);
                _lost = true;
                if (interval % IntervalsOfPatience == 0 && _multiplexer.IsConnected)
                    await _multiplexer.ConfigureAsync().ConfigureAwait(false);
                if (_names is not null || !_multiplexer.IsConnected)
                    return false;
            }

            if (_names is null)
                await OpenAsync().ConfigureAwait(false);
            _interest.Trust(_countsAreExact);
            // What has changed since it was confirmed has ended a trust that was given only now.
            if (_changed.CurrentCount > 0)
            {
                _interest.Trust(false);
                return true; // and all of it is looked at anew
            }

            // While the subscriptions were gone, other nodes have seen that nobody listens.
            await _announcements.AnnounceAllAsync().ConfigureAwait(false);
            if (_lost)
                _log.Restored(EndPoints, _channels.Count, Outbox.TakeLost());
            _lost = false;
            return true;
        }
        // A cancellation too: it is that of the client, not of the watch.
        catch (Exception)
        {
            return false;
        }
    }

    private bool AreConfirmed() =>
        _names is { } names && _announcements.AreHeard && _channels.All(channel => _subscriber.SubscribedEndpoint(names.Of(channel.Key)) is not null);

    private async Task StopWatchingAsync()
    {
        _multiplexer.ConnectionFailed -= OnChanged;
        _multiplexer.ConnectionRestored -= OnChanged;
        _multiplexer.ConfigurationChanged -= OnChanged;
        _multiplexer.HashSlotMoved -= OnChanged;
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _watching.WaitAsync(_options.StopPatience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
