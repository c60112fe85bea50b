using System.Net;
using System.Text;
using System.Text.Unicode;

namespace WebSocketServerKit;

/// <summary>What a proxy told about a connection in a header of the PROXY protocol, version 1 or 2, before the first byte of the client.</summary>
/// <remarks>
/// The proxy vouches for the addresses. Values such as <see cref="Authority"/> are what the client told the proxy. Immutable: it may be read from several threads and kept as
/// long as wanted.
/// </remarks>
public sealed class ProxyHeader
{
    private const byte AuthorityType = 0x02;
    private const byte TlsType = 0x20;

    /// <summary>The client's flags (1 byte) and the result of verifying its certificate (4 bytes), before the values inside the value.</summary>
    private const int TlsFixedBytes = 5;

    /// <summary>PP2_CLIENT_SSL.</summary>
    private const byte ClientSpokeTls = 0x01;

    internal ProxyHeader(int version, bool isLocal, EndPoint? source, EndPoint? destination, IReadOnlyList<ProxyHeaderValue> values)
    {
        Version = version;
        IsLocal = isLocal;
        Source = source;
        Destination = destination;
        Values = values;
    }

    /// <summary>The version of the header: 1 (text) or 2 (binary).</summary>
    public int Version { get; }

    /// <summary>
    /// Whether the proxy names no client: the connection is its own, such as a health check, or it does not know the addresses, as for a client at a Unix domain socket of the proxy.
    /// That is LOCAL in version 2 and UNKNOWN in version 1. Such a header has neither addresses nor values.
    /// </summary>
    public bool IsLocal { get; }

    /// <summary>
    /// The client's address: an <see cref="IPEndPoint"/>, or a <see cref="System.Net.Sockets.UnixDomainSocketEndPoint"/> if it connected to a Unix domain socket of the proxy (with
    /// an empty path if its own socket has no name). An IPv4 address in IPv6 form is shown as an IPv4 address. <see langword="null"/> if the header has no addresses.
    /// </summary>
    public EndPoint? Source { get; }

    /// <summary>
    /// The address to which the client connected, of the same kind as <see cref="Source"/>. <see langword="null"/> if and only if <see cref="Source"/> is.
    /// </summary>
    public EndPoint? Destination { get; }

    /// <summary>
    /// The further values (TLVs) of a header of version 2 in their order, without padding (type 0x04); none in version 1. The values inside the value of type 0x20 (TLS) are left
    /// there, behind its first 5 bytes. If there is a checksum (type 0x03), it was right.
    /// </summary>
    public IReadOnlyList<ProxyHeaderValue> Values { get; }

    /// <summary>
    /// The host name that the client asked the proxy for, which is the server name (SNI) of its TLS handshake; <see langword="null"/> if none was told or it is no UTF-8. The client
    /// chose this text, and nobody checked it.
    /// </summary>
    public string? Authority => Find(AuthorityType) is { } name && Utf8.IsValid(name.Span) ? Encoding.UTF8.GetString(name.Span) : null;

    /// <summary>Whether the proxy told that the client used TLS. Proxies that end TLS must be told to send this; in version 1 they cannot.</summary>
    public bool IsSecure => Find(TlsType) is { Length: >= TlsFixedBytes } tls && (tls.Span[0] & ClientSpokeTls) != 0;

    /// <summary>The first value of a type, or <see langword="null"/> if there is none. A value without bytes is not <see langword="null"/>.</summary>
    /// <param name="type">The type, see <see cref="ProxyHeaderValue.Type"/>.</param>
    public ReadOnlyMemory<byte>? Find(byte type)
    {
        foreach (ProxyHeaderValue value in Values)
        {
            if (value.Type == type)
                return value.Value;
        }

        return null;
    }
}
