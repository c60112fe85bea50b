using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Serving.Backplanes;

/// <summary>
/// Keeps a server subscribed to the channels that its clients need: the first client of a key subscribes, the last one that goes unsubscribes. It follows the state of the registry, not each change, so a key that comes
/// and goes quickly costs nothing. Thread-safe.
/// </summary>
internal sealed class Interest(ClientRegistry clients, IBackplaneConnection connection, ServerLog log, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopping = new();

    // The lock guards all fields below.
    private readonly HashSet<BackplaneChannel> _changed = [];
    private readonly HashSet<BackplaneChannel> _subscribed = [];
    private readonly HashSet<BackplaneChannel> _retrying = [];
    private readonly Dictionary<BackplaneChannel, TaskCompletionSource> _waiting = [];
    private bool _isFollowing;
    private bool _isFailureLogged;

    /// <summary>Tells that a channel may be needed now, or no longer. Called inside the lock of the registry.</summary>
    public void Changed(BackplaneChannel channel)
    {
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
                return;
            _changed.Add(channel);
            if (_isFollowing)
                return;
            _isFollowing = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static interest => _ = interest.FollowAsync(), this, preferLocal: false);
    }

    /// <summary>Completes when the server gets the messages of a channel that it needs, or needs it no longer.</summary>
    /// <exception cref="IOException">It could not subscribe; it tries again.</exception>
    public Task WhenSubscribedAsync(BackplaneChannel channel)
    {
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested || (_subscribed.Contains(channel) && !_changed.Contains(channel)))
                return Task.CompletedTask;
            if (!_waiting.TryGetValue(channel, out TaskCompletionSource? waiting))
                _waiting.Add(channel, waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            Changed(channel);
            return waiting.Task;
        }
    }

    /// <summary>Ends it, and all waits.</summary>
    public void Dispose()
    {
        TaskCompletionSource[] waiting;
        lock (_gate)
        {
            _stopping.Cancel();
            waiting = [.. _waiting.Values];
            _waiting.Clear();
        }

        foreach (TaskCompletionSource wait in waiting)
            wait.TrySetResult();
    }

    private async Task FollowAsync()
    {
        while (true)
        {
            BackplaneChannel[] changed;
            lock (_gate)
            {
                if (_changed.Count == 0 || _stopping.IsCancellationRequested)
                {
                    _isFollowing = false;
                    return;
                }

                changed = [.. _changed];
                _changed.Clear();
            }

            await Task.WhenAll(changed.Select(FollowAsync)).ConfigureAwait(false);
        }
    }

    // One at a time for each channel.
    private async Task FollowAsync(BackplaneChannel channel)
    {
        bool isNeeded = channel.IsNeededBy(clients), isSubscribed;
        lock (_gate)
            isSubscribed = _subscribed.Contains(channel);
        IOException? failure = null;
        if (isNeeded && !isSubscribed)
            failure = await SubscribeAsync(channel).ConfigureAwait(false);
        else if (!isNeeded && isSubscribed)
            await UnsubscribeAsync(channel).ConfigureAwait(false);
        TaskCompletionSource? waiting = null;
        lock (_gate)
        {
            // Who has begun to wait after another change waits for that one.
            if (!_changed.Contains(channel))
                _waiting.Remove(channel, out waiting);
        }

        if (waiting is null)
            return;
        if (failure is null)
            waiting.TrySetResult();
        else
            waiting.TrySetException(failure);
        _ = waiting.Task.Exception; // counts as observed: those who waited may have cancelled their wait
    }

    private async Task<IOException?> SubscribeAsync(BackplaneChannel channel)
    {
        try
        {
            await connection.SubscribeAsync(channel.Name).ConfigureAwait(false);
            lock (_gate)
            {
                _subscribed.Add(channel);
                _isFailureLogged = false;
            }

            return null;
        }
        catch (Exception failure)
        {
            LogFirst(failure);
            // Who joins again and again while the backplane is away must not add one retry after the other.
            bool isFirst;
            lock (_gate)
                isFirst = _retrying.Add(channel);
            if (isFirst)
                _ = RetryAsync(channel);
            return new IOException("The backplane cannot be reached. On this server the client has joined; it will get the messages of other servers when the backplane is back.", failure);
        }
    }

    private async Task UnsubscribeAsync(BackplaneChannel channel)
    {
        lock (_gate)
            _subscribed.Remove(channel);
        try
        {
            await connection.UnsubscribeAsync(channel.Name).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            LogFirst(failure); // messages that still come select nobody
        }
    }

    private async Task RetryAsync(BackplaneChannel channel)
    {
        await Task.Delay(RetryDelay, time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_gate)
            _retrying.Remove(channel);
        Changed(channel);
    }

    private void LogFirst(Exception failure)
    {
        lock (_gate)
        {
            if (_isFailureLogged || _stopping.IsCancellationRequested)
                return;
            _isFailureLogged = true;
        }

        log.SubscribingFailed(failure);
    }
}
