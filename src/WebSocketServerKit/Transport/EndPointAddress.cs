using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport;

/// <summary>The IP address of an end point, for limits per remote address and for the rules for loopback addresses.</summary>
internal static class EndPointAddress
{
    /// <summary>
    /// Stands for every end point without an IP address, such as that of a Unix domain socket. It is a loopback address, because only programs of this machine
    /// reach such an end point. No TCP connection has it, because it is the broadcast address of the loopback network.
    /// </summary>
    public static readonly IPAddress None = new([127, 255, 255, 255]);

    private static readonly EndPoint Unknown = new UnknownEndPoint();

    /// <summary>The end point as hosts are shown it: an IPv4 address as such; for null, and for a path that <see cref="IsPrintable"/> refuses, one that says that it is unknown.</summary>
    public static EndPoint Shown(EndPoint? endPoint) => endPoint switch
    {
        IPEndPoint { Address.IsIPv4MappedToIPv6: true } ip => new IPEndPoint(ip.Address.MapToIPv4(), ip.Port),
        UnixDomainSocketEndPoint unix when !IsPrintable(unix.ToString()) => Unknown,
        _ => endPoint ?? Unknown,
    };

    /// <summary>Whether a path can be logged as it is. A client may bind its end of a Unix domain socket to a path with line ends.</summary>
    public static bool IsPrintable(string path)
    {
        foreach (char character in path)
            if (char.IsControl(character) || character is '\u2028' or '\u2029')
                return false;
        return true;
    }

    /// <summary>The IP address of the end point, or <see cref="None"/>.</summary>
    public static IPAddress Of(EndPoint endPoint) => endPoint is IPEndPoint ip ? ip.Address : None;

    private sealed class UnknownEndPoint : EndPoint
    {
        public override string ToString() => "unknown";
    }
}
