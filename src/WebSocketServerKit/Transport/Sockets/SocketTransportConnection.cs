using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>A connection by plain TCP, or by a Unix domain socket, over an accepted <see cref="Socket"/>, on every platform.</summary>
/// <remarks>
/// While it waits for a silent peer it holds no buffer: the reader waits with a read of zero bytes and rents when there is something to
/// read.
/// </remarks>
internal sealed class SocketTransportConnection : TransportConnection
{
    // What the system holds of bytes that it has not sent yet. Enough for the time until we write again on a fast line; see LimitUnsent.
    private static readonly byte[] UnsentLimit = BitConverter.GetBytes(256 * 1024);

    private const int Tcp = 6; // IPPROTO_TCP

    private readonly Socket _socket;
    private readonly SocketReader _reader;
    private long _sent; // bytes that the system has taken
    private int _disposed;

    /// <summary>Takes the accepted socket over, which is its own from here on.</summary>
    /// <exception cref="SocketException">The connection has ended already.</exception>
    private SocketTransportConnection(Socket socket, ArrayPool<byte> pool)
    {
        _socket = socket;
        LocalEndPoint = Shown(socket.LocalEndPoint);
        RemoteEndPoint = Shown(socket.RemoteEndPoint);
        // As a rule the client's end of a Unix domain socket has no name: then the server's tells most.
        if (RemoteEndPoint is UnixDomainSocketEndPoint && RemoteEndPoint.ToString() is "")
            RemoteEndPoint = LocalEndPoint;

        // Writes are tried at once, and must not block when the system takes no more.
        socket.Blocking = false;
        if (socket.ProtocolType == ProtocolType.Tcp)
        {
            // Frames are gathered before they are written: Nagle's algorithm would only hold the last one back.
            socket.NoDelay = true;
            LimitUnsent(socket);
        }

        _reader = new SocketReader(socket, pool);
    }

    public override PipeReader Input => _reader;

    public override EndPoint RemoteEndPoint { get; }

    public override EndPoint LocalEndPoint { get; }

    /// <summary>
    /// Takes the accepted socket over; closes it and returns null when its peer is gone already, which some systems tell only now.
    /// </summary>
    public static SocketTransportConnection? TryCreate(Socket socket, ArrayPool<byte> pool)
    {
        try
        {
            return new SocketTransportConnection(socket, pool);
        }
        catch (Exception gone) when (gone is SocketException or IOException or ObjectDisposedException)
        {
            socket.Dispose();
            return null;
        }
    }

    public override bool HasUnread
    {
        get
        {
            try
            {
                return _socket.Available > 0;
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    public override bool HasPeerEnded => TcpInfo.TryGet(_socket, out TcpInfo info) && info.HasPeerEnded;

    public override long BytesTaken => TcpInfo.TryGet(_socket, out TcpInfo info) ? info.BytesAcknowledged : Volatile.Read(ref _sent);

    public override int HeldBytes => _reader.HeldBytes;

    public override void ReleaseIdle() => _reader.ReleaseIdle();

    public override int ForgetBuffers() => _reader.ForgetBuffer();

    public override int TryReceive(Span<byte> buffer, out bool ended)
    {
        ended = false;
        int received;
        SocketError error;
        try
        {
            received = _socket.Receive(buffer, SocketFlags.None, out error);
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
            int sent = _socket.Send(bytes, SocketFlags.None, out SocketError error);
            return error == SocketError.Success ? Sent(sent) : 0;
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
            // As a rule the system takes everything at once; that needs no state machine and no event args.
            int sent = _socket.Send(bytes.Span, SocketFlags.None, out SocketError error);
            if (error == SocketError.Success && Sent(sent) == bytes.Length)
                return ValueTask.CompletedTask;
            return FinishWriteAsync(error == SocketError.Success ? bytes[sent..] : bytes);
        }
        catch (ObjectDisposedException closed)
        {
            return ValueTask.FromException(TransportErrors.ConnectionLost(closed));
        }
    }

    public override void ShutdownSend()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Nobody is left to tell.
        }
    }

    public override void Abort()
    {
        try
        {
            // To close with a linger time of zero is to reset.
            _socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Already reset by the peer, or closed by us.
        }

        _socket.Dispose();
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _socket.Dispose();
            Input.Complete();
        }

        return ValueTask.CompletedTask;
    }

    // Linux and macOS take up to some MiB for a slow peer, and then more only when a third of it is gone. To hold it here instead costs the system no memory, lets
    // us see in small steps that the peer gets on, and makes a Close frame wait for less. (TCP_NOTSENT_LOWAT; other systems have nothing like it.)
    private static void LimitUnsent(Socket socket)
    {
        int option = OperatingSystem.IsLinux() ? 25 : OperatingSystem.IsMacOS() ? 0x201 : 0;
        if (option != 0)
            socket.SetRawSocketOption(Tcp, option, UnsentLimit);
    }

    private int Sent(int count)
    {
        _sent += count; // one writer at a time
        return count;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask FinishWriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[Sent(await _socket.SendAsync(bytes).ConfigureAwait(false))..];
            }
        }
        catch (Exception lost) when (lost is SocketException or ObjectDisposedException)
        {
            throw TransportErrors.ConnectionLost(lost);
        }
    }

    private static EndPoint Shown(EndPoint? endPoint) => endPoint switch
    {
        // A socket that is no longer connected has no end points.
        null => throw new SocketException((int)SocketError.NotConnected),
        _ => EndPointAddress.Shown(endPoint),
    };
}
