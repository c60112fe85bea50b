using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// Reads a socket as a pipe of one contiguous buffer. With a buffer in hand it waits with that buffer: one system call and one wait less than to ask first
/// whether there is something to read. Without one it asks first. So a busy peer is read fast, and one that has only spoken a few times, or that the owner
/// found silent (<see cref="ReleaseIdle"/>), costs no buffer. The buffer grows while reads fill it.
/// </summary>
/// <remarks>One reader at a time; <see cref="ReleaseIdle"/> from any thread.</remarks>
internal sealed class SocketReader(Socket socket, ArrayPool<byte> pool) : PipeReader
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestBuffer = 256 * 1024; // what large messages still gain by

    // So many reads without a silence between them make a peer a busy one. A buffer for each of many peers that only say hello would stay with the process.
    private const int FewReads = 16;

    private byte[]? _buffer;
    private int _reads;      // since the peer was last silent, up to FewReads
    private int _size = SmallestBuffer;
    private int _start;      // of what is not consumed yet
    private int _examined;   // up to where the owner has looked
    private int _end;        // of what was received
    private bool _ended;     // the peer's FIN came
    private volatile bool _waitsWithBuffer;

    // Ends a wait with a buffer; a peer that is not busy has none. Never disposed: it has neither timer nor wait handle to free, and other threads may cancel it
    // when the connection has just ended.
    private CancellationTokenSource? _wait;

    /// <exception cref="IOException">The connection is lost.</exception>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        Debug.Assert(!cancellationToken.CanBeCanceled, "A read is ended by closing the socket.");
        return IsAvailable ? new ValueTask<ReadResult>(TakeResult()) : ReceiveAsync();
    }

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

    /// <summary>Not supported: a source to cancel by would have to be kept for as long as the peer is silent.</summary>
    public override void CancelPendingRead() => throw new NotSupportedException("A read is ended by closing the socket.");

    /// <summary>Bytes of memory that it holds. From any thread.</summary>
    public int HeldBytes => Volatile.Read(ref _buffer)?.Length ?? 0;

    /// <summary>The peer has been silent: what waits for it shall not hold a buffer.</summary>
    public void ReleaseIdle()
    {
        if (_waitsWithBuffer)
            Volatile.Read(ref _wait)?.Cancel();
    }

    /// <summary>Leaves the buffer to whoever still reads in it, with all that it holds. While nobody reads here.</summary>
    /// <returns>How many bytes it has.</returns>
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
    private async ValueTask<ReadResult> ReceiveAsync()
    {
        try
        {
            while (true)
            {
                if (_end == 0 && _reads < FewReads)
                    ReleaseBuffer();
                bool asksFirst = _buffer is null;
                if (asksFirst)
                    await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None).ConfigureAwait(false);
                MakeRoom();
                try
                {
                    _waitsWithBuffer = _end == 0 && !asksFirst;
                    CancellationToken silent = _waitsWithBuffer ? WaitToken() : default;
                    Received(await socket.ReceiveAsync(_buffer.AsMemory(_end), SocketFlags.None, silent).ConfigureAwait(false));
                    return TakeResult();
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

    // Room behind what is there already, in a larger array if need be.
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
