using WebSocketServerKit.Scheduling;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The loop that writes the bytes of a <see cref="SendQueue"/> to the transport. A sender that finds no drainer runs it, until nothing is pending.
/// <para>Invariants: one write at a time; no lock is held during a write; every failure ends the queue.</para>
/// </summary>
internal static class Drainer
{
    // The rounds of writing what others have appended meanwhile, before the sender leaves that to the thread pool.
    private const int RoundsBeforeYield = 16;

    /// <summary>
    /// Writes the rest of what is in flight, and then all that is pending. Runs synchronously and allocates nothing while the transport takes the bytes at once.
    /// </summary>
    public static async Task DrainAsync(SendQueue queue, TransportConnection transport, ReadOnlyMemory<byte> rest)
    {
        try
        {
            for (int round = 1; !rest.IsEmpty || queue.TryTakePending(out rest); round++)
            {
                while (!rest.IsEmpty)
                {
                    int count = Math.Min(rest.Length, SendQueue.WriteLimit);
                    await transport.WriteAsync(rest[..count]).ConfigureAwait(false);
                    rest = rest[count..];
                    if (!rest.IsEmpty)
                        queue.Wrote(rest.Length); // after the last write TryTakePending follows
                }

                // Let a sender that drains for others return to its own work.
                if (round % RoundsBeforeYield == 0)
                    await Turn.ToOthers;
            }
        }
        catch (Exception failure)
        {
            queue.DrainFailed(failure);
        }
    }
}
