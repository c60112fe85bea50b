using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// A connection over an accepted <see cref="Socket"/>: plain TCP or a Unix domain socket. The subclass waits until the socket is ready. No call here blocks.
/// </summary>
internal abstract class SocketConnection : TransportConnection
{
    private readonly bool _hasSendBufferSize; // the listener has set one
    private long _sent; // the bytes that the system has taken
    private int _disposed;

    /// <summary>Takes ownership of an accepted socket.</summary>
    /// <exception cref="SocketException">The connection has ended already.</exception>
    protected SocketConnection(Socket socket, SocketSettings settings)
    {
        Socket = socket;
        LocalEndPoint = Shown(socket.LocalEndPoint);
        RemoteEndPoint = Shown(socket.RemoteEndPoint);
        // The client's end of a Unix domain socket usually has no name. Show the server's instead.
        if (RemoteEndPoint is UnixDomainSocketEndPoint && RemoteEndPoint.ToString() is "")
            RemoteEndPoint = LocalEndPoint;

        settings.ApplyTo(socket);
        _hasSendBufferSize = settings.SendBufferSize is not null;
    }

    protected Socket Socket { get; }

    public sealed override EndPoint RemoteEndPoint { get; }

    public sealed override EndPoint LocalEndPoint { get; }

    public override bool HasUnread
    {
        get
        {
            try
            {
                return Socket.Available > 0;
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    public override bool HasPeerEnded => TcpInfo.TryGet(Socket, out TcpInfo info) && info.HasPeerEnded;

    public override long BytesTaken => TcpInfo.TryGet(Socket, out TcpInfo info) ? info.BytesAcknowledged : Volatile.Read(ref _sent);

    public override int TryReceive(Span<byte> buffer, out bool ended)
    {
        ended = false;
        int received;
        SocketError error;
        try
        {
            received = Socket.Receive(buffer, SocketFlags.None, out error);
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
            int sent = Socket.Send(bytes, SocketFlags.None, out SocketError error);
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
            int sent = Socket.Send(bytes.Span, SocketFlags.None, out SocketError error);
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
            Socket.SendBufferSize = size;
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
            Socket.Shutdown(SocketShutdown.Send);
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
            Socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Already reset by the peer, or closed by us.
        }

        Socket.Dispose();
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Socket.Dispose();
            Input.Complete();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Counts bytes that the system has taken.</summary>
    protected int Sent(int count)
    {
        _sent += count; // one writer at a time
        return count;
    }

    /// <summary>Sends the rest of a write that the system has not taken at once.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    protected abstract ValueTask FinishWriteAsync(ReadOnlyMemory<byte> bytes);

    private static EndPoint Shown(EndPoint? endPoint) => endPoint switch
    {
        // A socket that is not connected any more has no end points.
        null => throw new SocketException((int)SocketError.NotConnected),
        _ => EndPointAddress.Shown(endPoint),
    };
}
