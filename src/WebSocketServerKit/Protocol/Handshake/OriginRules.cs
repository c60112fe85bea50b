namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Decides which web pages may connect. Immutable, so one object serves all connections.</summary>
/// <remarks>
/// A browser lets any page open a WebSocket to any server and sends the user's cookies along; only the server can stop it (RFC 6455 10.2).
/// </remarks>
internal sealed class OriginRules
{
    private readonly bool _allowsAll;
    private readonly string[] _allowed;

    /// <param name="allowedOrigins">Values of the header besides the server's own origin, or <c>*</c> for all; see <see cref="Allows"/>.</param>
    /// <exception cref="ArgumentException">An entry is impossible; the message is that of <see cref="Validate"/>.</exception>
    public OriginRules(IEnumerable<string> allowedOrigins)
    {
        List<string> allowed = [];
        foreach (string entry in allowedOrigins)
        {
            if (Validate(entry) is { } problem)
                throw new ArgumentException(problem, nameof(allowedOrigins));

            _allowsAll |= entry is "*";
            allowed.Add(Essence(entry).ToString());
        }

        _allowed = [.. allowed];
    }

    /// <summary>Says what is wrong with an entry of the allow-list, or <see langword="null"/> if nothing is.</summary>
    public static string? Validate(string entry)
    {
        if (entry is "*")
            return null;
        if (entry.Any(character => character is (< ' ' and not '\t') or '\x7F'))
            return "an entry has a control character, which is in no header.";
        if (entry.Contains('*', StringComparison.Ordinal))
            return $"\"{entry}\" has a wildcard, which would match nothing: list each origin, or \"*\" to allow all.";

        ReadOnlySpan<char> origin = WithoutPath(entry);
        return entry.AsSpan(origin.Length).TrimStart('/').IsEmpty ? null : $"\"{entry}\" has a path, which is in no origin: write \"{origin}\".";
    }

    /// <summary>The entry of the allow-list that lets this origin in, or <see langword="null"/> if only <c>*</c> does.</summary>
    public static string? EntryFor(string origin)
    {
        ReadOnlySpan<char> entry = WithoutPath(origin);
        return entry.Contains('*') ? null : entry.ToString();
    }

    /// <summary>Whether a page of this origin may connect.</summary>
    /// <remarks>
    /// Browsers send a scheme, a host and perhaps a port, or <c>null</c>. Devices and libraries send what they like: an address alone, their name, a URL. So
    /// origins are compared with the list as text, in any case; what follows the host of a URL does not count, nor does a port that the scheme has anyway.
    /// </remarks>
    /// <param name="origin">The <c>Origin</c> header; <see langword="null"/> if absent, as with clients that are no browsers.</param>
    /// <param name="ownHost">The host, with its port if named, to which the client believes to be talking, if it is the server's; else empty.</param>
    /// <param name="isSecure">Whether it speaks TLS to that host; null if that is not known.</param>
    public bool Allows(string? origin, string ownHost, bool? isSecure = null)
    {
        // RFC 6455 4.2.1: "This header field is sent by all browser clients. A connection attempt lacking this header field SHOULD NOT be
        // interpreted as coming from a browser client."
        if (origin is null || _allowsAll)
            return true;
        if (IsSameOrigin(origin, ownHost, isSecure))
            return true;

        ReadOnlySpan<char> essence = Essence(origin);
        foreach (string allowed in _allowed)
        {
            if (essence.Equals(allowed, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    /// <summary>Whether the page came from the host that it now connects to.</summary>
    /// <remarks>Behind a proxy that ends TLS the scheme may be unknown. Then a host without a port stands for either default port.</remarks>
    private static bool IsSameOrigin(string origin, string ownHost, bool? isSecure) =>
        DefaultPort(origin) is not 0 and var defaultPort
        && (isSecure is null || isSecure == (defaultPort == 443))
        && Authority.TryParse(WithoutPath(origin)[HostStart(origin)..], out ReadOnlySpan<char> host, out int? port)
        && Authority.TryParse(ownHost, out ReadOnlySpan<char> own, out int? ownPort)
        && own.Equals(host, StringComparison.OrdinalIgnoreCase)
        && (port ?? defaultPort) == (ownPort ?? defaultPort);

    /// <summary>What two values must have in common, apart from case, to be one origin.</summary>
    private static ReadOnlySpan<char> Essence(string origin)
    {
        ReadOnlySpan<char> withoutPath = WithoutPath(origin);
        return DefaultPort(origin) switch
        {
            80 when withoutPath.EndsWith(":80") => withoutPath[..^":80".Length],
            443 when withoutPath.EndsWith(":443") => withoutPath[..^":443".Length],
            _ => withoutPath,
        };
    }

    /// <summary>A URL up to its host and port; what is no URL, whole but for slashes at its end.</summary>
    private static ReadOnlySpan<char> WithoutPath(string origin)
    {
        int hostStart = HostStart(origin);
        if (hostStart == 0)
            return origin.AsSpan().TrimEnd('/');

        int hostLength = origin.AsSpan(hostStart).IndexOfAny('/', '?', '#');
        return hostLength < 0 ? origin : origin.AsSpan(0, hostStart + hostLength);
    }

    /// <summary>Where the host begins in a URL; 0 in what is none.</summary>
    private static int HostStart(string origin) => origin.IndexOf("://", StringComparison.Ordinal) is >= 0 and var schemeLength ? schemeLength + 3 : 0;

    /// <summary>The port that an origin without one has; 0 for what is no <c>http</c> or <c>https</c> origin.</summary>
    private static int DefaultPort(string origin) =>
        origin.StartsWith("http://", StringComparison.OrdinalIgnoreCase) ? 80
        : origin.StartsWith("https://", StringComparison.OrdinalIgnoreCase) ? 443
        : 0;
}
