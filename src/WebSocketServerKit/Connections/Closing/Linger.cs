using System.IO.Pipelines;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Connections.Closing;

/// <summary>
/// Reads and discards the peer's remaining bytes after our FIN. Closing the socket with unread bytes would send a RST, and the peer could lose our last bytes.
/// </summary>
internal static class Linger
{
    /// <summary>
    /// Completes when the peer has ended its side or the connection is lost. Never throws. It has no timeout of its own: <see cref="CloseDeadline"/> bounds it.
    /// </summary>
    public static async Task ReadToEndAsync(PipeReader input, SliceClock clock)
    {
        try
        {
            var slice = new TimeSlice(clock);
            while (true)
            {
                ValueTask<ReadResult> reading = input.ReadAsync();
                if (!reading.IsCompleted)
                    slice.End();
                ReadResult read = await reading.ConfigureAwait(false);
                input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                    return;
                if (!slice.IsOver)
                    continue;
                await Turn.InLine;
                slice.End();
            }
        }
        catch (IOException)
        {
            // The connection was reset or cut, so it is over as well.
        }
    }
}
