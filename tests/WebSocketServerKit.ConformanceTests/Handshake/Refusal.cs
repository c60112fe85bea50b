using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance.Handshake;

/// <summary>A refusal, written out as it must stand on the wire, so that no word of it changes by accident.</summary>
internal sealed record Refusal(string Status, string Body, params (string Name, string Value)[] Headers)
{
    public static readonly Refusal TlsOnPlainPort = BadRequest(
        "This port does not speak TLS. Connect with ws:// or http:// instead of wss:// or https://.");
    public static readonly Refusal UnexpectedProxyHeader = BadRequest(
        "This end point does not expect the PROXY protocol. Switch it off in the proxy, or set ListenOptions.ProxyProtocol in the server.");
    public static readonly Refusal NoMethod = BadRequest(
        "This is no HTTP request: it does not start with a method such as GET and a space.");
    public static readonly Refusal LongMethod = new(
        "501 Not Implemented",
        "This is no HTTP request that the server knows: its method is longer than any. A WebSocket handshake starts with GET.");
    public static readonly Refusal RequestLine = BadRequest(
        "The request line must be a method, a target and HTTP/1.1, with one space between them. Write a space in the target as %20.");
    public static readonly Refusal TargetCharacter = BadRequest(
        "The request target has a byte that is not printable ASCII. Percent-encode the UTF-8 bytes of such characters.");
    public static readonly Refusal Fragment = BadRequest(
        "The request target has a fragment. Leave it out, or write # as %23 if it is part of a name.");
    public static readonly Refusal TargetForm = BadRequest(
        "The request target must be a path such as /chat, or a ws, wss, http or https URL.");
    public static readonly Refusal PathControl = BadRequest(
        "The path has an escape of a control character, such as %00 or %0A. Leave it out.");
    public static readonly Refusal LongTarget = new(
        "414 URI Too Long", "The request line is longer than this server accepts. Send less in the URL.");
    public static readonly Refusal HttpVersion = new(
        "505 HTTP Version Not Supported", "This server speaks HTTP/1.1. It does not offer WebSocket over HTTP/2 or HTTP/3.");
    public static readonly Refusal Http10 = new(
        "505 HTTP Version Not Supported",
        "A WebSocket handshake needs HTTP/1.1. If it came through a proxy, have the proxy use that (nginx: proxy_http_version 1.1).");
    public static readonly Refusal BareLf = BadRequest("A line of the request ends with LF alone. End each line with CR LF.");
    public static readonly Refusal BareCr = BadRequest("The request has a CR that no LF follows. End each line with CR LF.");
    public static readonly Refusal LargeHead = new(
        "431 Request Header Fields Too Large",
        "The request line and headers together are larger than this server accepts. Send less; cookies are often the cause.");
    public static readonly Refusal ManyLines = new(
        "431 Request Header Fields Too Large", "The request has more header lines than this server accepts. Send fewer.");
    public static readonly Refusal Folding = BadRequest("A header line starts with whitespace. Write each header on one line.");
    public static readonly Refusal HeaderName = BadRequest("A header name is empty or has a character that names may not have.");
    public static readonly Refusal SpaceBeforeColon = BadRequest(
        "A header name has whitespace in it or before its colon. Write \"Name: value\".");
    public static readonly Refusal NoColon = BadRequest("A header line has no colon. Write \"Name: value\".");
    public static readonly Refusal HeaderValue = BadRequest("A header value has a control character. Encode it.");
    public static readonly Refusal Repeated = BadRequest(
        "A header that may be sent once was sent more than once: "
        + "Host, Origin, Authorization, Content-Length, Sec-WebSocket-Key or Sec-WebSocket-Version.");
    public static readonly Refusal NoHost = BadRequest(
        "The request has no Host header. HTTP/1.1 requires it: \"Host: example.com\". "
        + "If it came through a proxy, have the proxy send it on (nginx: proxy_set_header Host $http_host).");
    public static readonly Refusal BadHost = BadRequest(
        "The host is malformed. Write a name or an address and, if needed, a port: \"Host: example.com:8080\".");
    public static readonly Refusal BadContentLength = BadRequest(
        "The Content-Length is no number. Leave it out: this server takes no request bodies.");
    public static readonly Refusal TwoLengths = BadRequest(
        "The request has both Content-Length and Transfer-Encoding. Leave both out: this server takes no request bodies.");
    public static readonly Refusal RequestBody = new(
        "413 Content Too Large", "This server takes no request bodies. Send the request without one.");
    public static readonly Refusal Plain = new(
        "426 Upgrade Required",
        "This is a WebSocket server. Connect with a WebSocket client, such as new WebSocket(\"ws://example.com/\") in a browser.");
    public static readonly Refusal BadMethod = new(
        "405 Method Not Allowed", "This server answers GET alone, and a WebSocket handshake is a GET request.", ("Allow", "GET"));
    public static readonly Refusal NoUpgrade = new(
        "426 Upgrade Required",
        "The handshake has a Sec-WebSocket-Key but no \"Upgrade: websocket\". If it came through a proxy, have the proxy pass on "
        + "Upgrade and Connection (nginx: proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\").");
    public static readonly Refusal NoConnectionUpgrade = BadRequest(
        "The handshake has no \"Connection: Upgrade\". If it came through a proxy, have the proxy send it on "
        + "(nginx: proxy_set_header Connection \"upgrade\").");
    public static readonly Refusal BadVersion = new(
        "426 Upgrade Required",
        "This server speaks version 13 of the protocol (RFC 6455). Send \"Sec-WebSocket-Version: 13\".",
        ("Sec-WebSocket-Version", "13"));
    public static readonly Refusal NoKey = BadRequest("The handshake has no Sec-WebSocket-Key. Send 16 random bytes in base64.");
    public static readonly Refusal BadKey = BadRequest(
        "The Sec-WebSocket-Key is not the base64 form of 16 bytes: 24 characters, of which the last two are ==.");
    public static readonly Refusal BadSubprotocol = BadRequest(
        "A subprotocol in Sec-WebSocket-Protocol is no token: names have letters, digits and !#$%&'*+-.^_`|~, separated by commas.");
    public static readonly Refusal RepeatedSubprotocol = BadRequest(
        "A subprotocol stands twice in Sec-WebSocket-Protocol. Name each once.");
    public static readonly Refusal BadExtensions = BadRequest(
        "The Sec-WebSocket-Extensions are malformed. Write \"name; parameter; parameter=value\", with commas between extensions.");
    public static readonly Refusal BadOrigin = new(
        "403 Forbidden", "Pages of this origin may not connect. The server's operator can add the origin to those that it allows.");
    public static readonly Refusal WrongHost = new(
        "421 Misdirected Request",
        "This server does not answer for the host that the request names. Use another of its names, or its address. The server's operator can add "
        + "the host to those that it answers for.");

    /// <summary>The answer has this status, these headers in their order and none besides, this body, and a date.</summary>
    public void AssertIs(HttpAnswer answer, bool toHead)
    {
        Assert.Equal($"HTTP/1.1 {Status}", answer.StatusLine);
        (string, string)[] connection = Status.StartsWith("426", StringComparison.Ordinal)
            ? [("Upgrade", "websocket"), ("Connection", "Upgrade, close")]
            : [("Connection", "close")];
        Assert.Equal(
            [
                .. connection, ("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"),
                ("Content-Length", $"{Body.Length + 1}"), .. Headers,
            ],
            answer.Headers.SkipLast(1).Select(header => (header.Key, header.Value)));
        Assert.Equal("Date", answer.Headers[^1].Key);
        Assert.Equal(toHead ? "" : Body + "\n", answer.Body);
    }

    private static Refusal BadRequest(string body) => new("400 Bad Request", body);
}
