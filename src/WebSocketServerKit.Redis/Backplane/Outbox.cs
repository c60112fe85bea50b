using System.Net;
using System.Runtime.InteropServices;
using StackExchange.Redis;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Backplane;

/// <summary>
/// Publishes messages, and bounds what waits for Redis. Thread-safe.
/// </summary>
/// <remarks>
/// A message counts until Redis has answered it, or the client has given it up with its connection. A timeout is no end: the client still holds the message. So what has timed out counts on until the same
/// server of Redis answers a later command, since each answers in order.
/// </remarks>
internal sealed class Outbox(IConnectionMultiplexer multiplexer, Interest interest, Func<string, bool> subscribes, RedisBackplaneOptions options, RedisLog log)
{
    /// <summary>What a message costs the client beyond its bytes and the name of its channel.</summary>
    public const int Overhead = 512;

    private readonly ISubscriber _subscriber = multiplexer.GetSubscriber();
    private readonly DropEpisode _aboveLimit = new(
        options.Time, () => log.PublishingTooFast(options.MaxPendingBytes), log.PublishingCaughtUp);
    private readonly Dictionary<EndPoint, long> _timedOut = []; // part of the pending, by the server that has to answer; locked for each use

    private volatile ChannelNames? _names;
    private long _pending;
    private long _lost;

    /// <summary>Bytes that Redis has not answered.</summary>
    public long PendingBytes => Volatile.Read(ref _pending);

    /// <summary>Messages can be published from now on.</summary>
    public void Open(ChannelNames names) => _names = names;

    /// <summary>How many messages a lost Redis has cost since the last call.</summary>
    public long TakeLost() => Interlocked.Exchange(ref _lost, 0);

    public bool TryPublish(string channel, ReadOnlyMemory<byte> message)
    {
        if (_names is not { } names || !multiplexer.IsConnected)
        {
            CountLost();
            return false;
        }

        int size = SizeOf(channel, message);
        if (!TryReserve(size))
        {
            RedisMetrics.DroppedAboveLimit();
            _aboveLimit.Count();
            return false;
        }

        _ = ObserveAsync(channel, names, message, size);
        return true;
    }

    /// <returns>How many clients of Redis have it.</returns>
    public async Task<long> PublishAsync(string channel, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int size = SizeOf(channel, message);
        if (_names is not { } names || !multiplexer.IsConnected)
            throw new IOException("Redis cannot be reached at this moment.");
        if (!TryReserve(size))
            throw new IOException($"More than {options.MaxPendingBytes} bytes wait for Redis (MaxPendingBytes).");
        try
        {
            return await SendAsync(channel, names, message, size).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            throw new IOException("Redis did not take the message.", exception);
        }
    }

    /// <summary>Waits until Redis has answered what was published before. Throws when it does not.</summary>
    public async Task FlushAsync()
    {
        if (PendingBytes > 0)
            await Task.WhenAll(multiplexer.GetServers().Where(static server => server is { IsConnected: true, IsReplica: false }).Select(static server => server.PingAsync())).ConfigureAwait(false);
    }

    private async Task ObserveAsync(string channel, ChannelNames names, ReadOnlyMemory<byte> message, int size)
    {
        try
        {
            await SendAsync(channel, names, message, size).ConfigureAwait(false);
        }
        catch (RedisTimeoutException)
        {
            // It may still arrive.
        }
        catch (Exception)
        {
            CountLost();
        }
    }

    private async Task<long> SendAsync(string channel, ChannelNames names, ReadOnlyMemory<byte> message, int size)
    {
        // In this order: whoever ends a subscription counts up the epoch after that.
        int epoch = interest.EpochOf(channel);
        int own = subscribes(channel) ? 1 : 0;
        RedisMetrics.Published();
        bool held = false;
        try
        {
            long clients = await _subscriber.PublishAsync(names.Of(channel), message).ConfigureAwait(false);
            if (clients <= own)
                interest.Nobody(channel, epoch);
            _aboveLimit.Calm();
            return clients;
        }
        catch (RedisTimeoutException)
        {
            held = TryHold(names.Of(channel), size);
            throw;
        }
        finally
        {
            if (!held)
                Interlocked.Add(ref _pending, -size);
        }
    }

    // Clients may have chosen the name of the channel.
    private static int SizeOf(string channel, ReadOnlyMemory<byte> message) => message.Length + channel.Length + Overhead;

    private bool TryReserve(int size)
    {
        if (Interlocked.Add(ref _pending, size) <= options.MaxPendingBytes)
            return true;
        Interlocked.Add(ref _pending, -size);
        return false;
    }

    // False: there is no server that could answer, and the client has given up the message with the connection.
    private bool TryHold(RedisChannel channel, int size)
    {
        IServer server;
        try
        {
            server = multiplexer.GetServer((byte[]?)channel, null, CommandFlags.DemandMaster);
        }
        catch (Exception exception) when (exception is RedisException or ObjectDisposedException)
        {
            return false;
        }

        lock (_timedOut)
        {
            ref long bytes = ref CollectionsMarshal.GetValueRefOrAddDefault(_timedOut, server.EndPoint, out bool isProbed);
            bytes += size;
            if (!isProbed)
                _ = ProbeAsync(server);
        }

        return true;
    }

    private async Task ProbeAsync(IServer server)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // leave the lock
        while (true)
        {
            long asked;
            lock (_timedOut)
                asked = _timedOut[server.EndPoint];
            try
            {
                await server.PingAsync().ConfigureAwait(false);
            }
            catch (RedisTimeoutException)
            {
                continue;
            }
            catch (Exception)
            {
                // The client has given up the connection, and all that it held for it.
            }

            Interlocked.Add(ref _pending, -asked);
            lock (_timedOut)
            {
                if ((_timedOut[server.EndPoint] -= asked) > 0)
                    continue;
                _timedOut.Remove(server.EndPoint);
                return;
            }
        }
    }

    private void CountLost()
    {
        RedisMetrics.DroppedWhileLost();
        Interlocked.Increment(ref _lost);
    }
}
