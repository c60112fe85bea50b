using System.Buffers;
using System.IO.Pipelines;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>A duplex pipe as a carrier.</summary>
internal sealed class DuplexPipeCarrier(PipeReader input, PipeWriter output) : ICarrier
{
    public bool CanEndWrites => true;

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken over)
    {
        ReadResult read = await input.ReadAsync(over).ConfigureAwait(false);
        int count = (int)Math.Min(read.Buffer.Length, buffer.Length);
        read.Buffer.Slice(0, count).CopyTo(buffer.Span);
        input.AdvanceTo(read.Buffer.GetPosition(count));
        if (count > 0 || buffer.IsEmpty || read.IsCompleted)
            return count;
        // Such a reader would be read in an endless loop.
        throw new IOException(read.IsCanceled ? "the read was cancelled" : "a read of the pipe gave nothing, and the pipe has not ended");
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken over)
    {
        FlushResult flush = await output.WriteAsync(bytes, over).ConfigureAwait(false);
        if (flush.IsCompleted || flush.IsCanceled)
            throw new IOException(flush.IsCompleted ? "the peer reads no more" : "the write was cancelled");
    }

    public ValueTask EndWritesAsync() => output.CompleteAsync();

    /// <summary>Completes both ends; after a cut with an exception. It waits for pending calls first, because a pipe must not be completed while it is in use.</summary>
    public async ValueTask CloseAsync(bool isCut, Task whenUnused)
    {
        await whenUnused.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        IOException? cut = isCut ? new IOException("The connection was cut.") : null;
        try
        {
            await output.CompleteAsync(cut).ConfigureAwait(false);
        }
        finally
        {
            await input.CompleteAsync(cut).ConfigureAwait(false);
        }
    }
}
