using System.Buffers;
using System.Globalization;
using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>A host with an optional port, as it stands in a <c>Host</c> header, in an origin and in an absolute request target.</summary>
internal static class Authority
{
    // RFC 3986 3.2.2: reg-name = *( unreserved / pct-encoded / sub-delims )
    private static readonly SearchValues<char> RegisteredNameChars =
        SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~!$&'()*+,;=%");

    private static readonly SearchValues<char> Ipv6Chars = SearchValues.Create("0123456789ABCDEFabcdef:.");

    /// <summary>Parses <c>uri-host [ ":" port ]</c>.</summary>
    /// <param name="text">The text to parse. User information (<c>user@</c>) is refused.</param>
    /// <param name="host">The host as written, an IPv6 address with its brackets.</param>
    /// <param name="port">The port, or <see langword="null"/> if none is given.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out ReadOnlySpan<char> host, out int? port)
    {
        int hostLength = text.StartsWith('[') ? text.IndexOf(']') + 1 : text.IndexOf(':');
        if (hostLength < 0)
            hostLength = text.Length;

        host = text[..hostLength];
        return TryParsePort(text[hostLength..], out port) && (host.StartsWith('[') ? IsBracketedIpv6(host) : IsRegisteredName(host));
    }

    private static bool TryParsePort(ReadOnlySpan<char> colonAndPort, out int? port)
    {
        port = null;

        // RFC 3986 3.2.3: port = *DIGIT, so "example.com:" is well-formed and means the scheme's default.
        if (colonAndPort is [] or [':'])
            return true;
        if (colonAndPort[0] != ':')
            return false;
        if (!ushort.TryParse(colonAndPort[1..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort number))
            return false;

        port = number;
        return true;
    }

    private static bool IsBracketedIpv6(ReadOnlySpan<char> host)
    {
        // The characters are checked first, because TryParse also takes zones ("%eth0") and prefixes, which are no part of an address here.
        ReadOnlySpan<char> address = host[1..^1];
        return address.Contains(':') && !address.ContainsAnyExcept(Ipv6Chars) && IPAddress.TryParse(address, out _);
    }

    private static bool IsRegisteredName(ReadOnlySpan<char> host)
    {
        // RFC 9110 4.2.1: "A recipient that processes such a URI reference [with an empty host] MUST reject it as invalid."
        if (host.IsEmpty || host.ContainsAnyExcept(RegisteredNameChars))
            return false;

        for (int percent = host.IndexOf('%'); percent >= 0; percent = host.IndexOf('%'))
        {
            if (host[percent..] is not ['%', var high, var low, ..] || !char.IsAsciiHexDigit(high) || !char.IsAsciiHexDigit(low))
                return false;
            host = host[(percent + 3)..];
        }

        return true;
    }
}
