using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Testing.Memory;

/// <summary>The connections in memory of one server. Thread-safe.</summary>
internal sealed class ServerConnections
{
    // So often it is looked again at once; after that once a millisecond, so that a long handler does not keep a processor.
    private const int LooksAtOnce = 200;

    private static readonly ConditionalWeakTable<WebSocketServer, ServerConnections> All = [];

    private readonly List<MemoryConnection> _open = []; // the lock is the list

    public static ServerConnections Of(WebSocketServer server) => All.GetOrCreateValue(server);

    public void Add(MemoryConnection connection)
    {
        lock (_open)
            _open.Add(connection);
        _ = RemoveAsync(connection);
    }

    /// <summary>
    /// Completes when all connections are at rest: one after the other, and nothing has happened meanwhile. There is no signal for that in the server, so it looks again and again, each time
    /// behind the work that waits for a thread.
    /// </summary>
    /// <param name="waitsForHandlers">Whether a handler that awaits something counts as work.</param>
    /// <param name="timeout">The real time that it may take.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TimeoutException">They are not at rest in time; the message tells why.</exception>
    public async Task WhenAtRestAsync(bool waitsForHandlers, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // On the thread pool, whatever context the test runs in.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        long began = TimeProvider.System.GetTimestamp();
        MemoryConnection[] before;
        long activity;
        do
        {
            before = Snapshot();
            activity = before.Sum(connection => connection.Activity);
            foreach (MemoryConnection connection in before)
            {
                for (int looks = 0; connection.WhyBusy(waitsForHandlers) is { } why; looks++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (Guard.IsOver(timeout, began))
                        throw new TimeoutException($"The server was not idle within {Guard.Shown(timeout)}: {connection.ServerSide?.ToString() ?? "a client in its handshake"} is not at rest: {why}.");
                    if (looks < LooksAtOnce)
                        await Task.Yield();
                    else
                        await Task.Delay(1, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        while (activity != before.Sum(connection => connection.Activity) || Snapshot().Except(before).Any());
    }

    private MemoryConnection[] Snapshot()
    {
        lock (_open)
            return [.. _open];
    }

    private async Task RemoveAsync(MemoryConnection connection)
    {
        await connection.Served.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_open)
            _open.Remove(connection);
    }
}
