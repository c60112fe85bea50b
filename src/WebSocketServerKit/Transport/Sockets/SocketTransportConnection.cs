using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// A connection over an accepted <see cref="Socket"/>: plain TCP or a Unix domain socket, on every platform. An idle connection holds no buffer: see
/// <see cref="SocketReader"/>.
/// </summary>
internal sealed class SocketTransportConnection : TransportConnection
{
    private readonly Socket _socket;
    private readonly SocketReader _reader;
    private readonly bool _hasSendBufferSize; // the listener has set one
    private long _sent; // the bytes that the system has taken
    private int _disposed;

    /// <summary>Takes ownership of an accepted socket.</summary>
    /// <exception cref="SocketException">The connection has ended already.</exception>
    private SocketTransportConnection(Socket socket, SocketSettings settings, ArrayPool<byte> pool)
    {
        _socket = socket;
        LocalEndPoint = Shown(socket.LocalEndPoint);
        RemoteEndPoint = Shown(socket.RemoteEndPoint);
        // The client's end of a Unix domain socket usually has no name. Show the server's instead.
        if (RemoteEndPoint is UnixDomainSocketEndPoint && RemoteEndPoint.ToString() is "")
            RemoteEndPoint = LocalEndPoint;

        settings.ApplyTo(socket);
        _hasSendBufferSize = settings.SendBufferSize is not null;
        _reader = new SocketReader(socket, pool);
    }

    public override PipeReader Input => _reader;

    public override ValueTask WaitToReadAsync() => _reader.WaitToReadAsync();

    public override EndPoint RemoteEndPoint { get; }

    public override EndPoint LocalEndPoint { get; }

    /// <summary>
    /// Takes ownership of an accepted socket. If the peer has left already, which some systems report only now, it closes the socket and returns null.
    /// </summary>
    public static SocketTransportConnection? TryCreate(Socket socket, SocketSettings settings, ArrayPool<byte> pool)
    {
        try
        {
            return new SocketTransportConnection(socket, settings, pool);
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
            // Usually the system takes everything at once. Then there is no need for a state machine.
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

    public override void SetSendBuffer(int size, bool isWish)
    {
        if (_hasSendBufferSize && !isWish)
            return;
        try
        {
            _socket.SendBufferSize = size;
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // The connection is lost; the reader finds that out too.
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
            // The connection is lost; a FIN is not needed.
        }
    }

    public override void Abort()
    {
        try
        {
            // Closing with a linger time of zero sends a RST.
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
        // A socket that is not connected any more has no end points.
        null => throw new SocketException((int)SocketError.NotConnected),
        _ => EndPointAddress.Shown(endPoint),
    };
}
