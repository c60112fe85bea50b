using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Serving.Changes;

/// <summary>
/// The changes of the connected clients for one reader, who takes them in its own time. What it has not taken is bounded by <see cref="PendingChanges"/>. Dispose it when nobody reads any more.
/// </summary>
/// <param name="feeds">Tells the changes.</param>
/// <param name="gate">The lock of the <see cref="ClientRegistry"/>.</param>
internal sealed class ClientFeed(ClientFeeds feeds, Lock gate) : IDisposable
{
    private readonly PendingChanges _pending = new();
    private TaskCompletionSource<bool>? _waiter; // made for a reader who waits
    private bool _isOver;

    /// <summary>Under the lock.</summary>
    public void Add(WebSocketClient client, ClientChangeKind kind)
    {
        _pending.Add(client, kind);
        if (_pending.Count > 0)
            Release(true);
    }

    /// <summary>Nothing is added any more. Under the lock.</summary>
    public void End()
    {
        _isOver = true;
        Release(_pending.Count > 0);
    }

    public bool TryTake([MaybeNullWhen(false)] out ClientChange change)
    {
        lock (gate)
            return _pending.TryTake(out change);
    }

    /// <summary>Takes all that is pending.</summary>
    public void TakeAll(Queue<ClientChange> taken)
    {
        lock (gate)
        {
            while (_pending.TryTake(out ClientChange change))
                taken.Enqueue(change);
        }
    }

    /// <summary>Completes when a change is pending: true. False when there will be none. One call at a time.</summary>
    public Task<bool> WhenPending()
    {
        lock (gate)
        {
            if (_pending.Count > 0 || _isOver)
                return Task.FromResult(_pending.Count > 0);
            _waiter ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            return _waiter.Task;
        }
    }

    public void Dispose() => feeds.Close(this);

    // The reader continues on the thread pool, not inside the lock.
    private void Release(bool isPending)
    {
        _waiter?.SetResult(isPending);
        _waiter = null;
    }
}
