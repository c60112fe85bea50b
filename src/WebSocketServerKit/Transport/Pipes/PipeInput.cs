using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// The input of a carrier. A loop of its own (<see cref="RunAsync"/>) reads the carrier into a pipe of 64 KiB. More stays with the sender, which is the back-pressure. So nobody else waits for
/// a read of the carrier, and received bytes can be taken without waiting.
/// </summary>
/// <remarks>
/// <para>
/// The bytes are copied from that pipe into one contiguous buffer: frames are unmasked where they lie, a payload may be left to handlers, and <see cref="TryReceive"/> goes on reading
/// while the owner still has earlier bytes. While no bytes are there, neither this object nor the loop holds a buffer, if the carrier can wait for the next byte without one.
/// </para>
/// <para>One reader at a time. <see cref="HasUnread"/>, <see cref="HasCarrierEnded"/> and <see cref="WakeUp"/> may be used from any thread.</para>
/// </remarks>
internal sealed class PipeInput : TransportInput
{
    private const int Limit = 64 * 1024;       // the most bytes in the pipe
    private const int PieceSize = 16 * 1024;   // the most bytes of one read; a TLS record has as many
    private const int SmallestBuffer = 4 * 1024;

    // The reads in a row before the loop yields its thread. A carrier that always has more would keep it.
    private const int ReadsInARow = 16;

    private readonly ICarrier _carrier;
    private readonly RentedMemory _memory;
    private readonly CancellationToken _over;
    private readonly Pipe _pipe;
    private IOException? _failure;       // the error with which the loop has ended
    private volatile bool _hasCarrierEnded;
    private volatile bool _hasReceived;
    private long _unread;                // bytes in the pipe
    private RentedMemory.Owner? _owner;  // of the buffer
    private RentedMemory.Owner? _replaced; // of the buffer before, while its bytes are copied

    /// <param name="carrier">The source of the bytes.</param>
    /// <param name="memory">The source of all buffers.</param>
    /// <param name="over">Cancelled when the connection is over; then reads throw.</param>
    public PipeInput(ICarrier carrier, RentedMemory memory, CancellationToken over)
    {
        _carrier = carrier;
        _memory = memory;
        _over = over;
        _pipe = new Pipe(new PipeOptions(
            memory, pauseWriterThreshold: Limit, resumeWriterThreshold: Limit / 2, minimumSegmentSize: PieceSize, useSynchronizationContext: false));
    }

    /// <summary>Whether bytes have arrived that nobody has received yet.</summary>
    public bool HasUnread => Volatile.Read(ref _unread) > 0 && !_over.IsCancellationRequested;

    /// <summary>Whether any byte has arrived. A buffer does not tell: the loop waits with one, if the carrier has no waiting reads of zero bytes.</summary>
    public bool HasReceived => _hasReceived;

    /// <summary>Whether the carrier has ended or failed.</summary>
    public bool HasCarrierEnded => _hasCarrierEnded;

    /// <summary>Reads the carrier to its end. Call it once. Never throws, and ends only when the carrier's read does.</summary>
    public async Task RunAsync()
    {
        // The carrier's code never runs on the thread of the caller.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        PipeWriter writer = _pipe.Writer;
        try
        {
            for (int reads = 1; ; reads++)
            {
                _over.ThrowIfCancellationRequested();
                await _carrier.ReadAsync(Memory<byte>.Empty, _over).ConfigureAwait(false);
                Memory<byte> memory = writer.GetMemory();
                // If all buffers have been forgotten already, this one is returned at once: nobody would forget it if the read hangs.
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
            // Reported to the owner after the bytes that arrived before.
            _failure = TransportErrors.ConnectionLost(failure);
        }

        _hasCarrierEnded = true;
        await writer.CompleteAsync().ConfigureAwait(false);
    }

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        base.AdvanceTo(consumed, examined);
        if (IsEmpty)
            ReleaseBuffer();
    }

    /// <summary>Returns all buffers, except one that the carrier is still reading into. Call it while nobody reads.</summary>
    public override void Complete(Exception? exception = null)
    {
        ReleaseBuffer();
        _pipe.Reader.Complete();
    }

    /// <summary>Lets a pending read see that the connection is over.</summary>
    public void WakeUp() => _pipe.Reader.CancelPendingRead();

    /// <summary>Copies received bytes into <paramref name="destination"/>, bypassing the buffer. Never waits.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    public int TryReceive(Span<byte> destination, out bool ended)
    {
        ThrowIfOver();
        int count = 0;
        if (!HasEnded && _pipe.Reader.TryRead(out ReadResult read))
        {
            count = (int)Math.Min(read.Buffer.Length, destination.Length);
            Take(read, destination[..count]);
        }

        ended = HasEnded;
        return count;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask ReceiveAsync()
    {
        while (!IsAvailable)
        {
            ThrowIfOver();
            ReadResult read = await _pipe.Reader.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            int count = (int)Math.Min(read.Buffer.Length, Limit);
            if (count > 0)
                MakeRoom(count, SmallestBuffer);
            Take(read, count > 0 ? Free.Span[..count] : default);
            Received(count);
        }
    }

    protected override byte[] Rent(int minimumLength)
    {
        _replaced = _owner;
        _owner = _memory.RentArray(minimumLength);
        return _owner.Array;
    }

    protected override void Return(byte[] buffer)
    {
        if (_owner?.Array == buffer)
            _owner.Dispose();
        else
            _replaced?.Dispose();
        _replaced = null;
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
        {
            HasEnded = true;
        }
        else if (destination.IsEmpty)
        {
            ThrowIfOver();
            throw _failure;
        }
    }

    private void ThrowIfOver()
    {
        if (_over.IsCancellationRequested)
            throw TransportErrors.ConnectionLost(new ObjectDisposedException(nameof(TransportConnection)));
    }
}
