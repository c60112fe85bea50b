using System.Buffers;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// The input of a carrier that the host vouches for. It reads on the threads of whoever reads. For a busy peer it waits with a read into its buffer, for any other with a read of zero bytes: see
/// <see cref="PeerActivity"/>.
/// </summary>
/// <remarks>
/// One reader at a time. <see cref="HasUnread"/>, <see cref="HasCarrierEnded"/>, <see cref="HeldBytes"/>, <see cref="ReleaseIdle"/> and <see cref="CancelWaitAsync"/> may be used from any thread.
/// </remarks>
/// <param name="carrier">The source of the bytes.</param>
/// <param name="pool">The source of the buffers.</param>
/// <param name="over">Cancelled when the connection is over; then reads throw. Call <see cref="CancelWaitAsync"/> after that.</param>
internal sealed class DirectInput(ICarrier carrier, ArrayPool<byte> pool, CancellationToken over) : TransportInput
{
    private const int PieceSize = 16 * 1024; // the most bytes of one read past the buffer

    private PeerActivity _peer = new();
    private volatile bool _hasReceived;
    private Task<int>? _readingPast; // a read that TryReceive has begun: the owner may still use the buffer
    private AheadBuffer _past;       // for that read

    /// <summary>Whether bytes have arrived that nobody has received yet, as far as that is known without a read.</summary>
    public bool HasUnread => !over.IsCancellationRequested && Volatile.Read(ref _readingPast) is { IsCompletedSuccessfully: true };

    /// <summary>Whether a read that <see cref="TryReceive"/> has begun is still under way.</summary>
    public bool IsReadingPast => Volatile.Read(ref _readingPast) is { IsCompleted: false };

    /// <summary>Whether any byte has arrived.</summary>
    public bool HasReceived => _hasReceived;

    /// <summary>Whether the carrier is known to have ended or failed.</summary>
    public bool HasCarrierEnded => HasEnded || Volatile.Read(ref _readingPast) is { IsCompleted: true, IsCompletedSuccessfully: false };

    public override int HeldBytes => base.HeldBytes + _past.HeldBytes;

    /// <summary>Returns the buffers. Call it while nobody reads, and after <see cref="WhenUnused"/>.</summary>
    public override void Complete(Exception? exception = null)
    {
        ReleaseBuffer();
        _past.Release(pool);
    }

    /// <summary>Lets a read that waits release its buffer.</summary>
    public void ReleaseIdle() => _peer.ReleaseIdle();

    /// <summary>Ends a read that waits with a buffer, for good if the connection is over.</summary>
    public Task CancelWaitAsync() => _peer.CancelWaitAsync();

    /// <summary>Completes when <see cref="TryReceive"/> has no read under way any more. Never fails.</summary>
    public async Task WhenUnused()
    {
        if (_readingPast is { } reading)
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Copies received bytes into <paramref name="destination"/>, bypassing the buffer. Never waits: later bytes come with a later call, or with the owner's next read.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    public int TryReceive(Span<byte> destination, out bool ended)
    {
        ThrowIfOver();
        ended = HasEnded;
        if (ended)
            return 0;
        if (_past.IsEmpty)
        {
            _readingPast ??= ReadPastAsync();
            if (!_readingPast.IsCompleted)
                return 0;
            EndReadPast();
            ended = HasEnded;
        }

        return _past.Take(destination, pool);
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
            TakePast();
            while (!IsAvailable)
            {
                if (IsEmpty && !_peer.IsBusy)
                    ReleaseBuffer();
                if (!HasBuffer)
                    await carrier.ReadAsync(Memory<byte>.Empty, over).ConfigureAwait(false);
                try
                {
                    // Also after a wait without a buffer: that of some streams ends without bytes.
                    CancellationToken idle = IsEmpty ? BeginWait() : over;
                    MakeRoom(free: 1, _peer.BufferSize);
                    Count(await carrier.ReadAsync(Free, idle).ConfigureAwait(false));
                }
                catch (OperationCanceledException) when (IsEmpty && _peer.IsReleased && !over.IsCancellationRequested)
                {
                    _peer.BecameIdle();
                }
                finally
                {
                    _peer.EndWait();
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

    private CancellationToken BeginWait()
    {
        CancellationToken idle = _peer.BeginWait();
        // After the source was set: whoever ends the connection cancels the source that is there then.
        over.ThrowIfCancellationRequested();
        return idle;
    }

    private void Count(int received)
    {
        HasEnded = received == 0;
        _hasReceived |= received > 0;
        _peer.HasRead(received == Free.Length ? base.HeldBytes : 0);
        Received(received);
    }

    private async Task<int> ReadPastAsync()
    {
        await carrier.ReadAsync(Memory<byte>.Empty, over).ConfigureAwait(false);
        return await carrier.ReadAsync(_past.Rent(PieceSize, pool), over).ConfigureAwait(false);
    }

    private void EndReadPast()
    {
        int received;
        try
        {
            received = _readingPast!.GetAwaiter().GetResult();
        }
        catch (Exception failure)
        {
            // The task stays, so that the owner's next read fails too.
            throw TransportErrors.ConnectionLost(failure);
        }

        Volatile.Write(ref _readingPast, null);
        _hasReceived |= received > 0;
        HasEnded = received == 0;
        _past.Received(received, pool);
    }

    // Takes what TryReceive has received into the buffer.
    private void TakePast()
    {
        if (_readingPast is not null)
            EndReadPast();
        if (_past.IsEmpty)
            return;
        MakeRoom(_past.Count, _peer.BufferSize);
        Received(_past.Take(Free.Span, pool));
    }

    private void ThrowIfOver()
    {
        if (over.IsCancellationRequested)
            throw TransportErrors.ConnectionLost(new ObjectDisposedException(nameof(TransportConnection)));
    }
}
