namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>The grammar of <c>Sec-WebSocket-Extensions</c> (RFC 6455 9.1), whatever the extensions are.</summary>
internal static class ExtensionList
{
    /// <summary>Whether the list is well-formed. One without any element offers nothing and passes.</summary>
    public static bool IsWellFormed(ReadOnlySpan<char> list) => TryParse(list, found: null);

    /// <summary>The extensions of a well-formed list, in the client's order of preference.</summary>
    public static List<Extension> Parse(ReadOnlySpan<char> list)
    {
        List<Extension> found = [];
        TryParse(list, found);
        return found;
    }

    private static bool TryParse(ReadOnlySpan<char> list, List<Extension>? found)
    {
        while (true)
        {
            SkipWhitespace(ref list);
            // RFC 9110 5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements"
            if (list is not ([] or [',', ..]) && !TakeExtension(ref list, found))
                return false;
            if (list.IsEmpty)
                return true;
            if (!Take(',', ref list))
                return false;
        }
    }

    // extension = token *( ";" extension-param )
    private static bool TakeExtension(ref ReadOnlySpan<char> text, List<Extension>? found)
    {
        if (!TakeToken(ref text, out ReadOnlySpan<char> name))
            return false;
        List<KeyValuePair<string, string?>>? parameters = found is null ? null : [];
        while (Take(';', ref text))
        {
            // extension-param = token [ "=" (token | quoted-string) ]
            if (!TakeToken(ref text, out ReadOnlySpan<char> parameter))
                return false;
            bool hasValue = Take('=', ref text);
            ReadOnlySpan<char> value = default;
            if (hasValue && !TakeToken(ref text, out value) && !TakeQuotedToken(ref text, out value))
                return false;
            parameters?.Add(new(parameter.ToString(), hasValue ? value.ToString().Replace("\\", "", StringComparison.Ordinal) : null));
        }

        if (parameters is not null)
            found!.Add(new Extension(name.ToString(), parameters));
        return true;
    }

    private static bool TakeToken(scoped ref ReadOnlySpan<char> text, out ReadOnlySpan<char> token)
    {
        int length = HeaderTokens.LengthAtStart(text);
        token = text[..length];
        text = text[length..];
        SkipWhitespace(ref text);
        return length > 0;
    }

    // 9.1: "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to the 'token' ABNF."
    // A backslash is in no token, so each one that is found here escapes.
    private static bool TakeQuotedToken(scoped ref ReadOnlySpan<char> text, out ReadOnlySpan<char> escaped)
    {
        escaped = default;
        if (text is not ['"', ..])
            return false;
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == '"')
            {
                escaped = text[1..i];
                text = text[(i + 1)..];
                SkipWhitespace(ref text);
                return i > 1;
            }

            if (text[i] == '\\')
                i++;
            if (i == text.Length || HeaderTokens.LengthAtStart(text[i..]) == 0)
                return false;
        }

        return false;
    }

    private static bool Take(char separator, ref ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[0] != separator)
            return false;
        text = text[1..];
        SkipWhitespace(ref text);
        return true;
    }

    private static void SkipWhitespace(ref ReadOnlySpan<char> text) => text = text.TrimStart(" \t");
}
