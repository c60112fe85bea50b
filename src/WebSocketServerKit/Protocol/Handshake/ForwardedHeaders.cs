using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Who the client of a proxy is. What was not told, or not in a form that can be used, is <see langword="null"/>.</summary>
/// <param name="EndPoint">The address, an IPv4 address always as such; port 0 if only the address was told.</param>
/// <param name="Scheme">How the client reached the proxy: <c>http</c> or <c>https</c>.</param>
/// <param name="Host">The host that the client asked for, with its port if that was told; <see cref="Authority.TryParse"/> accepts it.</param>
internal readonly record struct ForwardedClient(IPEndPoint? EndPoint, string? Scheme, string? Host);

/// <summary>Resolves who the client is from the headers that proxies add to a request: <c>Forwarded</c> (RFC 7239), or the older <c>X-Forwarded-*</c>.</summary>
/// <remarks>
/// Each proxy appends what it knows about its own peer, so an entry can be believed if all proxies to its right are trusted. What stands further to the left may be forged, and it may be
/// malformed too: a quote that is never closed must not hide an entry to its right. Therefore each line is read from its end, and no further than needed.
/// The time is linear in the size of the headers. Malformed values are no errors; they tell nothing.
/// </remarks>
internal static class ForwardedHeaders
{
    private static readonly SearchValues<char> AddressChars = SearchValues.Create("0123456789ABCDEFabcdef:.");

    /// <param name="headers">The headers of a request that a trusted proxy sent.</param>
    /// <param name="kind">Which headers are read; see there why only one kind is.</param>
    /// <param name="isTrusted">Whether an address is that of a trusted proxy. It is given IPv4 addresses as such.</param>
    public static ForwardedClient Resolve(HeaderFields headers, ForwardedHeaderKind kind, Func<IPAddress, bool> isTrusted) => kind switch
    {
        ForwardedHeaderKind.Forwarded => ResolveForwarded(headers, isTrusted),
        ForwardedHeaderKind.XForwarded => ResolveXForwarded(headers, isTrusted),
        _ => default,
    };

    private static ForwardedClient ResolveForwarded(HeaderFields headers, Func<IPAddress, bool> isTrusted)
    {
        ForwardedClient client = default;
        foreach (string element in FromTheRight(headers, "Forwarded"))
        {
            // Scheme and host are those of the leftmost entry that a trusted proxy wrote, even if that proxy hides the address of its peer.
            if (!TryParseElement(element, out string? node, out string? scheme, out string? host))
                break;
            IPEndPoint? hop = ParseNode(node);
            client = new ForwardedClient(hop ?? client.EndPoint, SchemeOf(scheme), HostOf(host));
            if (hop is null || !isTrusted(hop.Address))
                break;
        }

        return client;
    }

    private static ForwardedClient ResolveXForwarded(HeaderFields headers, Func<IPAddress, bool> isTrusted)
    {
        IPEndPoint? client = null;
        int hops = 0;
        foreach (string element in FromTheRight(headers, "X-Forwarded-For"))
        {
            hops++;
            IPEndPoint? hop = ParseNode(element);
            client = hop ?? client;
            if (hop is null || !isTrusted(hop.Address))
                break;
        }

        return new ForwardedClient(client, SchemeOf(OfHop(headers, "X-Forwarded-Proto", hops)), HostOf(OfHop(headers, "X-Forwarded-Host", hops)));
    }

    /// <summary>The value that belongs to an address, counted from the right. The first proxy may be the only one that sets it: then the list is shorter, and its leftmost value counts.</summary>
    private static string? OfHop(HeaderFields headers, string name, int hop)
    {
        string? value = null;
        foreach (string element in FromTheRight(headers, name))
        {
            value = element;
            if (--hop <= 0)
                break;
        }

        return value;
    }

    /// <summary>The elements of a list from the last one to the first, those of a later line first, without empty ones.</summary>
    private static IEnumerable<string> FromTheRight(HeaderFields headers, string name)
    {
        IReadOnlyList<string> lines = headers.GetValues(name);
        for (int i = lines.Count - 1; i >= 0; i--)
        {
            for (int end = lines[i].Length; end >= 0;)
            {
                int separator = LastSeparator(lines[i].AsSpan(0, end));
                string element = lines[i][(separator + 1)..end].Trim(' ', '\t');
                if (element.Length > 0)
                    yield return element;
                end = separator;
            }
        }
    }

    /// <summary>Where the last comma outside of quotes is, or -1.</summary>
    private static int LastSeparator(ReadOnlySpan<char> list)
    {
        bool isQuoted = false;
        for (int i = list.Length - 1; i >= 0; i--)
        {
            if (list[i] == ',' && !isQuoted)
                return i;
            // From the right, the first quote is the one that closes, and it cannot be escaped.
            if (list[i] == '"' && !(isQuoted && IsEscaped(list[..i])))
                isQuoted = !isQuoted;
        }

        return -1;
    }

    private static bool IsEscaped(ReadOnlySpan<char> before) => (before.Length - before.TrimEnd('\\').Length) % 2 != 0;

    // RFC 7239 4: forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] ), forwarded-pair = token "=" value, value = token / quoted-string
    // "Each parameter MUST NOT occur more than once per field-value." Which of two was meant nobody knows, so such an element is malformed.
    private static bool TryParseElement(ReadOnlySpan<char> element, out string? node, out string? scheme, out string? host)
    {
        (node, scheme, host) = (null, null, null);
        while (true)
        {
            element = element.TrimStart(" \t;");
            if (element.IsEmpty)
                return true;
            if (!TryTakePair(ref element, out ReadOnlySpan<char> name, out string value))
                return false;

            // "The parameter names are case-insensitive."
            bool isRepeated = false;
            if (name.Equals("for", StringComparison.OrdinalIgnoreCase))
                isRepeated = Set(ref node, value);
            else if (name.Equals("proto", StringComparison.OrdinalIgnoreCase))
                isRepeated = Set(ref scheme, value);
            else if (name.Equals("host", StringComparison.OrdinalIgnoreCase))
                isRepeated = Set(ref host, value);
            if (isRepeated)
                return false;
        }
    }

    private static bool Set(ref string? parameter, string value)
    {
        bool isRepeated = parameter is not null;
        parameter = value;
        return isRepeated;
    }

    private static bool TryTakePair(ref ReadOnlySpan<char> text, out ReadOnlySpan<char> name, out string value)
    {
        value = "";
        name = text[..HeaderTokens.LengthAtStart(text)];
        text = text[name.Length..];
        if (name.IsEmpty || text is not ['=', ..])
            return false;
        text = text[1..];
        if (text is ['"', ..])
            return TryTakeQuoted(ref text, out value) && text.TrimStart(" \t") is [] or [';', ..];

        // Some proxies leave out the quotes that a colon and brackets need. Nothing else can be meant, so these are accepted.
        int length = text.IndexOf(';') is >= 0 and var end ? end : text.Length;
        value = text[..length].TrimEnd(" \t").ToString();
        text = text[length..];
        return !value.AsSpan().ContainsAny(" \t\"\\");
    }

    private static bool TryTakeQuoted(ref ReadOnlySpan<char> text, out string value)
    {
        StringBuilder unescaped = new();
        value = "";
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == '"')
            {
                value = unescaped.ToString();
                text = text[(i + 1)..];
                return true;
            }

            // RFC 9110 5.6.4: "Recipients that process the value of a quoted-string MUST handle a quoted-pair as if it were replaced by the octet following the backslash."
            if (text[i] == '\\' && ++i == text.Length)
                return false;
            unescaped.Append(text[i]);
        }

        return false;
    }

    /// <summary>
    /// <c>192.0.2.1</c>, <c>192.0.2.1:80</c>, <c>[2001:db8::1]:80</c>, and the bare IPv6 address of <c>X-Forwarded-For</c>. Null for <c>unknown</c>, for a name that hides the address
    /// (<c>_gazonk</c>), and for what is malformed.
    /// </summary>
    private static IPEndPoint? ParseNode(ReadOnlySpan<char> node)
    {
        // RFC 7239 6: node = nodename [ ":" node-port ], nodename = IPv4address / "[" IPv6address "]" / "unknown" / obfnode
        bool isBracketed = node is ['[', ..];
        int begin = isBracketed ? 1 : 0;
        int end = isBracketed ? node.IndexOf(']') : EndOfBareAddress(node);
        if (end < begin || !TryParseAddress(node[begin..end], isBracketed, out IPAddress? address) || !TryParsePort(node[(end + begin)..], out int port))
            return null;
        return new IPEndPoint(address!, port);
    }

    /// <summary>An address with several colons is an IPv6 address without a port.</summary>
    private static int EndOfBareAddress(ReadOnlySpan<char> node)
    {
        int colon = node.IndexOf(':');
        return colon >= 0 && node.LastIndexOf(':') == colon ? colon : node.Length;
    }

    private static bool TryParsePort(ReadOnlySpan<char> colonAndPort, out int port)
    {
        port = 0;

        // node-port = port / obfport, obfport = "_" 1*(ALPHA / DIGIT / "." / "_" / "-"): a proxy may hide the port alone.
        if (colonAndPort is [] or [':', '_', ..])
            return true;
        if (colonAndPort[0] != ':' || !ushort.TryParse(colonAndPort[1..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort number))
            return false;
        port = number;
        return true;
    }

    private static bool TryParseAddress(ReadOnlySpan<char> text, bool mustBeIpv6, out IPAddress? address)
    {
        address = null;
        bool isIpv6 = text.Contains(':');
        // IPAddress also accepts zones and forms such as "10.1", which name no client.
        if (text.ContainsAnyExcept(AddressChars) || !IPAddress.TryParse(text, out address) || !(isIpv6 || text.SequenceEqual(address.ToString())))
            return false;

        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return isIpv6 || !mustBeIpv6;
    }

    // The scheme of a WebSocket URL is written by some proxies; it means the same.
    private static string? SchemeOf(string? text) => text?.ToUpperInvariant() switch
    {
        "HTTP" or "WS" => "http",
        "HTTPS" or "WSS" => "https",
        _ => null,
    };

    private static string? HostOf(string? text) => Authority.TryParse(text, out _, out _) ? text : null;
}
