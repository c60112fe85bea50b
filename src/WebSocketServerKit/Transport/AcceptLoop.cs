using System.Net.Sockets;

namespace WebSocketServerKit.Transport;

/// <summary>Waits for the next connection. Null if the client has left already.</summary>
internal delegate ValueTask<TransportConnection?> AcceptNext(CancellationToken stopping);

/// <summary>
/// Accepts connections until it is stopped. No error ends it: a server must not silently stop accepting.
/// </summary>
/// <param name="accept">Waits for the next connection. Null if the client has left already.</param>
/// <param name="accepted">
/// Takes over a connection. It runs on the loop, so it must return at once. An exception ends only that connection.
/// </param>
/// <param name="report">
/// Gets an exception whose message is meant for the log: when accepting starts to fail (once until it works again), and when <paramref name="accepted"/> threw.
/// </param>
/// <param name="timeProvider">Measures the pauses.</param>
internal sealed class AcceptLoop(
    AcceptNext accept,
    Action<TransportConnection> accepted,
    Action<IOException> report,
    TimeProvider timeProvider)
{
    // The connections accepted in a row before the loop yields its thread. In a flood each accept completes synchronously.
    private const int AcceptedInARow = 16;

    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Runs until <paramref name="stopping"/> is cancelled, then completes without an error; once it has completed no more connection is
    /// handed out.
    /// </summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        // Leave the caller's thread and synchronization context, so that the loop never runs on a UI thread.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);

        TimeSpan pause = ShortestPause;
        int acceptedInARow = 0;
        while (!stopping.IsCancellationRequested)
        {
            if (acceptedInARow == AcceptedInARow)
            {
                acceptedInARow = 0;
                await Task.Yield(); // this thread has no context, so it goes to the thread pool's global queue
            }

            TransportConnection? connection;
            try
            {
                ValueTask<TransportConnection?> accepting = accept(stopping);
                acceptedInARow = accepting.IsCompleted ? acceptedInARow + 1 : 0;
                connection = await accepting.ConfigureAwait(false);
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

                // Pause, or the loop would spin for as long as the shortage lasts. Clients wait in the backlog.
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
