using System.Globalization;
using System.Runtime.CompilerServices;
using StackExchange.Redis;

namespace WebSocketServerKit.Presence;

/// <summary>
/// Keeps in Redis who is connected to one server. One call is under way at a time, and it is repeated until Redis answers; each has a number, so that Redis applies it once, in order.
/// When the answer is that Redis does not know the registration, all is written anew under a new one: so nothing has to be known of what is left of the old one.
/// </summary>
internal sealed class PresenceFollower(WebSocketServer server, PresenceStore store, string nodeId, RedisPresenceOptions options, PresenceLog log)
{
    // The numbers of registrations go on when a server has one presence after the other.
    private static readonly ConditionalWeakTable<WebSocketServer, StrongBox<int>> LastRegistrations = [];

    private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _registration;
    private int _replaced; // the registration before it
    private long _call;
    private long? _awaySince;

    /// <summary>Completes when the first call has been answered or has failed, or when there will be none.</summary>
    public Task Tried => _tried.Task;

    /// <summary>The present one. Each has a number behind the node's id.</summary>
    public string Registration => Name(_registration);

    /// <summary>Whether the last call has failed.</summary>
    public bool IsAway => _awaySince is not null;

    /// <summary>Returns when the token is cancelled.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                long begun = options.TimeProvider.GetTimestamp();
                await FollowAsync(stopping).ConfigureAwait(false);
                log.Lost(nodeId);
                // A Redis that forgets at once, as one that evicts keys, must not be written to without end.
                if (options.TimeProvider.GetElapsedTime(begun) < options.HeartbeatInterval)
                    await Task.Delay(options.RetryPause, options.TimeProvider, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            _tried.TrySetResult();
        }
    }

    // Returns when Redis does not know the registration any more.
    private async Task FollowAsync(CancellationToken stopping)
    {
        (_replaced, _registration) = (_registration, Interlocked.Increment(ref LastRegistrations.GetOrCreateValue(server).Value));
        _call = 0;
        if (!await WriteAsync([], stopping).ConfigureAwait(false))
            return;

        var changes = new ChangeReader(server.Clients, stopping);
        await using (changes.ConfigureAwait(false))
        {
            Task heartbeat = Task.CompletedTask;
            bool isKnown;
            do
            {
                if (heartbeat.IsCompleted)
                    heartbeat = Task.Delay(options.HeartbeatInterval, options.TimeProvider, stopping);
                IReadOnlyList<RedisValue> read = await changes.ReadAsync(options.MaxChangesPerCall, heartbeat).ConfigureAwait(false);
                stopping.ThrowIfCancellationRequested();
                _call++;
                isKnown = await WriteAsync(read, stopping).ConfigureAwait(false);
            }
            while (isKnown);
        }
    }

    private async Task<bool> WriteAsync(IReadOnlyList<RedisValue> changes, CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                bool isKnown = await store.WriteAsync(Registration, _call, options.Expiry, Name(_replaced), changes).ConfigureAwait(false);
                NoteAnswer();
                return isKnown;
            }
            // Whatever the connection throws: following goes on.
            catch (Exception exception)
            {
                NoteFailure(exception);
            }

            await Task.Delay(options.RetryPause, options.TimeProvider, stopping).ConfigureAwait(false);
        }
    }

    private void NoteAnswer()
    {
        if (_awaySince is { } since)
            log.Back(nodeId, options.TimeProvider.GetElapsedTime(since));
        _awaySince = null;
        _tried.TrySetResult();
    }

    private void NoteFailure(Exception exception)
    {
        if (_awaySince is null)
            log.Away(exception, nodeId);
        _awaySince ??= options.TimeProvider.GetTimestamp();
        _tried.TrySetResult();
    }

    private string Name(int registration) => string.Create(CultureInfo.InvariantCulture, $"{nodeId}.{registration}");
}
