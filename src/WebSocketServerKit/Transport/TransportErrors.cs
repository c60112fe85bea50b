using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport;

/// <summary>
/// Translates the platforms' socket errors: why the server cannot listen, whether a failed accept concerns one client, how a connection was lost.
/// </summary>
internal static class TransportErrors
{
    private const string ClosedHere = "this side cut it";

    /// <summary>The error for an end point that cannot be listened on. The message says why and what to do about it.</summary>
    /// <param name="endPoint">The end point.</param>
    /// <param name="failure">The system's error.</param>
    /// <param name="others">The end points on which the same server listens already.</param>
    public static IOException CannotListen(EndPoint endPoint, SocketException failure, IReadOnlyList<EndPoint> others)
    {
        string why = endPoint is IPEndPoint ip
            ? TellWhy(ip, failure, [.. others.OfType<IPEndPoint>()])
            : TellWhy(endPoint, failure, others);
        return new IOException($"Cannot listen on {endPoint}: {why}", failure);
    }

    // A Unix domain socket.
    private static string TellWhy(EndPoint endPoint, SocketException failure, IReadOnlyList<EndPoint> others) => failure.SocketErrorCode switch
    {
        SocketError.AddressAlreadyInUse when others.Any(other => other.ToString() == endPoint.ToString()) =>
            "it is among the server's end points twice. Leave one out.",
        SocketError.AddressAlreadyInUse => "a program listens on it, or a file that is no socket has its name. Stop the program, or choose another path.",
        SocketError.AccessDenied => "the system does not permit it. Choose a folder in which this process may make files.",
        SocketError.AddressNotAvailable => "the folder does not exist. Make it first.",
        SocketError.AddressFamilyNotSupported => "this system has no Unix domain sockets. Use an address and a port.",
        _ => failure.Message,
    };

    private static string TellWhy(IPEndPoint endPoint, SocketException failure, IReadOnlyList<IPEndPoint> others)
    {
        bool ipv6 = endPoint.AddressFamily == AddressFamily.InterNetworkV6;
        return failure.SocketErrorCode switch
        {
            SocketError.AddressAlreadyInUse when others.FirstOrDefault(other => Covers(other, endPoint) || Covers(endPoint, other)) is { } other =>
                TellOverlap(endPoint, other),
            SocketError.AddressAlreadyInUse =>
                "the address is already in use. "
                + "Stop the program that uses it, choose another port, or use port 0 to let the system choose.",

            // Linux says InvalidArgument, Windows AddressNotAvailable.
            SocketError.InvalidArgument or SocketError.AddressNotAvailable when ipv6 && endPoint.Address is { IsIPv6LinkLocal: true, ScopeId: 0 } =>
                "a link-local address says nothing without the network interface that it is meant on. "
                + $"Write its name or number behind a %, as in {endPoint.Address}%eth0 (Linux, macOS) or {endPoint.Address}%12 (Windows).",
            SocketError.AddressNotAvailable =>
                $"this machine does not have that address. Use one of its own, or {(ipv6 ? "[::]" : "0.0.0.0")} for all of them.",

            // Windows also reports this for ports that it has reserved, or that a program holds exclusively.
            SocketError.AccessDenied =>
                "the system does not permit it. "
                + "Ports below 1024 usually need special rights, and a port may be reserved or held exclusively by another program. "
                + "Choose another port, or give the program the right (on Linux: CAP_NET_BIND_SERVICE).",
            SocketError.AddressFamilyNotSupported or SocketError.ProtocolFamilyNotSupported or SocketError.ProtocolNotSupported =>
                ipv6
                    ? "this system has no IPv6. Use an IPv4 address such as 0.0.0.0."
                    : "this system has no IPv4. Use an IPv6 address such as [::].",
            _ => failure.Message,
        };
    }

    private static string TellOverlap(IPEndPoint endPoint, IPEndPoint other)
    {
        if (other.Equals(endPoint))
            return "it is among the server's end points twice. Leave one out.";
        (IPEndPoint wide, IPEndPoint narrow) = Covers(other, endPoint) ? (other, endPoint) : (endPoint, other);
        string ipv4Too = wide.AddressFamily == narrow.AddressFamily ? "" : ", since [::] takes IPv4 clients too";
        return $"the server cannot listen on {other} as well: {wide} includes {narrow}{ipv4Too}. Leave {narrow} out.";
    }

    private static bool Covers(IPEndPoint wide, IPEndPoint narrow) =>
        wide.Port == narrow.Port
        && (wide.Address.Equals(IPAddress.IPv6Any)
            || (wide.Address.Equals(IPAddress.Any) && narrow.Address.MapToIPv6().IsIPv4MappedToIPv6)
            || wide.Address.MapToIPv6().Equals(narrow.Address.MapToIPv6()));

    /// <summary>
    /// Whether a failed accept concerns one client only, so that the loop can accept the next at once. After any other error it pauses.
    /// </summary>
    public static bool ConcernsOneClient(SocketError error) => error switch
    {
        // The client gave up between its SYN and our accept. Windows calls it a reset.
        SocketError.ConnectionAborted or SocketError.ConnectionReset => true,

        // accept(2): "Linux accept() passes already-pending network errors on the new socket as an error code from accept()."
        SocketError.NetworkDown or SocketError.NetworkUnreachable or SocketError.HostDown or SocketError.HostUnreachable => true,
        SocketError.ProtocolOption or SocketError.TimedOut => true,
        _ => false,
    };

    /// <summary>The report that accepting fails at present and is retried.</summary>
    public static IOException AcceptingPaused(Exception failure)
    {
        string why = failure is not SocketException socketFailure ? failure.Message : socketFailure.SocketErrorCode switch
        {
            // EMFILE and ENFILE
            SocketError.TooManyOpenSockets =>
                "this process or the system has no file descriptor left. Raise the limit (ulimit -n) or allow fewer clients.",

            // ENOBUFS and ENOMEM
            SocketError.NoBufferSpaceAvailable => "the system has no memory left for sockets.",
            _ => socketFailure.Message,
        };
        return new IOException(
            $"Cannot accept connections for now; clients wait and accepting is tried again until it works. The reason: {why}", failure);
    }

    /// <summary>The report that an accepted connection was dropped because taking it over threw.</summary>
    public static IOException ConnectionDropped(Exception failure) =>
        new($"A connection was accepted and then dropped; accepting goes on. The reason: {failure.Message}", failure);

    /// <summary>The exception for a lost connection. The socket's error is the inner exception.</summary>
    public static IOException ConnectionLost(Exception failure) => new($"The connection is lost: {DescribeLoss(failure)}.", failure);

    /// <summary>Says how a connection was lost, as the end of a sentence: "the peer reset the connection".</summary>
    /// <param name="failure">The exception of a read or a write, or its inner exception.</param>
    public static string DescribeLoss(Exception failure)
    {
        if (failure is IOException { InnerException: { } inner })
            failure = inner;

        if (failure is not SocketException socketFailure)
            return failure is ObjectDisposedException ? ClosedHere : failure.Message;

        return socketFailure.SocketErrorCode switch
        {
            SocketError.ConnectionReset or SocketError.ConnectionAborted => "the peer reset the connection",
            SocketError.Shutdown or SocketError.NotConnected => "the connection had already ended",
            SocketError.TimedOut => "the peer no longer answers",
            SocketError.NetworkDown or SocketError.NetworkReset or SocketError.NetworkUnreachable
                or SocketError.HostDown or SocketError.HostUnreachable => "the network to the peer failed",
            SocketError.OperationAborted or SocketError.Interrupted => ClosedHere,
            _ => socketFailure.Message,
        };
    }
}
