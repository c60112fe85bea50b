using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// A connection over an accepted socket that an <see cref="EventLoop"/> watches. What waits for the socket goes on on the loop's thread. An idle connection holds no buffer.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class EventLoopConnection : SocketConnection, IThreadPoolWorkItem
{
    private readonly EventLoop _loop;
    private readonly EventLoopInput _input;
    private readonly Readiness _writable = new();

    /// <exception cref="SocketException">The connection has ended already.</exception>
    public EventLoopConnection(Socket socket, SocketSettings settings, ArrayPool<byte> pool, EventLoop loop)
        : base(socket, settings)
    {
        _loop = loop;
        _input = new EventLoopInput(socket, pool);
    }

    /// <summary>Identifies it among the connections of its loop, which sets it.</summary>
    public long Key { get; set; }

    /// <summary>The tick of the clock until which its handlers run on the thread pool, because one of them has blocked the loop.</summary>
    public int OffLoopUntil { get; set; }

    public SafeHandle Handle => Socket.SafeHandle;

    public override PipeReader Input => _input;

    public override int HeldBytes => _input.HeldBytes;

    public override ValueTask WaitToReadAsync() => _input.WaitToReadAsync();

    public override void ReleaseIdle()
    {
        // It holds no buffer while it waits.
    }

    public override int ForgetBuffers() => _input.Forget();

    /// <summary>Called by the loop. What waits for the socket goes on here.</summary>
    public void Signal(PollEvents events, bool onPool)
    {
        if ((events & (PollEvents.Writable | PollEvents.HungUp | PollEvents.Error)) != PollEvents.None && _writable.Signal())
            _writable.EndWait();
        if ((events & ~PollEvents.Writable) != PollEvents.None)
            _input.Signal(events, onPool);
    }

    public override void Abort()
    {
        base.Abort();
        // A closed socket has no events. What waits must not go on in the caller's call.
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    public override ValueTask DisposeAsync()
    {
        _loop.Remove(this);
        return base.DisposeAsync();
    }

    void IThreadPoolWorkItem.Execute() => Signal(PollEvents.HungUp, onPool: false);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask FinishWriteAsync(ReadOnlyMemory<byte> bytes)
    {
        _writable.SetReady(); // an error that was told is told no more, so each write tries at least once
        while (!bytes.IsEmpty)
        {
            if (_writable.TryTake())
            {
                int sent = Send(bytes.Span);
                if (sent > 0)
                    _writable.SetReady();
                bytes = bytes[sent..];
            }
            else if (_writable.TryWait(out ValueTask wait))
            {
                await wait.ConfigureAwait(false);
                _writable.SetReady();
            }
        }
    }

    // 0 if the system takes none now.
    private int Send(ReadOnlySpan<byte> bytes)
    {
        int sent;
        SocketError error;
        try
        {
            sent = Socket.Send(bytes, SocketFlags.None, out error);
        }
        catch (ObjectDisposedException closed)
        {
            throw TransportErrors.ConnectionLost(closed);
        }

        return error switch
        {
            SocketError.Success => Sent(sent),
            SocketError.WouldBlock => 0,
            _ => throw TransportErrors.ConnectionLost(new SocketException((int)error)),
        };
    }
}
