using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Presence;

/// <summary>Removes what is left of nodes that have ended, their own old registrations included. Several nodes may do so at the same time: each step removes what it finds.</summary>
internal sealed class PresenceRemover(PresenceStore store, string nodeId, RedisPresenceOptions options, PresenceLog log)
{
    // About a millisecond of Redis' time.
    private const int KeysPerStep = 250;

    /// <summary>Looks at once and then at each heartbeat. Returns when the token is cancelled.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(options.HeartbeatInterval, options.TimeProvider);
        try
        {
            do
            {
                try
                {
                    await RemoveAsync(stopping).ConfigureAwait(false);
                }
                // Whatever the connection throws: the next heartbeat tries again. That Redis is away is logged by the follower.
                catch (Exception)
                {
                }
            }
            while (await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    /// <summary>Removes all that has ended, step by step.</summary>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        PresenceStore.Scan? last = null;
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            PresenceStore.Scan? next = await store.RemoveStepAsync(last, KeysPerStep).ConfigureAwait(false);
            if (last is not null && last.Registration != next?.Registration && PresenceStore.NodeOf(last.Registration) is var ended && ended != nodeId)
                log.Removed(nodeId, new PeerText(ended));
            last = next;
        }
        while (last is not null);
    }
}
