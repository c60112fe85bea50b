namespace WebSocketServerKit;

/// <summary>
/// Connects servers of one process: <c>var backplane = new InProcessBackplane(); chat.UseBackplane(backplane); admin.UseBackplane(backplane);</c>. For a host with several servers, and for tests of a host
/// that runs on several machines. Thread-safe. There is nothing to dispose of.
/// </summary>
public sealed class InProcessBackplane : IBackplane
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<Connection>> _channels = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public ValueTask<IBackplaneConnection> ConnectAsync(IBackplaneReceiver receiver, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(receiver);
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult<IBackplaneConnection>(new Connection(this, receiver));
    }

    private sealed class Connection(InProcessBackplane backplane, IBackplaneReceiver receiver) : IBackplaneConnection
    {
        private readonly HashSet<string> _subscribed = new(StringComparer.Ordinal);
        private bool _disposed;

        public bool IsConnected => true;

        public Task SubscribeAsync(string channel)
        {
            lock (backplane._gate)
            {
                // A subscription that is under way while the server stops would stay for ever.
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (_subscribed.Add(channel))
                    backplane._channels[channel] = [.. backplane._channels.GetValueOrDefault(channel, []), this];
            }

            return Task.CompletedTask;
        }

        public Task UnsubscribeAsync(string channel)
        {
            lock (backplane._gate)
            {
                if (_subscribed.Remove(channel))
                    Remove(channel);
            }

            return Task.CompletedTask;
        }

        public bool IsWanted(string channel) => Find(channel).Exists(other => other != this);

        public bool TryPublish(string channel, ReadOnlyMemory<byte> message)
        {
            Publish(channel, message);
            return true;
        }

        public Task<int> PublishAsync(string channel, ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => Task.FromResult(Publish(channel, message));

        public ValueTask DisposeAsync()
        {
            lock (backplane._gate)
            {
                _disposed = true;
                foreach (string channel in _subscribed)
                    Remove(channel);
                _subscribed.Clear();
            }

            return ValueTask.CompletedTask;
        }

        // A list is never changed, so that it can be enumerated outside of the lock.
        private List<Connection> Find(string channel)
        {
            lock (backplane._gate)
                return backplane._channels.GetValueOrDefault(channel, []);
        }

        private int Publish(string channel, ReadOnlyMemory<byte> message)
        {
            List<Connection> subscribed = Find(channel);
            foreach (Connection other in subscribed)
            {
                if (other != this)
                    other.Receive(channel, message);
            }

            return subscribed.Count - (subscribed.Contains(this) ? 1 : 0);
        }

        private void Receive(string channel, ReadOnlyMemory<byte> message) => receiver.Receive(channel, [message]);

        // Under the lock.
        private void Remove(string channel)
        {
            List<Connection> left = [.. backplane._channels[channel].Where(other => other != this)];
            if (left.Count == 0)
                backplane._channels.Remove(channel);
            else
                backplane._channels[channel] = left;
        }
    }
}
