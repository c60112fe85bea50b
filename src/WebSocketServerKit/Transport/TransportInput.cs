using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport;

/// <summary>
/// A <see cref="PipeReader"/> with one contiguous buffer, so that a frame is unmasked and handed on where it lies. A subclass receives bytes into the buffer.
/// </summary>
/// <remarks>One reader at a time. <see cref="HeldBytes"/> may be used from any thread.</remarks>
internal abstract class TransportInput : PipeReader
{
    private byte[]? _buffer;
    private int _start;      // start of the bytes that are not consumed
    private int _examined;   // end of the examined bytes
    private int _end;        // end of the received bytes

    /// <summary>The size of the buffer in bytes; 0 if there is none.</summary>
    public virtual int HeldBytes => Volatile.Read(ref _buffer)?.Length ?? 0;

    /// <summary>Whether the peer has ended its side, and nothing follows the received bytes.</summary>
    protected bool HasEnded { get; set; }

    /// <summary>Whether a read completes at once.</summary>
    protected bool IsAvailable => _examined < _end || HasEnded;

    /// <summary>Whether all received bytes are consumed.</summary>
    protected bool IsEmpty => _end == 0;

    protected bool HasBuffer => _buffer is not null;

    /// <summary>Whether the space behind the received bytes belongs to this input. If not, they are copied before more is received.</summary>
    protected virtual bool OwnsFreeSpace => true;

    /// <summary>The free space behind the received bytes.</summary>
    protected Memory<byte> Free => _buffer.AsMemory(_end);

    /// <exception cref="IOException">The connection is lost.</exception>
    public sealed override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        Debug.Assert(!cancellationToken.CanBeCanceled, "A read is ended by closing the connection.");
        return IsAvailable ? new ValueTask<ReadResult>(TakeResult()) : ReceiveAndTakeAsync();
    }

    /// <inheritdoc cref="TransportConnection.WaitToReadAsync"/>
    /// <exception cref="IOException">The connection is lost.</exception>
    public ValueTask WaitToReadAsync() => IsAvailable ? default : ReceiveAsync();

    public sealed override bool TryRead(out ReadResult result)
    {
        bool available = IsAvailable;
        result = available ? TakeResult() : default;
        return available;
    }

    public sealed override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        // The sequence is over one array, so the integer of a position is the index in that array.
        _start = consumed.GetInteger();
        _examined = Math.Max(_start, examined.GetInteger());
        if (_start == _end)
            _start = _examined = _end = 0;
    }

    /// <summary>Not supported: it would cost each idle connection a cancellation source.</summary>
    public sealed override void CancelPendingRead() => throw new NotSupportedException("A read is ended by closing the connection.");

    public override void Complete(Exception? exception = null) => ReleaseBuffer();

    /// <summary>Gives up the buffer without returning it to the pool, because somebody may still be reading it. Call it while no read is pending.</summary>
    /// <returns>The size of the buffer.</returns>
    public int ForgetBuffer()
    {
        int forgotten = _buffer?.Length ?? 0;
        _buffer = null;
        (_start, _examined, _end) = (0, 0, 0);
        return forgotten;
    }

    /// <summary>Waits until <see cref="IsAvailable"/>. An idle connection waits here.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    protected abstract ValueTask ReceiveAsync();

    protected abstract byte[] Rent(int minimumLength);

    protected abstract void Return(byte[] buffer);

    /// <summary>Adds bytes that were written to <see cref="Free"/>.</summary>
    protected void Received(int count) => _end += count;

    /// <summary>Takes bytes over that lie in an array of somebody else. Call it while there is no buffer.</summary>
    protected void Adopt(byte[] buffer, int start, int count)
    {
        Debug.Assert(!HasBuffer, "Its bytes would be lost.");
        (_buffer, _start, _examined, _end) = (buffer, start, start, start + count);
    }

    /// <summary>Makes free space behind the received bytes, in a larger array if necessary.</summary>
    /// <param name="free">The bytes that are needed.</param>
    /// <param name="size">The size that an array without bytes should have at least.</param>
    protected void MakeRoom(int free, int size)
    {
        if (_buffer is not { } buffer)
        {
            _buffer = Rent(Math.Max(free, size));
            return;
        }

        int kept = _end - _start;
        if (OwnsFreeSpace && buffer.Length - _end >= free && (kept > 0 || buffer.Length >= size))
            return;
        if (OwnsFreeSpace && _start > 0 && kept < buffer.Length / 2 && buffer.Length - kept >= free && buffer.Length >= size)
        {
            buffer.AsSpan(_start, kept).CopyTo(buffer);
        }
        else
        {
            _buffer = Rent(Math.Max(Math.Max(size, kept + free), 2 * kept));
            buffer.AsSpan(_start, kept).CopyTo(_buffer);
            Return(buffer);
        }

        (_start, _examined, _end) = (0, _examined - _start, kept);
    }

    protected void ReleaseBuffer()
    {
        if (_buffer is not { } buffer)
            return;
        ForgetBuffer();
        Return(buffer);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReceiveAndTakeAsync()
    {
        await ReceiveAsync().ConfigureAwait(false);
        return TakeResult();
    }

    private ReadResult TakeResult()
    {
        ReadOnlySequence<byte> bytes = _start < _end ? new ReadOnlySequence<byte>(_buffer!, _start, _end - _start) : ReadOnlySequence<byte>.Empty;
        return new ReadResult(bytes, isCanceled: false, HasEnded);
    }
}
