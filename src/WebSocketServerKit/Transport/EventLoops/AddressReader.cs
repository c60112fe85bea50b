using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// Reads what Linux calls a struct sockaddr: ip(7), ipv6(7), unix(7). Equal addresses in a row are one object, since clients often come through one proxy.
/// </summary>
/// <remarks>A mutable struct: it lives in a field of its one owner. Not thread-safe.</remarks>
internal struct AddressReader
{
    private const ushort IPv4 = 2;  // AF_INET
    private const ushort IPv6 = 10; // AF_INET6
    private const int PortAt = 2;
    private const int IPv4At = 4;
    private const int IPv6At = 8;
    private const int ScopeAt = 24;
    private const int LongestPath = 107; // of .NET, which puts a zero behind it; Linux takes one byte more

    private IPAddress? _last;

    /// <summary>Reads an address.</summary>
    /// <param name="bytes">A struct sockaddr.</param>
    /// <param name="port">The port; 0 for a Unix domain socket.</param>
    /// <returns>An <see cref="IPAddress"/>, an IPv4 address as such; or a <see cref="UnixDomainSocketEndPoint"/>; null if it has no name, or one that cannot be shown.</returns>
    public object? Read(ReadOnlySpan<byte> bytes, out int port)
    {
        port = 0;
        ushort family = bytes.Length < sizeof(ushort) ? (ushort)0 : MemoryMarshal.Read<ushort>(bytes);
        if (family is not (IPv4 or IPv6))
            return ReadPath(bytes[Math.Min(bytes.Length, sizeof(ushort))..].TrimEnd((byte)0));
        port = BinaryPrimitives.ReadUInt16BigEndian(bytes[PortAt..]);
        return family == IPv4 ? Share(bytes.Slice(IPv4At, 4), 0) : Share(bytes.Slice(IPv6At, 16), MemoryMarshal.Read<uint>(bytes[ScopeAt..]));
    }

    // A client may have bound its end to any bytes. Null for those that .NET has no end point for or that are not printable, and for a name of the abstract namespace.
    private static UnixDomainSocketEndPoint? ReadPath(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || bytes[0] == 0)
            return null;
        string path = Encoding.UTF8.GetString(bytes);
        return Encoding.UTF8.GetByteCount(path) <= LongestPath && EndPointAddress.IsPrintable(path) ? new UnixDomainSocketEndPoint(path) : null;
    }

    private IPAddress Share(ReadOnlySpan<byte> bytes, uint scope)
    {
        // RFC 4291 2.5.5.2: an IPv4 address in an IPv6 socket.
        if (bytes is [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, .. var mapped])
            bytes = mapped;
        Span<byte> last = stackalloc byte[16];
        if (_last is { } same && same.TryWriteBytes(last, out int size) && bytes.SequenceEqual(last[..size]) && (size == 4 || same.ScopeId == scope))
            return same;
        return _last = bytes.Length == 4 ? new IPAddress(bytes) : new IPAddress(bytes, scope);
    }
}
