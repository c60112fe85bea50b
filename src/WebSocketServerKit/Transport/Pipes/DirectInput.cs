using System.Buffers;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// The input of a carrier that the host vouches for. It reads on the threads of whoever reads. For an idle peer it waits with a read of zero bytes, without a buffer; for a busy one with a read into
/// the buffer, which saves a call. The buffer grows while reads fill it.
/// </summary>
/// <remarks>One reader at a time. <see cref="HasUnread"/>, <see cref="HasCarrierEnded"/>, <see cref="HeldBytes"/>, <see cref="ReleaseIdle"/> and <see cref="CancelWaitAsync"/> from any thread.</remarks>
/// <param name="carrier">Where the bytes come from.</param>
/// <param name="pool">Where the buffers come from.</param>
/// <param name="over">Cancelled when the connection is over: then reads throw. After that call <see cref="CancelWaitAsync"/>.</param>
internal sealed class DirectInput(ICarrier carrier, ArrayPool<byte> pool, CancellationToken over) : TransportInput
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestBuffer = 256 * 1024; // larger ones do not make large messages faster
    private const int PieceSize = 16 * 1024;      // of what is read past the buffer

    // A peer counts as busy after this many reads without an idle time in between.
    private const int FewReads = 16;

    // Ends a read that waits with a buffer. Null until the peer is busy. Never disposed: it has neither timer nor wait handle to free.
    private CancellationTokenSource? _wait;

    private int _reads;      // since the peer was last idle, up to FewReads
    private int _size = SmallestBuffer; // of the next buffer
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
    public bool HasCarrierEnded => HasEnded || Volatile.Read(ref _readingPast) is { IsCompleted: true, IsCompletedSuccessfully: false };

    /// <summary>The size of the buffers.</summary>
    public override int HeldBytes => base.HeldBytes + (Volatile.Read(ref _past)?.Length ?? 0);

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

    /// <summary>Receives what is there into <paramref name="destination"/>, past the buffer. Never waits: what is not there yet comes with a later call, or with the owner's next read.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    public int TryReceive(Span<byte> destination, out bool ended)
    {
        ThrowIfOver();
        ended = HasEnded;
        if (ended)
            return 0;
        if (_past is null || _readingPast is not null)
        {
            _readingPast ??= ReadPastAsync();
            if (!_readingPast.IsCompleted)
                return 0;
            EndReadPast();
            ended = HasEnded;
        }

        return TakePast(destination);
    }

    // An idle connection waits here: keep no locals across the first await.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask ReceiveAsync()
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
                if (IsEmpty && _reads < FewReads)
                    ReleaseBuffer();
                if (!HasBuffer)
                    await carrier.ReadAsync(Memory<byte>.Empty, over).ConfigureAwait(false);
                try
                {
                    _waitsWithBuffer = IsEmpty && HasBuffer;
                    MakeRoom(free: 1, _size);
                    Count(await carrier.ReadAsync(Free, _waitsWithBuffer ? WaitToken() : over).ConfigureAwait(false));
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

    protected override byte[] Rent(int minimumLength) => pool.Rent(minimumLength);

    protected override void Return(byte[] buffer) => pool.Return(buffer);

    private void Count(int received)
    {
        HasEnded = received == 0;
        _hasReceived |= received > 0;
        _reads = Math.Min(_reads + 1, FewReads);
        bool isFull = received == Free.Length;
        Received(received);
        if (isFull)
            _size = Math.Min(Math.Max(_size, 2 * base.HeldBytes), Math.Max(LargestBuffer, base.HeldBytes));
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
        HasEnded = _pastEnd == 0;
        if (HasEnded)
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
        if (HasEnded)
            return;
        int count = _pastEnd - _pastStart;
        MakeRoom(count, _size);
        Received(TakePast(Free.Span[..count]));
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
