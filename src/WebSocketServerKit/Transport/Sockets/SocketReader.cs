using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// The input of a socket. For a busy peer it receives directly into its buffer, which saves a system call and a wait. For an idle peer, or one that has sent only
/// a few times, it waits with a zero-byte read and rents a buffer afterwards, so that an idle connection holds no buffer. The buffer grows while reads fill it.
/// </summary>
/// <remarks>One reader at a time. <see cref="ReleaseIdle"/> and <see cref="TransportInput.HeldBytes"/> may be used from any thread.</remarks>
internal sealed class SocketReader(Socket socket, ArrayPool<byte> pool) : TransportInput
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestBuffer = 256 * 1024; // larger ones do not make large messages faster

    // A peer counts as busy after this many reads without an idle time in between. Otherwise many peers that each send a few messages would all make the pool grow.
    private const int FewReads = 16;

    private int _reads;      // reads since the peer was last idle, up to FewReads
    private int _size = SmallestBuffer; // the size of the next buffer
    private volatile bool _waitsWithBuffer;

    // Cancels a read that waits with a buffer. Null until the peer is busy. Never disposed: it owns neither a timer nor a wait handle, and another thread may
    // cancel it after the connection has ended.
    private CancellationTokenSource? _wait;

    /// <summary>Lets a pending read release its buffer. From any thread.</summary>
    public void ReleaseIdle()
    {
        if (_waitsWithBuffer)
            Volatile.Read(ref _wait)?.Cancel();
    }

    // An idle connection waits here: keep no locals across the first await.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask ReceiveAsync()
    {
        try
        {
            while (true)
            {
                if (IsEmpty && _reads < FewReads)
                    ReleaseBuffer();
                if (!HasBuffer)
                {
                    await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None).ConfigureAwait(false);
                    if (TryReceive())
                        return;
                    // The wait has ended because of bytes that an earlier call has received. The buffer is released, or the next wait can be ended by ReleaseIdle.
                    continue;
                }

                try
                {
                    _waitsWithBuffer = IsEmpty;
                    MakeRoom(free: 1, _size);
                    CancellationToken silent = _waitsWithBuffer ? WaitToken() : default;
                    Count(await socket.ReceiveAsync(Free, SocketFlags.None, silent).ConfigureAwait(false));
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

    protected override byte[] Rent(int minimumLength) => pool.Rent(minimumLength);

    protected override void Return(byte[] buffer) => pool.Return(buffer);

    // False if no bytes are there.
    private bool TryReceive()
    {
        MakeRoom(free: 1, _size);
        int received = socket.Receive(Free.Span, SocketFlags.None, out SocketError error);
        if (error == SocketError.WouldBlock)
            return false;
        if (error != SocketError.Success)
            throw new SocketException((int)error);
        Count(received);
        return true;
    }

    private void Count(int received)
    {
        HasEnded = received == 0;
        _reads = Math.Min(_reads + 1, FewReads);
        bool isFull = received == Free.Length;
        Received(received);
        if (isFull)
            _size = Math.Min(Math.Max(_size, 2 * HeldBytes), Math.Max(LargestBuffer, HeldBytes));
    }

    private CancellationToken WaitToken()
    {
        if (_wait is not { IsCancellationRequested: false })
            Interlocked.Exchange(ref _wait, new CancellationTokenSource());
        return _wait.Token;
    }
}
