namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>What a request target says.</summary>
/// <param name="Path">The percent-decoded path; see <see cref="HandshakeRequest.Path"/>.</param>
/// <param name="QueryString">What follows the <c>?</c>, as sent; empty if there is none.</param>
/// <param name="Authority">Host and port of a target in absolute form; <see langword="null"/> for one in origin form.</param>
internal readonly record struct RequestTarget(string Path, string QueryString, string? Authority)
{
    /// <summary>Parses a target that is known to be printable ASCII without <c>#</c>.</summary>
    public static HandshakeViolation Parse(string target, out RequestTarget result)
    {
        result = default;
        string? authority = null;
        string pathAndQuery = target;
        if (!target.StartsWith('/'))
        {
            // RFC 9112 3.2.2: "a server MUST accept the absolute-form in requests". The two other forms serve CONNECT and OPTIONS alone.
            int schemeLength = target.IndexOf("://", StringComparison.Ordinal);
            if (schemeLength < 0 || !IsHttpOrWebSocket(target.AsSpan(0, schemeLength)))
                return HandshakeViolation.UnsupportedTargetForm;

            int authorityStart = schemeLength + 3;
            int authorityLength = target.AsSpan(authorityStart).IndexOfAny('/', '?');
            int authorityEnd = authorityLength < 0 ? target.Length : authorityStart + authorityLength;
            authority = target[authorityStart..authorityEnd];
            if (!Handshake.Authority.TryParse(authority, out _, out _))
                return HandshakeViolation.InvalidHost;
            pathAndQuery = target[authorityEnd..];
        }

        int questionMark = pathAndQuery.IndexOf('?');
        string path = questionMark < 0 ? pathAndQuery : pathAndQuery[..questionMark];
        string query = questionMark < 0 ? "" : pathAndQuery[(questionMark + 1)..];
        path = PercentEncoding.DecodePath(path);

        // A control character could forge lines in the host's logs. It must not stay encoded either, because other code may decode the path again.
        foreach (char character in path)
        {
            if (char.IsControl(character))
                return HandshakeViolation.ControlInPath;
        }

        result = new(path is "" ? "/" : path, query, authority);
        return HandshakeViolation.None;
    }

    private static bool IsHttpOrWebSocket(ReadOnlySpan<char> scheme) =>
        scheme.Equals("ws", StringComparison.OrdinalIgnoreCase)
        || scheme.Equals("wss", StringComparison.OrdinalIgnoreCase)
        || scheme.Equals("http", StringComparison.OrdinalIgnoreCase)
        || scheme.Equals("https", StringComparison.OrdinalIgnoreCase);
}
