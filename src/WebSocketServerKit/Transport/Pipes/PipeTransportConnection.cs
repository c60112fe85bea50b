using System.Buffers;
using System.IO.Pipelines;
using System.Net;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>A connection over a stream or a duplex pipe of the host, as an <see cref="ICarrier"/>.</summary>
/// <remarks>
/// <para>
/// It does not trust the carrier. The carrier's code runs on threads of the pool where nobody else waits. Its exceptions count as a lost connection. When the connection has ended, nothing
/// here waits for the carrier. A call that was given up may still use its buffer, so the carrier gets copies only.
/// </para>
/// <para>While it waits for an idle peer it holds no buffer, if a read of zero bytes waits.</para>
/// </remarks>
internal sealed class PipeTransportConnection : BroughtConnection
{
    // The most bytes of one write, so that the progress of a slow peer is visible. A TLS record has as many.
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
    private Task? _closing; // not null once the connection has ended
    private bool _isSendingOver;
    private long _taken;
    private int _disposed;

    /// <summary>Does not touch the carrier until <see cref="Start"/>.</summary>
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

    /// <summary>The bytes that the carrier has taken. How many the peer has received is not known here.</summary>
    public override long BytesTaken => Volatile.Read(ref _taken);

    public override int HeldBytes => _memory.Held;

    /// <summary>Takes ownership of the carrier, and begins to read.</summary>
    public override void Start() => _reading = _input.RunAsync();

    /// <summary>Does nothing: a read that waits holds no buffer.</summary>
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

    /// <summary>Ends our direction. A carrier without a half-close is closed: a peer that waits for our end would never send its own.</summary>
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

    /// <summary>Waits until the carrier is closed, except after <see cref="Abort"/>: <see cref="WhenClosed"/> waits then too.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        if (!_writing.IsCompleted)
            Abort(); // the peer has ended its side and takes no more bytes
        await Task.WhenAny(_endingWrites, _cut.Task).ConfigureAwait(false);
        Close();
        _input.Complete();
        await Task.WhenAny(_closing!, _cut.Task).ConfigureAwait(false);
    }

    public override Task WhenClosed() => _closing!;

    // The carrier may still use the bytes after the wait for it was given up, so it gets a copy.
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
            // The carrier's code, and its callbacks for the cancellation, run on the pool.
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
            // The connection has ended in any case.
        }

        // Wait for pending calls, so that their buffers are returned. Some streams never end a pending read: a cut ends the wait.
        if (!_cut.Task.IsCompleted)
            await Task.WhenAny(whenUnused, _cut.Task).ConfigureAwait(false);
    }

    // An error was reported to whoever waited for the task, or does not matter any more.
    private static async Task EndedAsync(Task task) => await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
