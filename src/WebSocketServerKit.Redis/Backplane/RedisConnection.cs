namespace WebSocketServerKit.Backplane;

/// <summary>The connection of one server to the node of its process. Thread-safe.</summary>
internal sealed class RedisConnection(RedisNode node, IBackplaneReceiver receiver, Func<IBackplaneReceiver, Task> release) : IBackplaneConnection
{
    private int _disposed;

    public bool IsConnected => node.IsConnected;

    public async Task SubscribeAsync(string channel)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        await node.SubscribeAsync(receiver, channel).ConfigureAwait(false);
        if (Volatile.Read(ref _disposed) == 0)
            return;
        // What had not subscribed yet was not removed.
        await node.UnsubscribeAsync(receiver, channel).ConfigureAwait(false);
        ObjectDisposedException.ThrowIf(true, this);
    }

    public Task UnsubscribeAsync(string channel) => node.UnsubscribeAsync(receiver, channel);

    public bool IsWanted(string channel) => node.IsWanted(receiver, channel);

    public bool TryPublish(string channel, ReadOnlyMemory<byte> message) => node.Outbox.TryPublish(channel, message);

    public Task<int> PublishAsync(string channel, ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => node.PublishAsync(receiver, channel, message, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            await release(receiver).ConfigureAwait(false);
    }
}
