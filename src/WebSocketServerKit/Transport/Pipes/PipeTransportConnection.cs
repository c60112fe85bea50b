using System.Buffers;
using System.IO.Pipelines;
using System.Net;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>A connection over what a host hands in: a stream or a duplex pipe, as an <see cref="ICarrier"/>.</summary>
/// <remarks>
/// <para>
/// It does not trust the carrier: all its code runs on threads of the pool that nobody else needs, what it throws counts as the loss of the connection, and once the connection is over nothing
/// here waits for it. Since a call that was given up may still use its buffer, the carrier is only given memory of its own: all bytes are copied.
/// </para>
/// <para>While it waits for a silent peer it holds no buffer, as far as a read of zero bytes waits.</para>
/// </remarks>
internal sealed class PipeTransportConnection : BroughtConnection
{
    // Written at once, so that a slow peer is seen to get on. A record of TLS has as much.
    private const int PieceSize = 16 * 1024;

    private readonly ICarrier _carrier;
    private readonly RentedMemory _memory;
    private readonly PipeInput _input;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _over = new(); // never disposed: it has neither timer nor wait handle to free
    private readonly TaskCompletionSource _cut = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _reading = Task.CompletedTask;
    private Task _writing = Task.CompletedTask;
    private Task _endingWrites = Task.CompletedTask;
    private Task? _closing; // not null from when it is over
    private bool _isSendingOver;
    private long _taken;
    private int _disposed;

    /// <summary>Leaves the carrier alone until <see cref="Start"/>.</summary>
    public PipeTransportConnection(ICarrier carrier, EndPoint? remoteEndPoint, EndPoint? localEndPoint, ArrayPool<byte> pool, HostFacts? facts = null)
        : base(remoteEndPoint, localEndPoint, facts)
    {
        _carrier = carrier;
        _memory = new RentedMemory(pool);
        _input = new PipeInput(carrier, _memory, _over.Token);
    }

    public override PipeReader Input => _input;

    public override ValueTask WaitToReadAsync() => _input.WaitToReadAsync();

    public override bool HasReceived => _input.HasReceived;

    public override bool HasUnread => _input.HasUnread;

    public override bool HasPeerEnded => _input.HasCarrierEnded;

    /// <summary>What the carrier has taken. How far the peer has read is not known here.</summary>
    public override long BytesTaken => Volatile.Read(ref _taken);

    public override int HeldBytes => _memory.Held;

    /// <summary>Takes the carrier over, and begins to read.</summary>
    public override void Start() => _reading = _input.RunAsync();

    /// <summary>Nothing to do: what waits holds no buffer.</summary>
    public override void ReleaseIdle()
    {
    }

    public override int ForgetBuffers()
    {
        _input.ForgetBuffer();
        return _memory.Forget();
    }

    public override int TryReceive(Span<byte> buffer, out bool ended) => _input.TryReceive(buffer, out ended);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                int count = Math.Min(bytes.Length, PieceSize);
                await BeginWrite(bytes.Span[..count]).WaitAsync(_over.Token).ConfigureAwait(false);
                Volatile.Write(ref _taken, _taken + count);
                bytes = bytes[count..];
            }
        }
        catch (Exception failure)
        {
            throw TransportErrors.ConnectionLost(_over.IsCancellationRequested ? new ObjectDisposedException(nameof(TransportConnection)) : failure);
        }
    }

    /// <summary>Ends our direction. Where the carrier has no such thing, it is closed: a peer that waits for our end would never send its own.</summary>
    public override void ShutdownSend()
    {
        lock (_gate)
        {
            if (_isSendingOver)
                return;
            _isSendingOver = true;
            if (_carrier.CanEndWrites)
                _endingWrites = Task.Run(async () => await _carrier.EndWritesAsync().ConfigureAwait(false));
        }

        if (!_carrier.CanEndWrites)
            Close();
    }

    public override void Abort()
    {
        _cut.TrySetResult();
        Close();
    }

    /// <summary>Waits until the carrier is closed; not after <see cref="Abort"/>: <see cref="WhenClosed"/> does.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        if (!_writing.IsCompleted)
            Abort(); // the peer has ended its side, and takes nothing
        await Task.WhenAny(_endingWrites, _cut.Task).ConfigureAwait(false);
        Close();
        _input.Complete();
        await Task.WhenAny(_closing!, _cut.Task).ConfigureAwait(false);
    }

    public override Task WhenClosed() => _closing!;

    // The carrier may still use the bytes when the wait for it was given up, so it gets a copy.
    private Task BeginWrite(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isSendingOver, this);
            RentedMemory.Owner piece = _memory.RentArray(bytes.Length);
            bytes.CopyTo(piece.Array);
            int count = bytes.Length;
            return _writing = Task.Run(() => WriteAsync(piece, count));
        }
    }

    private async Task WriteAsync(RentedMemory.Owner piece, int count)
    {
        using (piece)
            await _carrier.WriteAsync(piece.Memory[..count], _over.Token).ConfigureAwait(false);
    }

    private void Close()
    {
        lock (_gate)
        {
            if (_closing is not null)
                return;
            _isSendingOver = true;
            // The carrier's code runs on the pool, and so does what it has registered for the cancellation.
            _ = EndedAsync(_over.CancelAsync());
            _closing = Task.Run(CloseAsync);
        }

        _input.WakeUp();
    }

    private async Task CloseAsync()
    {
        Task whenUnused = Task.WhenAll(_reading, EndedAsync(_writing), EndedAsync(_endingWrites));
        try
        {
            await _carrier.CloseAsync(isCut: _cut.Task.IsCompleted, whenUnused).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It is over either way.
        }

        // The carrier is given up, so that its buffers come back. Some streams leave a read waiting that nothing ends.
        if (!_cut.Task.IsCompleted)
            await Task.WhenAny(whenUnused, _cut.Task).ConfigureAwait(false);
    }

    // What went wrong was told to whoever waited for it, or does not matter any more.
    private static async Task EndedAsync(Task task) => await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
