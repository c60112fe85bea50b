using System.Buffers;
using System.Globalization;
using System.Text;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>
/// Decodes percent-encoded UTF-8 (RFC 3986 2.1). What is no escape, or no UTF-8, stays as it was sent: nothing is lost and nobody is refused for it.
/// </summary>
internal static class PercentEncoding
{
    private const int LongestUtf8Sequence = 4;
    private const int EscapeLength = 3;

    /// <summary>Decodes a path. An encoded slash stays <c>%2F</c>.</summary>
    public static string DecodePath(string path) => path.Contains('%', StringComparison.Ordinal) ? Decode(path, isPath: true) : path;

    /// <summary>Decodes a name or a value of a query. A plus is a space.</summary>
    public static string DecodeForm(string text) => text.AsSpan().ContainsAny('%', '+') ? Decode(text, isPath: false) : text;

    private static string Decode(ReadOnlySpan<char> text, bool isPath)
    {
        Span<byte> escaped = stackalloc byte[LongestUtf8Sequence];
        StringBuilder decoded = new(text.Length);
        while (!text.IsEmpty)
        {
            int count = 0;
            while (count < LongestUtf8Sequence && TryGetEscape(text[(count * EscapeLength)..], out escaped[count]))
                count++;

            // RFC 3629 3: "Implementations of the decoding algorithm above MUST protect against decoding invalid sequences."
            if (Rune.DecodeFromUtf8(escaped[..count], out Rune character, out int length) != OperationStatus.Done)
            {
                decoded.Append(text[0] == '+' && !isPath ? ' ' : text[0]);
                text = text[1..];
                continue;
            }

            // RFC 3986 2.2: "URIs that differ in the replacement of a reserved character with its corresponding percent-encoded octet
            // are not equivalent." An encoded slash is part of a name, so it stays encoded, in the normal form of 6.2.2.1.
            if (isPath && character.Value == '/')
                decoded.Append("%2F");
            else
                decoded.Append(character);
            text = text[(length * EscapeLength)..];
        }

        return decoded.ToString();
    }

    private static bool TryGetEscape(ReadOnlySpan<char> text, out byte value)
    {
        value = 0;
        return text is ['%', _, _, ..] && byte.TryParse(text[1..EscapeLength], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
