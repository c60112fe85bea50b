using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// Reads a carrier that the host vouches for, into one contiguous buffer and on the threads of whoever reads. An idle peer is waited for by a read of zero bytes, without a buffer; a busy one by a
/// read into the buffer, which saves a call. The buffer grows while reads fill it.
/// </summary>
/// <remarks>One reader at a time. <see cref="HasUnread"/>, <see cref="HasEnded"/>, <see cref="HeldBytes"/>, <see cref="ReleaseIdle"/> and <see cref="CancelWaitAsync"/> from any thread.</remarks>
/// <param name="carrier">Where the bytes come from.</param>
/// <param name="pool">Where the buffers come from.</param>
/// <param name="over">Cancelled when the connection is over: then reads throw. After that call <see cref="CancelWaitAsync"/>.</param>
internal sealed class DirectInput(ICarrier carrier, ArrayPool<byte> pool, CancellationToken over) : PipeReader
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestBuffer = 256 * 1024; // larger ones do not make large messages faster
    private const int PieceSize = 16 * 1024;      // of what is read past the buffer

    // A peer counts as busy after this many reads without an idle time in between.
    private const int FewReads = 16;

    // Ends a read that waits with a buffer. Null until the peer is busy. Never disposed: it has neither timer nor wait handle to free.
    private CancellationTokenSource? _wait;

    private byte[]? _buffer;
    private int _reads;      // since the peer was last idle, up to FewReads
    private int _size = SmallestBuffer; // of the next buffer
    private int _start;      // of what is not consumed yet
    private int _examined;   // up to where the owner has looked
    private int _end;        // of what was received
    private volatile bool _ended; // nothing more comes
    private volatile bool _hasReceived;
    private volatile bool _waitsWithBuffer;

    // What TryReceive has begun to read: the owner may still have the buffer.
    private Task<int>? _readingPast;
    private byte[]? _past;
    private int _pastStart;
    private int _pastEnd;

    /// <summary>Whether bytes have come that nobody has received yet, as far as that is known: somebody has to read for it.</summary>
    public bool HasUnread => !over.IsCancellationRequested && Volatile.Read(ref _readingPast) is { IsCompletedSuccessfully: true };

    /// <summary>Whether any byte has come.</summary>
    public bool HasReceived => _hasReceived;

    /// <summary>Whether the carrier is known to have ended or failed.</summary>
    public bool HasEnded => _ended || Volatile.Read(ref _readingPast) is { IsCompleted: true, IsCompletedSuccessfully: false };

    /// <summary>The size of the buffers.</summary>
    public int HeldBytes => (Volatile.Read(ref _buffer)?.Length ?? 0) + (Volatile.Read(ref _past)?.Length ?? 0);

    private bool IsAvailable => _examined < _end || _ended;

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
            _start = _examined = _end = 0;
    }

    public override void CancelPendingRead() => throw new NotSupportedException("A read is ended by closing the connection.");

    /// <summary>Gives the buffers back. While nobody reads here, and after <see cref="WhenUnused"/>.</summary>
    public override void Complete(Exception? exception = null)
    {
        ReleaseBuffer();
        ReleasePast();
    }

    /// <summary>Lets a read that waits release its buffer.</summary>
    public void ReleaseIdle()
    {
        // Its callbacks may run the carrier's code.
        if (_waitsWithBuffer)
            _ = CancelWaitAsync();
    }

    /// <summary>Ends a read that waits with a buffer, for good if the connection is over.</summary>
    public Task CancelWaitAsync() => Volatile.Read(ref _wait)?.CancelAsync() ?? Task.CompletedTask;

    /// <summary>Completes when <see cref="TryReceive"/> has no read under way any more. Never fails.</summary>
    public async Task WhenUnused()
    {
        if (_readingPast is { } reading)
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Leaves the buffer to whoever still reads in it. While nobody reads here.</summary>
    /// <returns>Its size.</returns>
    public int ForgetBuffer()
    {
        int forgotten = _buffer?.Length ?? 0;
        _buffer = null;
        (_start, _examined, _end) = (0, 0, 0);
        return forgotten;
    }

    /// <summary>Receives what is there into <paramref name="destination"/>, past the buffer. Never waits: what is not there yet comes with a later call, or with the owner's next read.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    public int TryReceive(Span<byte> destination, out bool ended)
    {
        ThrowIfOver();
        ended = _ended;
        if (ended)
            return 0;
        if (_past is null || _readingPast is not null)
        {
            _readingPast ??= ReadPastAsync();
            if (!_readingPast.IsCompleted)
                return 0;
            EndReadPast();
            ended = _ended;
        }

        return TakePast(destination);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReceiveAndTakeAsync()
    {
        await ReceiveAsync().ConfigureAwait(false);
        return Result();
    }

    // An idle connection waits here: keep no locals across the first await.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReceiveAsync()
    {
        ThrowIfOver();
        try
        {
            if (_readingPast is not null)
                await _readingPast.ConfigureAwait(false);
            if (_past is not null || _readingPast is not null)
                TakePast();
            while (!IsAvailable)
            {
                if (_end == 0 && _reads < FewReads)
                    ReleaseBuffer();
                if (_buffer is null)
                    await carrier.ReadAsync(Memory<byte>.Empty, over).ConfigureAwait(false);
                try
                {
                    _waitsWithBuffer = _end == 0 && _buffer is not null;
                    MakeRoom(1);
                    Received(await carrier.ReadAsync(_buffer.AsMemory(_end), _waitsWithBuffer ? WaitToken() : over).ConfigureAwait(false));
                }
                catch (OperationCanceledException) when (_waitsWithBuffer && !over.IsCancellationRequested && _wait is { IsCancellationRequested: true })
                {
                    _reads = 0;
                    _size = SmallestBuffer;
                }
                finally
                {
                    _waitsWithBuffer = false;
                }
            }
        }
        catch (Exception failure)
        {
            ThrowIfOver();
            throw TransportErrors.ConnectionLost(failure);
        }
    }

    private void Received(int count)
    {
        _ended = count == 0;
        _hasReceived |= count > 0;
        _reads = Math.Min(_reads + 1, FewReads);
        _end += count;
        if (_end == _buffer!.Length)
            _size = Math.Min(Math.Max(_size, 2 * _buffer.Length), Math.Max(LargestBuffer, _buffer.Length));
    }

    private async Task<int> ReadPastAsync()
    {
        await carrier.ReadAsync(Memory<byte>.Empty, over).ConfigureAwait(false);
        byte[] past = pool.Rent(PieceSize);
        Volatile.Write(ref _past, past);
        return await carrier.ReadAsync(past, over).ConfigureAwait(false);
    }

    private void EndReadPast()
    {
        try
        {
            (_pastStart, _pastEnd) = (0, _readingPast!.GetAwaiter().GetResult());
        }
        catch (Exception failure)
        {
            // The task stays, so that the owner's next read fails too.
            throw TransportErrors.ConnectionLost(failure);
        }

        Volatile.Write(ref _readingPast, null);
        _hasReceived |= _pastEnd > 0;
        _ended = _pastEnd == 0;
        if (_ended)
            ReleasePast();
    }

    private int TakePast(Span<byte> destination)
    {
        int count = Math.Min(_pastEnd - _pastStart, destination.Length);
        _past.AsSpan(_pastStart, count).CopyTo(destination);
        _pastStart += count;
        if (_pastStart == _pastEnd)
            ReleasePast();
        return count;
    }

    // Into the buffer.
    private void TakePast()
    {
        if (_readingPast is not null)
            EndReadPast();
        if (_ended)
            return;
        int count = _pastEnd - _pastStart;
        MakeRoom(count);
        TakePast(_buffer.AsSpan(_end, count));
        _end += count;
    }

    private ReadResult Result()
    {
        ReadOnlySequence<byte> bytes = _start < _end ? new ReadOnlySequence<byte>(_buffer!, _start, _end - _start) : ReadOnlySequence<byte>.Empty;
        return new ReadResult(bytes, isCanceled: false, _ended);
    }

    // Makes so much free space after the received bytes, in a larger array if necessary.
    private void MakeRoom(int count)
    {
        int kept = _end - _start;
        if (_buffer is not { } buffer)
        {
            Volatile.Write(ref _buffer, pool.Rent(Math.Max(_size, count)));
            return;
        }

        if (buffer.Length - _end >= count && (kept > 0 || buffer.Length >= _size))
            return;
        if (kept < buffer.Length / 2 && buffer.Length - kept >= count && buffer.Length >= _size)
        {
            buffer.AsSpan(_start, kept).CopyTo(buffer);
        }
        else
        {
            byte[] larger = pool.Rent(Math.Max(_size, Math.Max(kept + count, 2 * kept)));
            buffer.AsSpan(_start, kept).CopyTo(larger);
            Volatile.Write(ref _buffer, larger);
            pool.Return(buffer);
        }

        (_start, _examined, _end) = (0, _examined - _start, kept);
    }

    private void ReleaseBuffer()
    {
        if (_buffer is not { } buffer)
            return;
        Volatile.Write(ref _buffer, null);
        pool.Return(buffer);
    }

    private void ReleasePast()
    {
        if (_past is not { } past)
            return;
        Volatile.Write(ref _past, null);
        (_pastStart, _pastEnd) = (0, 0);
        pool.Return(past);
    }

    private CancellationToken WaitToken()
    {
        if (_wait is not { IsCancellationRequested: false })
            Interlocked.Exchange(ref _wait, new CancellationTokenSource());
        // After the exchange: whoever ends the connection cancels the one that is there then.
        over.ThrowIfCancellationRequested();
        return _wait.Token;
    }

    private void ThrowIfOver()
    {
        if (over.IsCancellationRequested)
            throw TransportErrors.ConnectionLost(new ObjectDisposedException(nameof(TransportConnection)));
    }
}
