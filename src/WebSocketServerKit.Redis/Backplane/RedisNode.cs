using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Backplane;

/// <summary>
/// One client of Redis, with the channels that the servers of a <see cref="RedisBackplane"/> have subscribed to. Redis gives it each message once, also if several servers want it. Thread-safe.
/// </summary>
internal sealed partial class RedisNode : IAsyncDisposable
{
    private readonly IConnectionMultiplexer _multiplexer;
    private readonly bool _ownsMultiplexer;
    private readonly string _prefix;
    private readonly RedisBackplaneOptions _options;
    private readonly RedisLog _log;
    private readonly ISubscriber _subscriber;
    private readonly Interest _interest;
    private readonly Announcements _announcements;
    private readonly Inbox _inbox;

    // Subscribing and unsubscribing wait for each other, channel by channel.
    private readonly SemaphoreSlim[] _gates = [.. Enumerable.Range(0, 256).Select(static _ => new SemaphoreSlim(1, 1))];
    private readonly ConcurrentDictionary<string, SubscribedChannel> _channels = new(StringComparer.Ordinal); // Redis has confirmed them

    private volatile ChannelNames? _names; // null until the first connection

    public RedisNode(IConnectionMultiplexer multiplexer, bool ownsMultiplexer, string prefix, RedisBackplaneOptions options)
    {
        (_multiplexer, _ownsMultiplexer, _prefix, _options) = (multiplexer, ownsMultiplexer, prefix, options);
        _log = new RedisLog(new FaultTolerantLogger((options.LoggerFactory ?? NullLoggerFactory.Instance).CreateLogger("WebSocketServerKit.Redis")));
        _subscriber = multiplexer.GetSubscriber();
        _interest = new Interest(options.Time);
        _announcements = new Announcements(_subscriber, _interest, options.Time, _log);
        _inbox = new Inbox(options, _log);
        Outbox = new Outbox(multiplexer, _interest, _channels.ContainsKey, options, _log);
        RedisMetrics.Add(this);
    }

    public Outbox Outbox { get; }

    public long ChannelCount => _channels.Count;

    public async Task SubscribeAsync(IBackplaneReceiver receiver, string channel)
    {
        ChannelNames names = _names ?? throw new IOException("Redis has not been connected yet.");
        using (await EnterAsync(channel).ConfigureAwait(false))
        {
            if (_channels.TryGetValue(channel, out SubscribedChannel? subscribed))
            {
                subscribed.Add(receiver);
            }
            else
            {
                subscribed = new SubscribedChannel(channel, _inbox);
                subscribed.Add(receiver);
                subscribed.Start(await SubscribeAsync(channel, names.Of(channel)).ConfigureAwait(false));
                _channels[channel] = subscribed;
            }
        }

        try
        {
            await _announcements.AnnounceAsync(channel).ConfigureAwait(false);
        }
        catch
        {
            await UnsubscribeAsync(receiver, channel, CommandFlags.FireAndForget).ConfigureAwait(false);
            throw;
        }
    }

    public Task UnsubscribeAsync(IBackplaneReceiver receiver, string channel) => UnsubscribeAsync(receiver, channel, CommandFlags.None);

    public bool IsWanted(IBackplaneReceiver receiver, string channel) =>
        _interest.IsWanted(channel) || (_channels.TryGetValue(channel, out SubscribedChannel? subscribed) && Array.Exists(subscribed.Receivers, other => other != receiver));

    /// <returns>How many servers other than the publishing one have it.</returns>
    public async Task<int> PublishAsync(IBackplaneReceiver publisher, string channel, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        // For Redis the servers of this node are one.
        IBackplaneReceiver[] servers = _channels.TryGetValue(channel, out SubscribedChannel? subscribed) ? subscribed.Receivers : [];
        long clients = await Outbox.PublishAsync(channel, message, cancellationToken).ConfigureAwait(false);
        return (int)Math.Max(0, clients - Math.Min(1, servers.Length)) + servers.Count(server => server != publisher);
    }

    /// <summary>Ends all subscriptions of a server. Does not wait for Redis.</summary>
    public async Task RemoveAsync(IBackplaneReceiver receiver)
    {
        Task removing = Task.Run(() => Task.WhenAll(
            _channels.Where(channel => channel.Value.IsSubscribed(receiver)).Select(channel => UnsubscribeAsync(receiver, channel.Key, CommandFlags.FireAndForget))));
        await removing.Observed().WaitAsync(_options.StopPatience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // What is left goes on: there are very many, or a subscription waits for Redis.
    }

    public async ValueTask DisposeAsync()
    {
        RedisMetrics.Remove(this);
        foreach (SubscribedChannel channel in _channels.Values)
            channel.Clear();
        await StopWatchingAsync().ConfigureAwait(false);
        _announcements.Close();
        await Outbox.FlushAsync().WaitAsync(_options.StopPatience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_ownsMultiplexer)
        {
            await _multiplexer.CloseAsync(allowCommandsToComplete: false).ConfigureAwait(false);
            await _multiplexer.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<ChannelMessageQueue> SubscribeAsync(string channel, RedisChannel name)
    {
        try
        {
            return await _subscriber.SubscribeAsync(name, CommandFlags.DemandMaster).ConfigureAwait(false);
        }
        catch (RedisTimeoutException)
        {
            _ = EndLateAsync(channel, name);
            throw;
        }
        catch
        {
            // The client would go on to subscribe, without a reader.
            _ = _subscriber.UnsubscribeAsync(name, null, CommandFlags.FireAndForget);
            throw;
        }
    }

    private async Task EndLateAsync(string channel, RedisChannel name)
    {
        using (await EnterAsync(channel).ConfigureAwait(false))
        {
            if (!_channels.ContainsKey(channel))
                await LateSubscription.EndAsync(_subscriber, name).ConfigureAwait(false);
        }
    }

    private async Task UnsubscribeAsync(IBackplaneReceiver receiver, string channel, CommandFlags flags)
    {
        using (await EnterAsync(channel).ConfigureAwait(false))
        {
            if (!_channels.TryGetValue(channel, out SubscribedChannel? subscribed))
                return;
            subscribed.Remove(receiver);
            if (subscribed.Receivers.Length > 0)
                return;
            _channels.TryRemove(channel, out _);
            // After that and before Redis knows: see Outbox.
            _interest.Change(channel);
            await subscribed.StopAsync(flags).ConfigureAwait(false);
        }
    }

    private async Task<Exit> EnterAsync(string channel)
    {
        SemaphoreSlim gate = _gates[StringComparer.Ordinal.GetHashCode(channel) & 255];
        await gate.WaitAsync().ConfigureAwait(false);
        return new Exit(gate);
    }

    private readonly struct Exit(SemaphoreSlim gate) : IDisposable
    {
        public void Dispose() => gate.Release();
    }
}
