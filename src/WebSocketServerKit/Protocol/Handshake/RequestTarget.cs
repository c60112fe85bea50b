using System.Globalization;
using System.Text;
using System.Text.Unicode;

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
        if (!TryPercentDecode(path, out string? decodedPath))
            return HandshakeViolation.InvalidPathEscape;

        result = new(decodedPath is "" ? "/" : decodedPath, query, authority);
        return HandshakeViolation.None;
    }

    private static bool IsHttpOrWebSocket(ReadOnlySpan<char> scheme) =>
        scheme.Equals("ws", StringComparison.OrdinalIgnoreCase)
        || scheme.Equals("wss", StringComparison.OrdinalIgnoreCase)
        || scheme.Equals("http", StringComparison.OrdinalIgnoreCase)
        || scheme.Equals("https", StringComparison.OrdinalIgnoreCase);

    private static bool TryPercentDecode(string path, out string decoded)
    {
        decoded = path;
        if (!path.Contains('%', StringComparison.Ordinal))
            return true;

        Span<byte> bytes = path.Length <= 256 ? stackalloc byte[path.Length] : new byte[path.Length];
        int length = 0;
        for (int i = 0; i < path.Length; i++)
        {
            if (path[i] != '%')
            {
                bytes[length++] = (byte)path[i];
                continue;
            }

            ReadOnlySpan<char> digits = path.AsSpan(i + 1, Math.Min(2, path.Length - i - 1));
            if (digits.Length < 2 || !byte.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
                return false;

            // RFC 3986 2.2: "URIs that differ in the replacement of a reserved character with its corresponding percent-encoded octet
            // are not equivalent." An encoded slash is part of a name, so it stays encoded, in the normal form of 6.2.2.1.
            if (value == '/')
                length += Encoding.ASCII.GetBytes("%2F", bytes[length..]);
            else
                bytes[length++] = value;
            i += 2;
        }

        bytes = bytes[..length];
        decoded = Encoding.UTF8.GetString(bytes);

        // RFC 3629 3: "Implementations of the decoding algorithm above MUST protect against decoding invalid sequences."
        // A control character has no place in a name, and would forge lines in the logs of whoever writes the path there.
        return Utf8.IsValid(bytes) && !decoded.Any(char.IsControl);
    }
}
