using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// Listens on one end point from <see cref="Start"/> until it is disposed, and hands out the connections that clients open.
/// </summary>
/// <remarks>Threading: <see cref="Dispose"/> may be called from any thread while <see cref="RunAsync"/> is under way.</remarks>
internal sealed class TransportListener : IDisposable
{
    public const int DefaultBacklog = 512;

    private readonly Socket _listener;
    private readonly ArrayPool<byte> _pool;

    // Never disposed: it has neither timer nor wait handle to free, and a RunAsync that comes after Dispose shall just end.
    private readonly CancellationTokenSource _stopping = new();

    private TransportListener(Socket listener, ArrayPool<byte> pool)
    {
        _listener = listener;
        _pool = pool;
        LocalEndPoint = listener.LocalEndPoint!;
    }

    /// <summary>Where clients can connect: with the real port when port 0 was asked for.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>
    /// Binds and listens: from here on clients can connect, up to <paramref name="backlog"/> of them before they are accepted.
    /// </summary>
    /// <param name="endPoint">
    /// An own address of this machine. <see cref="IPAddress.IPv6Any"/> takes IPv4 clients too. Port 0 lets the system choose. Or the path of a Unix domain socket: a socket file
    /// on which nobody listens is replaced.
    /// </param>
    /// <param name="backlog">
    /// How many connections the system may hold for us. It lowers the number to its own limit (Linux: <c>net.core.somaxconn</c>).
    /// </param>
    /// <param name="others">Where the same server listens already; it matters only for what is said when this end point cannot be listened on.</param>
    /// <param name="pool">Where connections rent their buffers.</param>
    /// <exception cref="IOException">
    /// The address cannot be listened on; the message tells why and what to do, the socket error is inside.
    /// </exception>
    /// <remarks>
    /// A port is free again as soon as its listener is disposed: .NET sets SO_REUSEADDR where it means that old connections in TIME_WAIT
    /// do not count, and a port on which another program listens still is an error.
    /// </remarks>
    public static TransportListener Start(
        EndPoint endPoint, int backlog = DefaultBacklog, IReadOnlyList<EndPoint>? others = null, ArrayPool<byte>? pool = null)
    {
        Socket? listener = null;
        try
        {
            listener = new Socket(endPoint.AddressFamily, SocketType.Stream, endPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);

            // Matters for [::], where it lets IPv4 in, and for mapped addresses such as ::ffff:127.0.0.1.
            // Any other IPv6 address has no IPv4 side.
            if (endPoint.AddressFamily == AddressFamily.InterNetworkV6)
                listener.DualMode = true;

            Bind(listener, endPoint);
            listener.Listen(backlog);
            return new TransportListener(listener, pool ?? ArrayPool<byte>.Shared);
        }
        catch (SocketException failure)
        {
            listener?.Dispose();
            throw TransportErrors.CannotListen(endPoint, failure, others ?? []);
        }
    }

    /// <summary>
    /// Accepts until the listener is disposed, whatever goes wrong with single clients or for want of resources. Call it once. See
    /// <see cref="AcceptLoop"/>.
    /// </summary>
    public Task RunAsync(Action<TransportConnection> accepted, Action<IOException> report, TimeProvider timeProvider) =>
        new AcceptLoop(AcceptAsync, accepted, report, timeProvider).RunAsync(_stopping.Token);

    /// <summary>
    /// Closes the listening socket and ends <see cref="RunAsync"/>. Clients not accepted yet are reset by the system; accepted connections
    /// live on.
    /// </summary>
    public void Dispose()
    {
        // Cancelled first, so that the loop knows why its accept fails.
        _stopping.Cancel();
        _listener.Dispose();
    }

    private static void Bind(Socket listener, EndPoint endPoint)
    {
        try
        {
            listener.Bind(endPoint);
        }
        catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse && endPoint is UnixDomainSocketEndPoint socket && IsStale(socket))
        {
            // A process that was killed could not remove its socket file.
            File.Delete(endPoint.ToString()!);
            listener.Bind(endPoint);
        }
    }

    // Whether it is a socket file on which nobody listens.
    private static bool IsStale(UnixDomainSocketEndPoint endPoint)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(endPoint);
            return false;
        }
        catch (SocketException refused) when (refused.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return IsSocket(endPoint.ToString()!);
        }
        catch (SocketException)
        {
            return false;
        }
    }

    // Whatever else lies there is not ours to delete. Only a socket cannot be opened. Opened for writing too, a named pipe does not wait for its other end.
    private static bool IsSocket(string path)
    {
        try
        {
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite).Dispose();
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private async ValueTask<TransportConnection?> AcceptAsync(CancellationToken cancellationToken)
    {
        Socket socket = await _listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
        return SocketTransportConnection.TryCreate(socket, _pool);
    }
}
