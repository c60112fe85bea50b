namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Decides which web pages may connect. Immutable, so one object serves all connections.</summary>
/// <remarks>
/// A browser lets any page open a WebSocket to any server and sends the user's cookies along; only the server can stop it (RFC 6455 10.2).
/// </remarks>
internal sealed class OriginRules
{
    private readonly bool _allowsAll;
    private readonly bool _allowsNull;
    private readonly AllowedOrigin[] _allowed;

    /// <param name="allowedOrigins">Origins besides the server's own: <c>https://example.com</c>, <c>null</c>, or <c>*</c> for all.</param>
    /// <exception cref="ArgumentException">An entry is no origin; the message is that of <see cref="Validate"/>.</exception>
    public OriginRules(IEnumerable<string> allowedOrigins)
    {
        List<AllowedOrigin> allowed = [];
        foreach (string entry in allowedOrigins)
        {
            if (Validate(entry) is { } problem)
                throw new ArgumentException(problem, nameof(allowedOrigins));

            _allowsAll |= entry is "*";
            _allowsNull |= entry is "null";
            if (TryParse(entry, out ReadOnlySpan<char> scheme, out ReadOnlySpan<char> host, out int? port))
                allowed.Add(new(scheme.ToString(), host.ToString(), port));
        }

        _allowed = [.. allowed];
    }

    /// <summary>Says what is wrong with an entry of the allow-list, or <see langword="null"/> if nothing is.</summary>
    public static string? Validate(string entry)
    {
        if (entry is "*" or "null")
            return null;

        int schemeLength = entry.IndexOf("://", StringComparison.Ordinal);
        if (schemeLength < 0)
            return $"\"{entry}\" is no origin: write scheme and host, and the port unless it is the default: \"https://example.com:8443\".";

        ReadOnlySpan<char> afterScheme = entry.AsSpan(schemeLength + 3);
        int pathStart = afterScheme.IndexOfAny('/', '?', '#');
        if (pathStart > 0)
            return $"\"{entry}\" is no origin, because it has a path: write \"{entry[..(schemeLength + 3 + pathStart)]}\".";
        if (afterScheme.Contains('*'))
            return $"\"{entry}\" has a wildcard, which would match nothing: list each origin, or \"*\" to allow all.";
        if (!TryParse(entry, out _, out _, out _))
            return $"\"{entry}\" is no origin: scheme, host or port is malformed. Write international names in their \"xn--\" form.";

        return null;
    }

    /// <summary>Whether a page of this origin may connect.</summary>
    /// <param name="origin">The <c>Origin</c> header; <see langword="null"/> if absent, as with clients that are no browsers.</param>
    /// <param name="host">The host, with its port if named, to which the client believes to be talking.</param>
    public bool Allows(string? origin, string host)
    {
        // RFC 6455 4.2.1: "This header field is sent by all browser clients. A connection attempt lacking this header field SHOULD NOT be
        // interpreted as coming from a browser client."
        if (origin is null || _allowsAll)
            return true;
        if (origin is "null")
            return _allowsNull;
        if (!TryParse(origin, out ReadOnlySpan<char> scheme, out ReadOnlySpan<char> originHost, out int? originPort))
            return false;
        if (IsSameOrigin(scheme, originHost, originPort, host))
            return true;

        foreach (AllowedOrigin allowed in _allowed)
        {
            if (originPort == allowed.Port
                && scheme.Equals(allowed.Scheme, StringComparison.OrdinalIgnoreCase)
                && originHost.Equals(allowed.Host, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    /// <summary>Whether the page came from the host that it now connects to.</summary>
    /// <remarks>Behind a proxy that ends TLS the scheme is unknown, so a host without a port stands for either default port.</remarks>
    private static bool IsSameOrigin(ReadOnlySpan<char> scheme, ReadOnlySpan<char> originHost, int? originPort, string host) =>
        IsHttp(scheme)
        && Authority.TryParse(host, out ReadOnlySpan<char> ownHost, out int? ownPort)
        && ownHost.Equals(originHost, StringComparison.OrdinalIgnoreCase)
        && originPort == (ownPort ?? DefaultPort(scheme));

    private static bool TryParse(ReadOnlySpan<char> origin, out ReadOnlySpan<char> scheme, out ReadOnlySpan<char> host, out int? port)
    {
        int schemeLength = Math.Max(origin.IndexOf("://"), 0);
        scheme = origin[..schemeLength];
        host = default;
        port = null;
        if (!IsScheme(scheme) || !Authority.TryParse(origin[(schemeLength + 3)..], out host, out port))
            return false;

        port ??= DefaultPort(scheme);
        return true;
    }

    private static bool IsScheme(ReadOnlySpan<char> text)
    {
        // RFC 3986 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
        if (text.IsEmpty || !char.IsAsciiLetter(text[0]))
            return false;

        foreach (char character in text)
        {
            if (!char.IsAsciiLetterOrDigit(character) && character is not ('+' or '-' or '.'))
                return false;
        }

        return true;
    }

    private static bool IsHttp(ReadOnlySpan<char> scheme) =>
        scheme.Equals("http", StringComparison.OrdinalIgnoreCase) || scheme.Equals("https", StringComparison.OrdinalIgnoreCase);

    /// <summary>The port that an origin without one has; <see langword="null"/> for schemes without ports (browser extensions).</summary>
    private static int? DefaultPort(ReadOnlySpan<char> scheme) =>
        !IsHttp(scheme) ? null : scheme.Length == "http".Length ? 80 : 443;

    private readonly record struct AllowedOrigin(string Scheme, string Host, int? Port);
}
