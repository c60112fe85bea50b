using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// A connection over a stream that the host vouches for (<see cref="AcceptOptions.IsStreamTrusted"/>): its calls do not block, they end when they are cancelled or the stream is closed, and then
/// they no longer use their buffers. So the stream is called on the threads of the connection, and gets the buffers themselves, not copies.
/// </summary>
internal sealed class DirectConnection : BroughtConnection
{
    // The most bytes of one write, so that the progress of a slow peer is visible.
    private const int PieceSize = 64 * 1024;

    private readonly StreamCarrier _carrier;
    private readonly DirectInput _input;
    private readonly CancellationTokenSource _over = new(); // never disposed: it has neither timer nor wait handle to free
    private readonly Lock _gate = new();
    private volatile bool _isSendingOver;
    private volatile bool _isWriting;
    private volatile bool _isCut;
    private Task _endingWrites = Task.CompletedTask;
    private TaskCompletionSource? _cut; // made when _endingWrites may take time
    private Task? _closing; // not null once the connection has ended
    private long _taken;
    private int _disposed;

    /// <param name="carrier">A stream. A pipe would not do: it must not be completed while it is in use.</param>
    /// <param name="remoteEndPoint">The client's address, if known.</param>
    /// <param name="localEndPoint">The address that it has connected to, if known.</param>
    /// <param name="pool">The source of the buffers.</param>
    /// <param name="facts">Further facts about the connection, or null.</param>
    public DirectConnection(StreamCarrier carrier, EndPoint? remoteEndPoint, EndPoint? localEndPoint, ArrayPool<byte> pool, HostFacts? facts = null)
        : base(remoteEndPoint, localEndPoint, facts)
    {
        _carrier = carrier;
        _input = new DirectInput(carrier, pool, _over.Token);
    }

    public override PipeReader Input => _input;

    public override ValueTask WaitToReadAsync() => _input.WaitToReadAsync();

    public override bool HasReceived => _input.HasReceived;

    public override bool HasUnread => _input.HasUnread;

    /// <inheritdoc cref="DirectInput.IsReadingPast"/>
    public bool IsReadingPast => _input.IsReadingPast;

    public override bool HasPeerEnded => _input.HasCarrierEnded;

    /// <summary>The bytes that the carrier has taken. How many the peer has received is not known here.</summary>
    public override long BytesTaken => Volatile.Read(ref _taken);

    public override int HeldBytes => _input.HeldBytes;

    /// <summary>Does nothing: the first read touches the carrier.</summary>
    public override void Start()
    {
    }

    public override void ReleaseIdle() => _input.ReleaseIdle();

    public override int ForgetBuffers() => _input.ForgetBuffer();

    public override int TryReceive(Span<byte> buffer, out bool ended) => _input.TryReceive(buffer, out ended);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > PieceSize || _isSendingOver)
            return WritePiecesAsync(bytes);
        // Usually the carrier takes everything at once. Then there is no need for a state machine.
        ValueTask writing = BeginWrite(bytes);
        if (!writing.IsCompletedSuccessfully)
            return EndWriteAsync(writing, bytes.Length);
        writing.GetAwaiter().GetResult();
        Wrote(bytes.Length);
        return default;
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
            {
                _cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _endingWrites = EndedAsync(_carrier.EndWritesAsync);
            }
        }

        if (!_carrier.CanEndWrites)
            Close();
    }

    public override void Abort()
    {
        lock (_gate)
        {
            _isCut = true;
            _cut?.TrySetResult();
        }

        Close();
    }

    /// <summary>Waits until the carrier is closed.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        if (_isWriting)
            Abort(); // the peer has ended its side and takes no more bytes
        if (_cut is { } cut)
            await Task.WhenAny(_endingWrites, cut.Task).ConfigureAwait(false);
        Close();
        await _closing!.ConfigureAwait(false);
        await _input.WhenUnused().ConfigureAwait(false);
        _input.Complete();
    }

    public override Task WhenClosed() => _closing!;

    // An exception of the carrier becomes the result of the write.
    private ValueTask BeginWrite(ReadOnlyMemory<byte> bytes)
    {
        _isWriting = true;
        try
        {
            return _carrier.WriteAsync(bytes, CancellationToken.None);
        }
        catch (Exception failure)
        {
            return ValueTask.FromException(failure);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask EndWriteAsync(ValueTask writing, int count)
    {
        try
        {
            await writing.ConfigureAwait(false);
            Wrote(count);
        }
        catch (Exception failure)
        {
            _isWriting = false;
            throw TransportErrors.ConnectionLost(_isSendingOver ? new ObjectDisposedException(nameof(TransportConnection)) : failure);
        }
    }

    private async ValueTask WritePiecesAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_isSendingOver)
                throw TransportErrors.ConnectionLost(new ObjectDisposedException(nameof(TransportConnection)));
            int count = Math.Min(bytes.Length, PieceSize);
            await EndWriteAsync(BeginWrite(bytes[..count]), count).ConfigureAwait(false);
            bytes = bytes[count..];
        }
    }

    private void Wrote(int count)
    {
        Volatile.Write(ref _taken, _taken + count); // one writer at a time
        _isWriting = false;
    }

    private void Close()
    {
        lock (_gate)
        {
            if (_closing is not null)
                return;
            _isSendingOver = true;
            // Reads and writes that this ends continue on the pool, not on the thread of the caller.
            _closing = Task.Run(CloseAsync);
        }
    }

    private async Task CloseAsync()
    {
        await EndedAsync(() => new ValueTask(_over.CancelAsync())).ConfigureAwait(false);
        await EndedAsync(() => new ValueTask(_input.CancelWaitAsync())).ConfigureAwait(false);
        await EndedAsync(() => _carrier.CloseAsync(_isCut, whenUnused: Task.CompletedTask)).ConfigureAwait(false);
    }

    // The connection has ended in any case.
    private static async Task EndedAsync(Func<ValueTask> what)
    {
        try
        {
            await what().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The error was reported to whoever waited for the call, or does not matter any more.
        }
    }
}
