using System.Buffers;
using System.Net.Sockets;
using System.Runtime.Versioning;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// The input of a socket that an event loop watches. On the loop's thread it receives into the buffer that all clients of the loop share, elsewhere into one of its own. It holds neither while
/// it waits.
/// </summary>
/// <remarks>One reader at a time. While the reader waits, the thread that ends the wait receives for it.</remarks>
[SupportedOSPlatform("linux")]
internal sealed class EventLoopInput(LinuxSocket socket, ArrayPool<byte> pool, bool isTcp) : TransportInput
{
    private const int SmallestBuffer = 4 * 1024;

    // The lowest bits of _lease: what is between this input and the loop's buffer. The bits above count the leases.
    private const int Released = 0;
    private const int Borrowed = 1; // until the end of the turn
    private const int Kept = 2;     // the reader goes on elsewhere
    private const int Forgotten = 3;
    private const int LeaseStates = 3;

    private readonly Readiness _readable = new(isReady: false); // the loop tells at first what the socket is
    private ReadBuffer? _shared;
    private volatile bool _isShared; // the bytes lie in the loop's buffer
    private int _lent;               // so many
    private int _lease;
    private int _size = SmallestBuffer;
    private volatile bool _isEnding; // the system has told that nothing follows what is unread

    public override int HeldBytes => _isShared ? _lent : base.HeldBytes;

    protected override bool OwnsFreeSpace => !_isShared;

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        base.AdvanceTo(consumed, examined);
        if (IsEmpty && _isShared)
            ReleaseBuffer();
    }

    /// <summary>There are bytes, or the peer has ended. Called by the loop; the reader that waits goes on here.</summary>
    public void Signal(PollEvents events, bool onPool)
    {
        if ((events & (PollEvents.PeerEnded | PollEvents.HungUp | PollEvents.Error)) != PollEvents.None)
            _isEnding = true;
        if (!_readable.Signal())
            return;
        if (onPool)
            ThreadPool.UnsafeQueueUserWorkItem(static input => input.ReceiveForReader(), this, preferLocal: false);
        else
            ReceiveForReader();
    }

    /// <summary>The buffer is given up, because somebody may read it for ever.</summary>
    /// <returns>The number of bytes that never go back to the pool.</returns>
    public int Forget()
    {
        if (!_isShared)
            return ForgetBuffer();
        _isShared = false;
        Interlocked.Or(ref _lease, Forgotten);
        ForgetBuffer();
        return _shared!.Forget();
    }

    /// <summary>The turn is over. If the reader still uses the bytes, elsewhere, they stay where they are.</summary>
    public void EndLoan(int lease, ReadBuffer buffer, int count)
    {
        int now = Volatile.Read(ref _lease);
        // Another lease has begun: this one has ended.
        if ((now & ~LeaseStates) != (lease & ~LeaseStates) || (now & LeaseStates) == Released)
            return;
        buffer.Keep(count);
        int seen = Interlocked.CompareExchange(ref _lease, (lease & ~LeaseStates) | Kept, lease);
        if (seen != lease && seen != (lease | Forgotten))
            buffer.Release();
    }

    protected override ValueTask ReceiveAsync()
    {
        try
        {
            while (true)
            {
                while (_readable.TryTake())
                    if (TryReceive())
                        return default;
                if (IsEmpty)
                    ReleaseBuffer();
                if (_readable.TryWait(out ValueTask wait))
                    return wait;
            }
        }
        catch (IOException lost)
        {
            return ValueTask.FromException(lost);
        }
    }

    protected override byte[] Rent(int minimumLength) => pool.Rent(minimumLength);

    protected override void Return(byte[] buffer)
    {
        if (!_isShared)
        {
            pool.Return(buffer);
            return;
        }

        _isShared = false;
        // The loop may be about to keep it: whoever comes second releases it.
        if ((Interlocked.And(ref _lease, ~LeaseStates) & LeaseStates) == Kept)
            _shared!.Release();
    }

    private void ReceiveForReader()
    {
        try
        {
            while (!TryReceive())
            {
                if (IsEmpty)
                    ReleaseBuffer();
                if (_readable.GoOnWaiting())
                    return;
                _readable.TryTake();
            }
        }
        catch (Exception failure)
        {
            // The connection is lost, or there is no memory. The reader is told; the loop goes on.
            _readable.EndWait(failure);
            return;
        }

        _readable.EndWait();
    }

    // False if no bytes are there.
    private bool TryReceive()
    {
        if (IsEmpty && EventLoop.LoopThread.Current is { } thread && thread.CanLendTo(this))
        {
            ReleaseBuffer();
            ReadBuffer shared = thread.Buffer;
            int count = Receive(shared.Array.AsSpan(shared.Start));
            if (count < 0)
                return false;
            if (count == 0)
                return true;
            _shared = shared;
            int lease = (Volatile.Read(ref _lease) & ~LeaseStates) + LeaseStates + 1 + Borrowed;
            Volatile.Write(ref _lease, lease);
            (_isShared, _lent) = (true, count);
            Adopt(shared.Array!, shared.Start, count);
            thread.Lend(this, lease, count);
            return true;
        }

        MakeRoom(free: 1, _size);
        int received = Receive(Free.Span);
        if (received < 0)
            return false;
        if (received == Free.Length)
            _size = Math.Min(2 * _size, ReadBuffer.Size);
        Received(received);
        return true;
    }

    // -1 if no bytes are there, 0 at the end.
    private int Receive(Span<byte> room)
    {
        SocketError error;
        int count;
        try
        {
            count = socket.Receive(room, out error);
        }
        catch (ObjectDisposedException closed)
        {
            _readable.SetReady();
            throw TransportErrors.ConnectionLost(closed);
        }

        if (error == SocketError.WouldBlock)
            return -1;
        // epoll(7): a read of a stream that is shorter than its buffer has taken all there is. Then the next event is an edge. But no event tells again that the connection has ended, and a read of
        // a Unix domain socket ends where the bytes of another sender begin.
        if (error != SocketError.Success || count == 0 || count == room.Length || _isEnding || !isTcp)
            _readable.SetReady();
        if (error != SocketError.Success)
            throw TransportErrors.ConnectionLost(new SocketException((int)error));
        HasEnded = count == 0;
        return count;
    }
}
