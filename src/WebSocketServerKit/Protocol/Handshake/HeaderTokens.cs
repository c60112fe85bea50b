using System.Buffers;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Tokens, and header values that are comma-separated lists of them, such as <c>Connection: keep-alive, Upgrade</c>.</summary>
internal static class HeaderTokens
{
    // RFC 9110 5.6.2: tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
    private const string TokenCharacters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private static readonly SearchValues<char> TokenChars = SearchValues.Create(TokenCharacters);

    /// <summary>The characters of a token as bytes, for parsers.</summary>
    public static SearchValues<byte> Bytes { get; } = SearchValues.Create(System.Text.Encoding.ASCII.GetBytes(TokenCharacters));

    public static bool IsToken(ReadOnlySpan<char> text) => !text.IsEmpty && !text.ContainsAnyExcept(TokenChars);

    /// <summary>How many of the first characters can be those of a token.</summary>
    public static int LengthAtStart(ReadOnlySpan<char> text) => text.IndexOfAnyExcept(TokenChars) is >= 0 and var length ? length : text.Length;

    /// <summary>Whether the list has the token, in any case. A header that was not sent has none.</summary>
    public static bool Contains(string? list, string token)
    {
        ReadOnlySpan<char> text = list;
        foreach (Range element in text.Split(','))
        {
            if (TrimWhitespace(text[element]).Equals(token, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    /// <summary>The list's elements in their order. Whether each is a token is for the caller to say.</summary>
    public static IReadOnlyList<string> Parse(string? list)
    {
        if (list is null)
            return [];

        ReadOnlySpan<char> text = list;
        List<string> elements = [];
        foreach (Range range in text.Split(','))
        {
            // RFC 9110 5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements"
            // What is reasonable is decided by the limit on the request's head.
            ReadOnlySpan<char> element = TrimWhitespace(text[range]);
            if (!element.IsEmpty)
                elements.Add(element.ToString());
        }

        return elements.AsReadOnly();
    }

    /// <summary>Trims the RFC's optional whitespace, which is spaces and tabs and nothing else.</summary>
    private static ReadOnlySpan<char> TrimWhitespace(ReadOnlySpan<char> text) => text.Trim(" \t");
}
