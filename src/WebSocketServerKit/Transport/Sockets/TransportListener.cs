using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>Begins to accept the connections of a socket that listens, until the token is cancelled; then the socket is closed.</summary>
internal delegate AcceptNext AcceptFactory(Socket listener, SocketSettings settings, CancellationToken stopping);

/// <summary>
/// Listens on one end point from its start until it is disposed, and hands out accepted connections.
/// </summary>
/// <remarks>Threading: <see cref="Dispose"/> may be called from any thread while <see cref="RunAsync"/> runs.</remarks>
internal sealed class TransportListener : IDisposable
{
    private readonly Socket _listener;
    private readonly AcceptNext _accept;

    // Never disposed: it owns neither a timer nor a wait handle, and RunAsync after Dispose has to end without an error.
    private readonly CancellationTokenSource _stopping = new();

    private TransportListener(Socket listener, SocketSettings settings, AcceptFactory? accept)
    {
        _listener = listener;
        LocalEndPoint = listener.LocalEndPoint!;
        _accept = accept is null ? AcceptWith(ArrayPool<byte>.Shared)(listener, settings, _stopping.Token) : accept(listener, settings, _stopping.Token);
    }

    /// <summary>The end point that it listens on, with the real port if port 0 was requested.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>Binds and listens. From then on clients can connect; the system queues them until they are accepted.</summary>
    /// <param name="endPoint">
    /// An address of this machine, or the path of a Unix domain socket. <see cref="IPAddress.IPv6Any"/> accepts IPv4 clients too. With port 0 the system
    /// chooses a port. A stale socket file, on which nobody listens, is replaced.
    /// </param>
    /// <param name="settings">The socket options; null for the defaults.</param>
    /// <param name="others">The end points on which the same server listens already, for the message of the exception.</param>
    /// <param name="accept">Accepts the connections; null for those of <see cref="SocketTransportConnection"/>.</param>
    /// <exception cref="IOException">
    /// The address cannot be listened on. The message says why and what to do; the inner exception is the socket's error.
    /// </exception>
    /// <remarks>
    /// A port can be used again as soon as its listener is disposed: .NET sets SO_REUSEADDR on systems where that only ignores connections in TIME_WAIT. A port
    /// on which another program listens is an error all the same, unless both share it (<see cref="SocketSettings.ReusePort"/>).
    /// </remarks>
    public static TransportListener Start(
        EndPoint endPoint, SocketSettings? settings = null, IReadOnlyList<EndPoint>? others = null, AcceptFactory? accept = null)
    {
        settings ??= SocketSettings.Default;
        Socket? listener = null;
        try
        {
            // The system would permit it.
            if (settings.ReusePort && others is not null && others.Contains(endPoint))
                throw new SocketException((int)SocketError.AddressAlreadyInUse);
            listener = new Socket(endPoint.AddressFamily, SocketType.Stream, endPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
            settings.ApplyToListener(listener);
            Bind(listener, endPoint);
            // Before Listen: nobody can connect until then.
            if (settings.FileMode is { } mode && endPoint is UnixDomainSocketEndPoint && !OperatingSystem.IsWindows())
                SetMode(endPoint.ToString()!, mode);
            listener.Listen(settings.Backlog);
            return new TransportListener(listener, settings, accept);
        }
        catch (SocketException failure)
        {
            listener?.Dispose();
            throw TransportErrors.CannotListen(endPoint, failure, others ?? []);
        }
        catch
        {
            listener?.Dispose();
            throw;
        }
    }

    /// <summary>Listens on a socket that is bound already, or listens already, such as one that systemd has passed on. Takes ownership of it.</summary>
    /// <param name="listener">A stream socket.</param>
    /// <param name="settings">The socket options of accepted connections. An event loop sets them on the listener, from which they are inherited.</param>
    /// <param name="accept">Accepts the connections; null for those of <see cref="SocketTransportConnection"/>.</param>
    /// <exception cref="IOException">It cannot be listened on.</exception>
    public static TransportListener Start(Socket listener, SocketSettings? settings = null, AcceptFactory? accept = null)
    {
        settings ??= SocketSettings.Default;
        try
        {
            // Harmless if it listens already: then it sets the backlog.
            listener.Listen(settings.Backlog);
            return new TransportListener(listener, settings, accept);
        }
        catch (ObjectDisposedException closed)
        {
            throw new IOException("Cannot listen on a socket that is closed. The server owns the sockets that it is given, and closes them when it stops.", closed);
        }
        catch (SocketException failure)
        {
            throw new IOException($"Cannot listen on the socket: {failure.Message}. It has to be a stream socket that is bound to an address.", failure);
        }
    }

    /// <summary>Accepts connections for which .NET waits.</summary>
    /// <param name="pool">The pool for their buffers.</param>
    public static AcceptFactory AcceptWith(ArrayPool<byte> pool) => (listener, settings, _) => async stopping =>
        SocketTransportConnection.TryCreate(await listener.AcceptAsync(stopping).ConfigureAwait(false), settings, pool);

    /// <summary>
    /// Accepts until the listener is disposed. Errors do not end it: see <see cref="AcceptLoop"/>. Call it once.
    /// </summary>
    public Task RunAsync(Action<TransportConnection> accepted, Action<IOException> report, TimeProvider timeProvider) =>
        new AcceptLoop(_accept, accepted, report, timeProvider).RunAsync(_stopping.Token);

    /// <summary>
    /// Closes the listening socket and ends <see cref="RunAsync"/>. The system resets clients that were not accepted yet. Accepted connections are not affected.
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

    [UnsupportedOSPlatform("windows")]
    private static void SetMode(string path, UnixFileMode mode)
    {
        try
        {
            File.SetUnixFileMode(path, mode);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot listen on {path}: the permissions of SocketFileMode cannot be set ({failure.Message}). Choose another folder, or leave SocketFileMode out.", failure);
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

    // Only a socket may be deleted. A socket is the only kind of file that cannot be opened. ReadWrite, because opening a named pipe for reading alone would
    // wait for a writer.
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

}
