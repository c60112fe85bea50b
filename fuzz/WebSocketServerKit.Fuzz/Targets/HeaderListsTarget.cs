using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>Everything that takes a single header's value apart: lists of tokens, authorities, origins, cookies, queries, targets, keys.</summary>
internal static class HeaderListsTarget
{
    private static readonly SearchValues<char> NeverInAHost = SearchValues.Create("/?#@\\ \t\r\n\0");

    public static void Run(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        CheckTokens(text);
        CheckAuthority(text);
        CheckHost(text);
        CheckOrigin(text);
        CheckCookiesAndQuery(text);
        CheckTarget(text);
        CheckKey(text);
        CheckExtensions(text);
    }

    private static void CheckTokens(string text)
    {
        IReadOnlyList<string> elements = HeaderTokens.Parse(text);
        foreach (string element in elements)
        {
            Promise.Holds(element.Length > 0 && !element.Contains(',', StringComparison.Ordinal) && element == element.Trim(' ', '\t'));
            Promise.Holds(HeaderTokens.Contains(text, element) && HeaderTokens.Contains(text, element.ToUpperInvariant()));
            Promise.Holds(HeaderTokens.IsToken(element) == element.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal)));
        }

        Promise.Holds(HeaderTokens.Parse(string.Join(" ,\t", elements)).SequenceEqual(elements, StringComparer.Ordinal), "a list that is written down again is the same list");

        string[] supported = ["chat", "superchat"];
        Promise.Holds(SubprotocolSelection.Select(elements, supported) == elements.FirstOrDefault(supported.Contains));
    }

    private static void CheckAuthority(string text)
    {
        if (!Authority.TryParse(text, out ReadOnlySpan<char> host, out int? port))
            return;

        Promise.Holds(text.StartsWith(host.ToString(), StringComparison.Ordinal) && host.Length > 0);
        Promise.Holds(!host.ContainsAny(NeverInAHost), "nobody takes it for another host");
        string plain = port is { } number ? string.Create(CultureInfo.InvariantCulture, $"{host}:{number}") : host.ToString();
        Promise.Holds(Authority.TryParse(plain, out ReadOnlySpan<char> again, out int? portAgain) && again.SequenceEqual(host) && portAgain == port);

        // A page of the server's own host may always connect, and no other one.
        OriginRules ownOnly = new([]);
        Promise.Holds(ownOnly.Allows($"http://{plain}", text) && ownOnly.Allows($"https://{plain}", plain));
        Promise.Holds(!ownOnly.Allows($"http://x{plain}", text) || host[0] == '[');
    }

    private static void CheckHost(string text)
    {
        bool onLoopback = new HostRules([]).Allows(text, IPAddress.Loopback);
        if (onLoopback && Authority.TryParse(text, out ReadOnlySpan<char> host, out _))
        {
            string name = host.ToString().TrimEnd('.');
            Promise.Holds(
                IPAddress.TryParse(name, out _) || name.Split('.')[^1].Equals("localhost", StringComparison.OrdinalIgnoreCase), "nobody owns such a name");
        }

        if (HostRules.Validate(text) is null)
        {
            HostRules rules = new([text]);
            Promise.Holds(rules.AreListed && (text.Contains('*', StringComparison.Ordinal) || rules.Allows(text, IPAddress.Any)), "what is listed is answered");
            Promise.Holds(text is "*" || !rules.Allows("", IPAddress.Loopback));
        }

        if (HostRules.EntryFor(text) is { } entry)
            Promise.Holds(HostRules.Validate(entry) is null && new HostRules([entry]).Allows(text, IPAddress.Loopback), "what is advised helps");
    }

    private static void CheckOrigin(string text)
    {
        OriginRules ownOnly = new([]);
        bool sameOrigin = ownOnly.Allows(text, "example.com");
        Promise.Holds(!sameOrigin || text.StartsWith("http", StringComparison.OrdinalIgnoreCase));
        Promise.Holds(!ownOnly.Allows(text, ""), "no page is of no host");

        bool canBeSent = text.All(c => c is '\t' or (>= ' ' and not '\x7F'));
        string? advised = OriginRules.EntryFor(text);
        if (canBeSent && advised is not null)
            Promise.Holds(OriginRules.Validate(advised) is null && new OriginRules([advised]).Allows(text, ""), "what is advised helps");

        if (OriginRules.Validate(text) is not null)
            return;
        Promise.Holds(canBeSent);
        OriginRules rules = new([text]);
        Promise.Holds(rules.Allows(text, "") && rules.Allows(text.ToUpperInvariant(), ""), "what is allowed may connect");
        bool becomesUrl = text.EndsWith(":/", StringComparison.Ordinal);
        Promise.Holds(becomesUrl || rules.Allows(text + "/", "other.example"), "a slash at the end does not matter");
        Promise.Holds(text is "*" || "null".Equals(advised, StringComparison.OrdinalIgnoreCase) || !rules.Allows("null", "other.example"));
        Promise.Holds(text is "*" || !rules.Allows("x" + text, "other.example"), "nothing else may");
    }

    private static void CheckCookiesAndQuery(string text)
    {
        HeaderFields headers = new();
        headers.Add("Cookie", text);
        headers.Add("Sec-WebSocket-Protocol", text);
        HandshakeRequest request = new("GET", "/", "/", text, minorVersion: 1, "localhost", headers);
        foreach ((string name, string value) in request.Cookies)
            Promise.Holds(name.Length > 0 && name == name.Trim() && value == value.Trim() && !value.Contains(';', StringComparison.Ordinal));
        Promise.Holds(request.Query.Count <= text.Count(c => c == '&') + 1);
        Promise.Holds(request.RequestedSubprotocols.SequenceEqual(HeaderTokens.Parse(text), StringComparer.Ordinal));
    }

    private static void CheckTarget(string text)
    {
        // What the parser lets through to it.
        if (text.Length == 0 || text.Any(c => c is <= ' ' or >= '\x7F' or '#'))
            return;
        if (RequestTarget.Parse(text, out RequestTarget target) != HandshakeViolation.None)
            return;

        Promise.Holds(target.Path.StartsWith('/') && !target.Path.Any(char.IsControl));
        Promise.Holds(target.QueryString.Length == 0 || text.EndsWith("?" + target.QueryString, StringComparison.Ordinal));
        Promise.Holds(target.Authority is null || Authority.TryParse(target.Authority, out _, out _));
        Promise.Holds(target.Path.Count(c => c == '/') <= text.Count(c => c == '/') + (target.Authority is null ? 0 : 1), "no escape makes a slash");
    }

    private static void CheckKey(string text)
    {
        byte[] decoded = new byte[64];
        bool sixteenBytes = text.Length == 24 && Convert.TryFromBase64String(text, decoded, out int length) && length == 16;
        Promise.Holds(SecWebSocketAccept.IsKey(text) == sixteenBytes);
        if (sixteenBytes)
        {
            byte[] accept = new byte[SecWebSocketAccept.Length];
            SecWebSocketAccept.Write(text, accept);
            Promise.Holds(accept[^1] == '=');
        }
    }

    private static void CheckExtensions(string text)
    {
        if (!ExtensionList.IsWellFormed(text))
            return;
        Promise.Holds(ExtensionList.IsWellFormed($"{text} , ,{text}"), "two lists are one list");
        Promise.Holds(text.All(c => c is '\t' or >= ' ' and < '\x7F'), "nothing but tokens, quotes and separators");
    }
}
