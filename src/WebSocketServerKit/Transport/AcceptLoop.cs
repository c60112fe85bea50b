using System.Net.Sockets;

namespace WebSocketServerKit.Transport;

/// <summary>
/// Accepts connection after connection until it is told to stop. No error ends it: a server that silently stops accepting is the worst kind
/// of up.
/// </summary>
/// <param name="accept">Waits for the next connection; null when a client was gone before it could be taken over.</param>
/// <param name="accepted">
/// Takes a connection over. Runs on the loop, so it starts the connection's work and returns; what it throws costs that connection only.
/// </param>
/// <param name="report">
/// Hears, in an exception whose message is meant for the log, that accepting is failing and will be tried again (once until it works
/// again), or that <paramref name="accepted"/> threw.
/// </param>
/// <param name="timeProvider">Measures the pauses.</param>
internal sealed class AcceptLoop(
    Func<CancellationToken, ValueTask<TransportConnection?>> accept,
    Action<TransportConnection> accepted,
    Action<IOException> report,
    TimeProvider timeProvider)
{
    // So many connections in a row are accepted before others get the thread: in a flood the next one is always there.
    private const int AcceptedInARow = 16;

    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Runs until <paramref name="stopping"/> is cancelled, then completes without an error; once it has completed no more connection is
    /// handed out.
    /// </summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        // Leaves the caller's thread and synchronization context: connections are never handed over on a window's thread.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);

        TimeSpan pause = ShortestPause;
        int accepts = 0;
        while (!stopping.IsCancellationRequested)
        {
            if (++accepts % AcceptedInARow == 0)
                await Task.Yield(); // this thread has no context, so it goes to the thread pool's global queue
            TransportConnection? connection;
            try
            {
                connection = await accept(stopping).ConfigureAwait(false);
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException failure) when (TransportErrors.ConcernsOneClient(failure.SocketErrorCode))
            {
                continue;
            }
            catch (Exception failure)
            {
                if (pause == ShortestPause)
                    Report(TransportErrors.AcceptingPaused(failure));

                // To try again at once would burn a core for as long as the shortage lasts. The clients wait in the backlog.
                await Task.Delay(pause, timeProvider, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
                continue;
            }

            pause = ShortestPause;
            if (connection is not null)
                await HandOverAsync(connection, stopping).ConfigureAwait(false);
        }
    }

    private async ValueTask HandOverAsync(TransportConnection connection, CancellationToken stopping)
    {
        if (!stopping.IsCancellationRequested)
        {
            try
            {
                accepted(connection);
                return;
            }
            catch (Exception failure)
            {
                Report(TransportErrors.ConnectionDropped(failure));
            }
        }

        connection.Abort();
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    private void Report(IOException trouble)
    {
        try
        {
            report(trouble);
        }
        catch (Exception)
        {
            // A log that cannot be written must not stop the server.
        }
    }
}
