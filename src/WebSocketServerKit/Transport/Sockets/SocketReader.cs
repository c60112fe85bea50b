using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// A <see cref="PipeReader"/> over a socket, with one contiguous buffer. For a busy peer it receives directly into its buffer, which saves a system call and a
/// wait. For an idle peer, or one that has sent only a few times, it waits with a zero-byte read and rents a buffer afterwards, so that an idle connection
/// holds no buffer. The buffer grows while reads fill it.
/// </summary>
/// <remarks>One reader at a time. <see cref="ReleaseIdle"/> and <see cref="HeldBytes"/> may be used from any thread.</remarks>
internal sealed class SocketReader(Socket socket, ArrayPool<byte> pool) : PipeReader
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestBuffer = 256 * 1024; // larger ones do not make large messages faster

    // A peer counts as busy after this many reads without an idle time in between. Otherwise many peers that each send a few messages would all make the pool grow.
    private const int FewReads = 16;

    private byte[]? _buffer;
    private int _reads;      // reads since the peer was last idle, up to FewReads
    private int _size = SmallestBuffer; // the size of the next buffer
    private int _start;      // start of the bytes that are not consumed
    private int _examined;   // end of the examined bytes
    private int _end;        // end of the received bytes
    private bool _ended;     // the peer's FIN was received
    private volatile bool _waitsWithBuffer;

    // Cancels a read that waits with a buffer. Null until the peer is busy. Never disposed: it owns neither a timer nor a wait handle, and another thread may
    // cancel it after the connection has ended.
    private CancellationTokenSource? _wait;

    /// <exception cref="IOException">The connection is lost.</exception>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        Debug.Assert(!cancellationToken.CanBeCanceled, "A read is ended by closing the socket.");
        return IsAvailable ? new ValueTask<ReadResult>(TakeResult()) : ReceiveAndTakeAsync();
    }

    /// <inheritdoc cref="TransportConnection.WaitToReadAsync"/>
    /// <exception cref="IOException">The connection is lost.</exception>
    public ValueTask WaitToReadAsync() => IsAvailable ? default : ReceiveAsync();

    public override bool TryRead(out ReadResult result)
    {
        bool available = IsAvailable;
        result = available ? TakeResult() : default;
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

    /// <summary>Not supported: it would cost each idle connection a cancellation source.</summary>
    public override void CancelPendingRead() => throw new NotSupportedException("A read is ended by closing the socket.");

    /// <summary>The size of the buffer in bytes. From any thread.</summary>
    public int HeldBytes => Volatile.Read(ref _buffer)?.Length ?? 0;

    /// <summary>Lets a pending read release its buffer. From any thread.</summary>
    public void ReleaseIdle()
    {
        if (_waitsWithBuffer)
            Volatile.Read(ref _wait)?.Cancel();
    }

    /// <summary>Gives up the buffer without returning it to the pool, because somebody may still be reading it. Call it while no read is pending.</summary>
    /// <returns>The size of the buffer.</returns>
    public int ForgetBuffer()
    {
        int forgotten = HeldBytes;
        _buffer = null;
        (_start, _examined, _end) = (0, 0, 0);
        return forgotten;
    }

    public override void Complete(Exception? exception = null) => ReleaseBuffer();

    private bool IsAvailable => _examined < _end || _ended;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReceiveAndTakeAsync()
    {
        await ReceiveAsync().ConfigureAwait(false);
        return TakeResult();
    }

    // An idle connection waits here: keep no locals across the first await.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReceiveAsync()
    {
        try
        {
            while (true)
            {
                if (_end == 0 && _reads < FewReads)
                    ReleaseBuffer();
                if (_buffer is null)
                    await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None).ConfigureAwait(false);
                try
                {
                    _waitsWithBuffer = _end == 0 && _buffer is not null;
                    MakeRoom();
                    CancellationToken silent = _waitsWithBuffer ? WaitToken() : default;
                    Received(await socket.ReceiveAsync(_buffer.AsMemory(_end), SocketFlags.None, silent).ConfigureAwait(false));
                    return;
                }
                catch (OperationCanceledException)
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
        catch (Exception lost) when (lost is SocketException or ObjectDisposedException)
        {
            throw TransportErrors.ConnectionLost(lost);
        }
    }

    private void Received(int count)
    {
        _ended = count == 0;
        _reads = Math.Min(_reads + 1, FewReads);
        _end += count;
        if (_end == _buffer!.Length)
            _size = Math.Min(Math.Max(_size, 2 * _buffer.Length), Math.Max(LargestBuffer, _buffer.Length));
    }

    private ReadResult TakeResult()
    {
        ReadOnlySequence<byte> bytes = _start < _end ? new ReadOnlySequence<byte>(_buffer!, _start, _end - _start) : ReadOnlySequence<byte>.Empty;
        return new ReadResult(bytes, isCanceled: false, _ended);
    }

    // Makes free space after the received bytes, in a larger array if necessary.
    private void MakeRoom()
    {
        int kept = _end - _start;
        if (_buffer is { } buffer)
        {
            if (_end < buffer.Length && (kept > 0 || buffer.Length >= _size))
                return;
            if (_start > 0 && kept < buffer.Length / 2 && buffer.Length >= _size)
            {
                buffer.AsSpan(_start, kept).CopyTo(buffer);
            }
            else
            {
                _buffer = pool.Rent(Math.Max(_size, 2 * kept));
                buffer.AsSpan(_start, kept).CopyTo(_buffer);
                pool.Return(buffer);
            }

            (_start, _examined, _end) = (0, _examined - _start, kept);
        }
        else
        {
            _buffer = pool.Rent(_size);
        }
    }

    private void ReleaseBuffer()
    {
        if (_buffer is not { } buffer)
            return;
        _buffer = null;
        pool.Return(buffer);
    }

    private CancellationToken WaitToken()
    {
        if (_wait is not { IsCancellationRequested: false })
            Interlocked.Exchange(ref _wait, new CancellationTokenSource());
        return _wait.Token;
    }
}
