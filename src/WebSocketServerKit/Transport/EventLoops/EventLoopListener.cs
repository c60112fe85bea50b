using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// Accepts the connections of one listening socket, on the thread of the loop that watches it. A connection that is accepted goes to the loop of the group with the fewest.
/// </summary>
/// <remarks>One caller at a time waits in <see cref="AcceptAsync"/>.</remarks>
[SupportedOSPlatform("linux")]
internal sealed class EventLoopListener
{
    // After so many in a row the other sockets of the loop have their turn.
    private const int AcceptedInARow = 8;

    private readonly Readiness _readable = new();
    private readonly Socket _listener;
    private readonly bool _hasSendBufferSize;
    private readonly EventLoopGroup _loops;
    private readonly EventLoop _loop;
    private readonly CancellationToken _stopping;
    private readonly bool _isBound; // to one address, so all connections have it
    private EndPoint _localEndPoint;
    private AddressReader _peers;
    private AddressReader _locals;
    private int _accepted;

    /// <param name="listener">Listens. It stays its owner's.</param>
    /// <param name="settings">The socket options, which Linux lets accepted sockets inherit.</param>
    /// <param name="loops">Where the connections go.</param>
    /// <param name="loop">Watches the listener.</param>
    /// <param name="stopping">Ends the wait. The listener is closed afterwards.</param>
    /// <exception cref="IOException">The system cannot watch more sockets.</exception>
    public EventLoopListener(Socket listener, SocketSettings settings, EventLoopGroup loops, EventLoop loop, CancellationToken stopping)
    {
        settings.ApplyTo(listener);
        _listener = listener;
        _hasSendBufferSize = settings.SendBufferSize is not null;
        _localEndPoint = EndPointAddress.Shown(listener.LocalEndPoint);
        _isBound = _localEndPoint is not IPEndPoint { Address: var address } || !(address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));
        _loops = loops;
        _loop = loop;
        _stopping = stopping;
        loop.Add(this, listener.SafeHandle);
        stopping.UnsafeRegister(static listener => ((EventLoopListener)listener!).Stop(), this);
    }

    /// <summary>Identifies it among the listeners of its loop, which sets it.</summary>
    public long Key { get; set; }

    /// <summary>Waits for the next connection, and goes on with it on the loop's thread.</summary>
    /// <exception cref="SocketException">The connection cannot be accepted.</exception>
    /// <exception cref="IOException">The system cannot watch more sockets.</exception>
    /// <exception cref="ObjectDisposedException">The listener is closed.</exception>
    /// <exception cref="OperationCanceledException">It is about to be closed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<TransportConnection?> AcceptAsync()
    {
        while (true)
        {
            bool hasTurn = _accepted < AcceptedInARow;
            if (!hasTurn)
                _readable.TryTake();
            // The signal of the stop may just have been taken. The token is cancelled before that signal.
            _stopping.ThrowIfCancellationRequested();
            if (!hasTurn)
            {
                _loop.Rearm(this, _listener.SafeHandle);
                _accepted = 0;
            }

            if (_readable.TryTake())
            {
                if (TryAccept() is not { } connection)
                    continue;
                _accepted++;
                return connection;
            }

            if (_readable.TryWait(out ValueTask wait))
            {
                await wait.ConfigureAwait(false);
                _readable.SetReady();
                _accepted = 0;
            }
        }
    }

    /// <summary>Connections wait. Called by the loop; <see cref="AcceptAsync"/> goes on here.</summary>
    public void Signal()
    {
        if (_readable.Signal())
            _readable.EndWait();
    }

    private void Stop()
    {
        _loop.Remove(this, _listener.SafeHandle);
        Signal();
    }

    // Null if no connection waits.
    private EventLoopConnection? TryAccept()
    {
        Span<byte> address = stackalloc byte[LinuxSocket.MaxAddressSize];
        LinuxSocket? socket;
        int size;
        try
        {
            socket = LinuxSocket.TryAccept(_listener.SafeHandle, address, out size);
        }
        catch
        {
            _readable.SetReady();
            throw;
        }

        if (socket is null)
            return null;
        _readable.SetReady(); // there may be more
        try
        {
            object? peer = _peers.Read(address[..size], out int port);
            if (peer is not IPAddress || _isBound)
                return Add(socket, peer, port, _localEndPoint);
            size = socket.GetLocalAddress(address);
            if (_locals.Read(address[..size], out int localPort) is IPAddress ip && (_localEndPoint is not IPEndPoint known || known.Port != localPort || !ReferenceEquals(known.Address, ip)))
                _localEndPoint = new IPEndPoint(ip, localPort);
            return Add(socket, peer, port, _localEndPoint);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private EventLoopConnection Add(LinuxSocket socket, object? peer, int port, EndPoint localEndPoint)
    {
        EventLoop loop = _loops.WithFewest;
        EventLoopConnection connection = new(socket, peer, port, localEndPoint, _hasSendBufferSize, loop);
        loop.Add(connection);
        return connection;
    }
}
