using System.IO.Pipelines;
using WebSocketServerKit.Connections.Scheduling;

namespace WebSocketServerKit.Connections.Closing;

/// <summary>What follows our FIN: the peer's remaining bytes are read and discarded, so that no RST destroys the last bytes that were sent to it.</summary>
internal static class Linger
{
    /// <summary>Completes when the peer has ended its side or the connection is lost. Never throws. It has no time limit of its own: the deadline cuts a peer that does not end.</summary>
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
