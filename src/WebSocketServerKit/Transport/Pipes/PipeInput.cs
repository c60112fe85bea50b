using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// Reads a carrier. A loop of its own (<see cref="RunAsync"/>) reads it into a pipe of 64 KiB; what is beyond that stays with the sender, which is the back-pressure. So whatever a read of the
/// carrier does, nobody else waits for it, and what has come can be looked at without waiting.
/// </summary>
/// <remarks>
/// <para>
/// What is handed out is copied from that pipe into one contiguous buffer: frames are unmasked where they lie, a payload may be left to handlers, and <see cref="TryReceive"/> goes on reading
/// while the owner still has what was handed out before. Without bytes there is no buffer, neither here nor in the loop, as far as the carrier can wait for the next byte without one.
/// </para>
/// <para>One reader at a time. <see cref="HasUnread"/>, <see cref="HasEnded"/> and <see cref="WakeUp"/> from any thread.</para>
/// </remarks>
internal sealed class PipeInput : PipeReader
{
    private const int Limit = 64 * 1024;       // read ahead of the owner
    private const int PieceSize = 16 * 1024;   // of one read; a record of TLS has as much
    private const int SmallestBuffer = 4 * 1024;

    // A carrier that always has more at once would keep the thread: after so many reads in a row others get it.
    private const int ReadsInARow = 16;

    private readonly ICarrier _carrier;
    private readonly RentedMemory _memory;
    private readonly CancellationToken _over;
    private readonly Pipe _pipe;
    private IOException? _failure;       // why the loop has ended, if it failed
    private volatile bool _hasEnded;     // the loop
    private volatile bool _hasReceived;  // anything at all
    private long _unread;                // bytes in the pipe
    private RentedMemory.Owner? _buffer;
    private int _start;                  // of what is not consumed yet
    private int _examined;               // up to where the owner has looked
    private int _end;                    // of what was copied
    private bool _ended;                 // nothing more comes

    /// <param name="carrier">Where the bytes come from.</param>
    /// <param name="memory">Where all buffers come from.</param>
    /// <param name="over">Cancelled when the connection is over: then reads throw.</param>
    public PipeInput(ICarrier carrier, RentedMemory memory, CancellationToken over)
    {
        _carrier = carrier;
        _memory = memory;
        _over = over;
        _pipe = new Pipe(new PipeOptions(
            memory, pauseWriterThreshold: Limit, resumeWriterThreshold: Limit / 2, minimumSegmentSize: PieceSize, useSynchronizationContext: false));
    }

    /// <summary>Whether bytes have come that nobody has received yet.</summary>
    public bool HasUnread => Volatile.Read(ref _unread) > 0 && !_over.IsCancellationRequested;

    /// <summary>Whether any byte has come. A buffer does not tell: a carrier without waiting reads of zero bytes makes the loop wait with one.</summary>
    public bool HasReceived => _hasReceived;

    /// <summary>Whether the carrier has ended or failed.</summary>
    public bool HasEnded => _hasEnded;

    private bool IsAvailable => _examined < _end || _ended;

    /// <summary>Reads the carrier to its end. Call it once. Never throws, and ends only when the carrier's read does.</summary>
    public async Task RunAsync()
    {
        // The carrier's code never runs on the thread of whoever brings it.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        PipeWriter writer = _pipe.Writer;
        try
        {
            for (int reads = 1; ; reads++)
            {
                await _carrier.ReadAsync(Memory<byte>.Empty, _over).ConfigureAwait(false);
                Memory<byte> memory = writer.GetMemory();
                // A buffer that is rented when all buffers have been forgotten already goes back at once: nobody would forget it if this read hangs.
                _over.ThrowIfCancellationRequested();
                int count = await _carrier.ReadAsync(memory, _over).ConfigureAwait(false);
                if (count == 0)
                    break;
                _hasReceived = true;
                writer.Advance(count);
                Interlocked.Add(ref _unread, count);
                if ((await writer.FlushAsync(_over).ConfigureAwait(false)).IsCompleted)
                    break;
                if (reads % ReadsInARow == 0)
                    await Task.Yield(); // to the thread pool's global queue
            }
        }
        catch (Exception failure)
        {
            // Told to the owner behind the bytes that came before.
            _failure = TransportErrors.ConnectionLost(failure);
        }

        _hasEnded = true;
        await writer.CompleteAsync().ConfigureAwait(false);
    }

    /// <exception cref="IOException">The connection is lost.</exception>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        Debug.Assert(!cancellationToken.CanBeCanceled, "A read is ended by closing the connection.");
        return IsAvailable ? new ValueTask<ReadResult>(Result()) : ReceiveAndTakeAsync();
    }

    /// <inheritdoc cref="TransportConnection.WaitToReadAsync"/>
    /// <exception cref="IOException">The connection is lost.</exception>
    public ValueTask WaitToReadAsync() => IsAvailable ? default : ReceiveAsync();

    public override bool TryRead(out ReadResult result)
    {
        bool available = IsAvailable;
        result = available ? Result() : default;
        return available;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        // The sequence is over one array, so the integer of a position is the index in that array.
        _start = consumed.GetInteger();
        _examined = Math.Max(_start, examined.GetInteger());
        if (_start == _end)
            ReleaseBuffer();
    }

    public override void CancelPendingRead() => throw new NotSupportedException("A read is ended by closing the connection.");

    /// <summary>Gives all buffers back, but one that the carrier is still reading into. While nobody reads here.</summary>
    public override void Complete(Exception? exception = null)
    {
        ReleaseBuffer();
        _pipe.Reader.Complete();
    }

    /// <summary>Lets a read that waits see that the connection is over.</summary>
    public void WakeUp() => _pipe.Reader.CancelPendingRead();

    /// <summary>Leaves the buffer to whoever still reads in it. While nobody reads here.</summary>
    public void ForgetBuffer()
    {
        _buffer = null;
        (_start, _examined, _end) = (0, 0, 0);
    }

    /// <summary>Receives what is there into <paramref name="destination"/>, past the buffer. Never waits.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    public int TryReceive(Span<byte> destination, out bool ended)
    {
        ThrowIfOver();
        int count = 0;
        if (!_ended && _pipe.Reader.TryRead(out ReadResult read))
        {
            count = (int)Math.Min(read.Buffer.Length, destination.Length);
            Take(read, destination[..count]);
        }

        ended = _ended;
        return count;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReceiveAndTakeAsync()
    {
        await ReceiveAsync().ConfigureAwait(false);
        return Result();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReceiveAsync()
    {
        while (!IsAvailable)
        {
            ThrowIfOver();
            ReadResult read = await _pipe.Reader.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            Take(read, Room((int)Math.Min(read.Buffer.Length, Limit)));
        }
    }

    // Takes as many bytes out of the pipe as the destination has room for.
    private void Take(in ReadResult read, Span<byte> destination)
    {
        read.Buffer.Slice(0, destination.Length).CopyTo(destination);
        bool isAll = destination.Length == read.Buffer.Length;
        _pipe.Reader.AdvanceTo(read.Buffer.GetPosition(destination.Length));
        Interlocked.Add(ref _unread, -destination.Length);
        if (!read.IsCompleted || !isAll)
            return;
        if (_failure is null)
            _ended = true;
        else if (destination.IsEmpty)
            throw _failure;
    }

    // So many bytes behind what is there already, in a larger array if need be. They count as received.
    private Span<byte> Room(int count)
    {
        if (count == 0)
            return default;
        int kept = _end - _start;
        if (_buffer is null || _buffer.Array.Length - _end < count)
        {
            RentedMemory.Owner larger = _memory.RentArray(Math.Max(SmallestBuffer, Math.Max(kept + count, 2 * kept)));
            _buffer?.Array.AsSpan(_start, kept).CopyTo(larger.Array);
            _buffer?.Dispose();
            _buffer = larger;
            (_start, _examined, _end) = (0, _examined - _start, kept);
        }

        _end += count;
        return _buffer.Array.AsSpan(_end - count, count);
    }

    private ReadResult Result()
    {
        ReadOnlySequence<byte> bytes = _start < _end ? new ReadOnlySequence<byte>(_buffer!.Array, _start, _end - _start) : ReadOnlySequence<byte>.Empty;
        return new ReadResult(bytes, isCanceled: false, _ended);
    }

    private void ReleaseBuffer()
    {
        _buffer?.Dispose();
        ForgetBuffer();
    }

    private void ThrowIfOver()
    {
        if (_over.IsCancellationRequested)
            throw TransportErrors.ConnectionLost(new ObjectDisposedException(nameof(TransportConnection)));
    }
}
