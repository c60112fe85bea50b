namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>The grammar of <c>Sec-WebSocket-Extensions</c> (RFC 6455 9.1), whatever the extensions are.</summary>
internal static class ExtensionList
{
    /// <summary>Whether the list is well-formed. One without any element offers nothing and passes.</summary>
    public static bool IsWellFormed(ReadOnlySpan<char> list)
    {
        while (true)
        {
            SkipWhitespace(ref list);
            // RFC 9110 5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements"
            if (list is not ([] or [',', ..]) && !TakeExtension(ref list))
                return false;
            if (list.IsEmpty)
                return true;
            if (!Take(',', ref list))
                return false;
        }
    }

    // extension = token *( ";" extension-param )
    private static bool TakeExtension(ref ReadOnlySpan<char> text)
    {
        if (!TakeToken(ref text))
            return false;
        while (Take(';', ref text))
        {
            // extension-param = token [ "=" (token | quoted-string) ]
            if (!TakeToken(ref text) || (Take('=', ref text) && !TakeToken(ref text) && !TakeQuotedToken(ref text)))
                return false;
        }

        return true;
    }

    private static bool TakeToken(ref ReadOnlySpan<char> text)
    {
        int length = HeaderTokens.LengthAtStart(text);
        text = text[length..];
        SkipWhitespace(ref text);
        return length > 0;
    }

    // 9.1: "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to the 'token' ABNF."
    private static bool TakeQuotedToken(ref ReadOnlySpan<char> text)
    {
        if (text is not ['"', ..])
            return false;
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == '"')
            {
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
