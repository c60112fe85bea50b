using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>The state of a TCP connection on Linux (the socket option TCP_INFO, tcp(7)). Not available on other systems.</summary>
/// <param name="State">TCP_ESTABLISHED and so on.</param>
/// <param name="BytesAcknowledged">The bytes that the peer's system has acknowledged since the connection was made.</param>
internal readonly record struct TcpInfo(byte State, long BytesAcknowledged)
{
    /// <summary>IPPROTO_TCP.</summary>
    public const int Level = 6;

    /// <summary>TCP_INFO.</summary>
    public const int Option = 11;

    /// <summary>The size of what is used of the struct tcp_info.</summary>
    public const int Size = AcknowledgedAt + sizeof(long);

    private const int StateAt = 0;       // tcpi_state
    private const int AcknowledgedAt = 120; // tcpi_bytes_acked, since Linux 4.1

    // include/net/tcp_states.h
    private const byte Closed = 7;
    private const byte CloseWait = 8;

    /// <summary>Whether the peer's FIN or RST has arrived, even if unread bytes precede it.</summary>
    public bool HasPeerEnded => State is Closed or CloseWait;

    /// <summary>False on other systems, on connections that are not TCP, and when the socket is closed.</summary>
    public static bool TryGet(Socket socket, out TcpInfo info)
    {
        info = default;
        if (!OperatingSystem.IsLinux())
            return false;
        Span<byte> bytes = stackalloc byte[Size];
        try
        {
            if (socket.GetRawSocketOption(Level, Option, bytes) < Size)
                return false;
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return false;
        }

        info = Read(bytes);
        return true;
    }

    /// <summary>Reads a struct tcp_info of <see cref="Size"/> bytes.</summary>
    public static TcpInfo Read(ReadOnlySpan<byte> bytes) => new(bytes[StateAt], MemoryMarshal.Read<long>(bytes[AcknowledgedAt..]));
}
