using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// A connection over an accepted socket that an <see cref="EventLoop"/> watches. What waits for the socket goes on on the loop's thread. An idle connection holds no buffer.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class EventLoopConnection : TransportConnection, IThreadPoolWorkItem
{
    private static readonly object Begun = new();

    private readonly LinuxSocket _socket;
    private readonly EventLoop _loop;
    private readonly EventLoopInput _input;
    private readonly object _peer; // an IPAddress, or the end point of a Unix domain socket
    private readonly ushort _port;
    private readonly bool _hasSendBufferSize; // the listener has set one
    private Readiness? _writable;  // made for the first write that waits
    private object? _user;         // what Start was given, until the first event; Begun from then on
    private long _sent;            // the bytes that the system has taken
    private int _disposed;

    /// <summary>Takes ownership of an accepted socket.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="peer">The peer's address, as <see cref="AddressReader"/> reads it. Null if it has none: then the server's is shown.</param>
    /// <param name="port">The peer's port.</param>
    /// <param name="localEndPoint">The address the peer connected to.</param>
    /// <param name="hasSendBufferSize">Whether the listener has set one.</param>
    /// <param name="loop">The loop that is going to watch it.</param>
    public EventLoopConnection(LinuxSocket socket, object? peer, int port, EndPoint localEndPoint, bool hasSendBufferSize, EventLoop loop)
    {
        _socket = socket;
        _peer = peer ?? localEndPoint;
        _port = (ushort)port;
        _hasSendBufferSize = hasSendBufferSize;
        LocalEndPoint = localEndPoint;
        _loop = loop;
        _input = new EventLoopInput(socket, loop.Pool, isTcp: peer is IPAddress);
    }

    /// <summary>Identifies it among the connections of its loop, which sets it.</summary>
    public long Key { get; set; }

    /// <summary>The tick of the clock until which its handlers run on the thread pool, because one of them has blocked the loop.</summary>
    public int OffLoopUntil { get; set; }

    public LinuxSocket Socket => _socket;

    public override PipeReader Input => _input;

    public override EndPoint RemoteEndPoint => _peer is IPAddress address ? new IPEndPoint(address, _port) : (EndPoint)_peer;

    public override IPAddress RemoteAddress => _peer as IPAddress ?? EndPointAddress.None;

    public override EndPoint LocalEndPoint { get; }

    public override int HeldBytes => _input.HeldBytes;

    public override bool HasUnread => _socket.HasUnread;

    public override bool HasPeerEnded => _socket.TryGetTcpInfo(out TcpInfo info) && info.HasPeerEnded;

    public override long BytesTaken => _socket.TryGetTcpInfo(out TcpInfo info) ? info.BytesAcknowledged : Volatile.Read(ref _sent);

    /// <summary>Begins with the first event, which comes at once: a new socket can be written.</summary>
    public override void Start(IThreadPoolWorkItem user)
    {
        if (Interlocked.CompareExchange(ref _user, user, null) is not null)
            base.Start(user);
    }

    public override ValueTask WaitToReadAsync() => _input.WaitToReadAsync();

    public override void ReleaseIdle()
    {
        // It holds no buffer while it waits.
    }

    public override int ForgetBuffers() => _input.Forget();

    /// <summary>Called by the loop. What waits for the socket goes on here.</summary>
    public void Signal(PollEvents events, bool onPool)
    {
        if ((events & (PollEvents.Writable | PollEvents.HungUp | PollEvents.Error)) != PollEvents.None && Volatile.Read(ref _writable) is { } writable && writable.Signal())
            writable.EndWait();
        if ((events & ~PollEvents.Writable) != PollEvents.None)
            _input.Signal(events, onPool);
        if (_user != Begun && Interlocked.Exchange(ref _user, Begun) is IThreadPoolWorkItem user)
            user.Execute();
    }

    public override int TryReceive(Span<byte> buffer, out bool ended)
    {
        int received;
        SocketError error;
        try
        {
            received = _socket.Receive(buffer, out error);
        }
        catch (ObjectDisposedException closed)
        {
            throw TransportErrors.ConnectionLost(closed);
        }

        ended = error == SocketError.Success && received == 0;
        return error is SocketError.Success or SocketError.WouldBlock ? received : throw TransportErrors.ConnectionLost(new SocketException((int)error));
    }

    public override int TryWrite(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Sent(_socket.Send(bytes, out _));
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            // Usually the system takes everything at once. Then there is no need for a state machine.
            int sent = Sent(_socket.Send(bytes.Span, out _));
            return sent == bytes.Length ? ValueTask.CompletedTask : FinishWriteAsync(bytes[sent..]);
        }
        catch (ObjectDisposedException closed)
        {
            return ValueTask.FromException(TransportErrors.ConnectionLost(closed));
        }
    }

    public override void SetSendBuffer(int size, bool isWish)
    {
        if (_hasSendBufferSize && !isWish)
            return;
        try
        {
            _socket.SetSendBuffer(size);
        }
        catch (ObjectDisposedException)
        {
            // The connection is lost; the reader finds that out too.
        }
    }

    public override void ShutdownSend()
    {
        try
        {
            _socket.ShutdownSend();
        }
        catch (ObjectDisposedException)
        {
            // The connection is lost; a FIN is not needed.
        }
    }

    public override void Abort()
    {
        try
        {
            // Closing with a linger time of zero sends a RST.
            _socket.ResetOnClose();
        }
        catch (ObjectDisposedException)
        {
            // Closed by us already.
        }

        _socket.Dispose();
        // A closed socket has no events. What waits must not go on in the caller's call.
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _loop.Remove(this);
            _socket.Dispose();
            _input.Complete();
        }

        return ValueTask.CompletedTask;
    }

    void IThreadPoolWorkItem.Execute() => Signal(PollEvents.HungUp, onPool: false);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask FinishWriteAsync(ReadOnlyMemory<byte> bytes)
    {
        Readiness writable = _writable ?? Interlocked.CompareExchange(ref _writable, new Readiness(), null) ?? _writable;
        writable.SetReady(); // an error that was told is told no more, so each write tries at least once
        while (!bytes.IsEmpty)
        {
            if (writable.TryTake())
            {
                int sent = Send(bytes.Span);
                if (sent > 0)
                    writable.SetReady();
                bytes = bytes[sent..];
            }
            else if (writable.TryWait(out ValueTask wait))
            {
                await wait.ConfigureAwait(false);
                writable.SetReady();
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
            sent = _socket.Send(bytes, out error);
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

    // Counts bytes that the system has taken.
    private int Sent(int count)
    {
        _sent += count; // one writer at a time
        return count;
    }
}
