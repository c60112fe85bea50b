using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>The rule that a request breaks; <see cref="HandshakeViolations"/> has the answer to each.</summary>
internal enum HandshakeViolation
{
    None,

    // Found before a request is parsed
    PlainOnTlsPort,

    // Found by HandshakeRequestParser, in the order of a request's head
    TlsOnPlainPort,
    UnexpectedProxyHeader,
    InvalidMethod,
    MethodTooLong,
    MalformedRequestLine,
    InvalidTargetCharacter,
    FragmentInTarget,
    UnsupportedTargetForm,
    ControlInPath,
    TargetTooLong,
    UnsupportedHttpVersion,
    BareLineFeed,
    BareCarriageReturn,
    HeadTooLarge,
    TooManyHeaderLines,
    LineFolding,
    InvalidHeaderName,
    WhitespaceBeforeColon,
    MissingColon,
    InvalidHeaderValue,
    RepeatedHeader,
    MissingHost,
    InvalidHost,
    InvalidContentLength,
    AmbiguousBodyLength,
    BodyNotAccepted,

    // Found by HandshakeRules
    UpgradeRequired,
    MethodNotAllowed,
    WebSocketOverHttp10,
    MissingUpgrade,
    MissingConnectionUpgrade,
    UnsupportedWebSocketVersion,
    MissingKey,
    InvalidKey,
    InvalidExtensions,
    InvalidSubprotocol,
    RepeatedSubprotocol,

    // Found by AccessRules
    HostNotAllowed,
    OriginNotAllowed,

    // Found by RequestDecision
    UnknownPath,
}

/// <summary>How a violation is answered.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">What is wrong and what to do about it, for the person who reads it.</param>
/// <param name="Header">A header that the status or RFC 6455 asks for.</param>
internal readonly record struct HandshakeViolationAnswer(HttpStatusCode Status, string Body, KeyValuePair<string, string>? Header = null);

/// <summary>The one table from violations to answers.</summary>
internal static class HandshakeViolations
{
    public static HandshakeViolationAnswer Answer(this HandshakeViolation violation) => violation switch
    {
        HandshakeViolation.PlainOnTlsPort => new(
            HttpStatusCode.BadRequest,
            "This port speaks TLS. Connect with wss:// or https:// instead of ws:// or http://.\n"),
        HandshakeViolation.TlsOnPlainPort => new(
            HttpStatusCode.BadRequest,
            "This port does not speak TLS. Connect with ws:// or http:// instead of wss:// or https://.\n"),
        HandshakeViolation.UnexpectedProxyHeader => new(
            HttpStatusCode.BadRequest,
            "This end point does not expect the PROXY protocol. Switch it off in the proxy, or set ListenOptions.ProxyProtocol in the server.\n"),
        HandshakeViolation.InvalidMethod => new(
            HttpStatusCode.BadRequest,
            "This is no HTTP request: it does not start with a method such as GET and a space.\n"),
        // RFC 9112 3: "A server that receives a method longer than any that it implements SHOULD respond with a 501 (Not Implemented)"
        HandshakeViolation.MethodTooLong => new(
            HttpStatusCode.NotImplemented,
            "This is no HTTP request that the server knows: its method is longer than any. A WebSocket handshake starts with GET.\n"),
        HandshakeViolation.MalformedRequestLine => new(
            HttpStatusCode.BadRequest,
            "The request line must be a method, a target and HTTP/1.1, with one space between them. Write a space in the target as %20.\n"),
        HandshakeViolation.InvalidTargetCharacter => new(
            HttpStatusCode.BadRequest,
            "The request target has a byte that is not printable ASCII. Percent-encode the UTF-8 bytes of such characters.\n"),
        HandshakeViolation.FragmentInTarget => new(
            HttpStatusCode.BadRequest,
            "The request target has a fragment. Leave it out, or write # as %23 if it is part of a name.\n"),
        HandshakeViolation.UnsupportedTargetForm => new(
            HttpStatusCode.BadRequest,
            "The request target must be a path such as /chat, or a ws, wss, http or https URL.\n"),
        HandshakeViolation.ControlInPath => new(
            HttpStatusCode.BadRequest,
            "The path has an escape of a control character, such as %00 or %0A. Leave it out.\n"),
        HandshakeViolation.TargetTooLong => new(
            HttpStatusCode.RequestUriTooLong,
            "The request line is longer than this server accepts. Send less in the URL.\n"),
        HandshakeViolation.UnsupportedHttpVersion => new(
            HttpStatusCode.HttpVersionNotSupported,
            "This server speaks HTTP/1.1. It does not offer WebSocket over HTTP/2 or HTTP/3.\n"),
        HandshakeViolation.BareLineFeed => new(
            HttpStatusCode.BadRequest,
            "A line of the request ends with LF alone. End each line with CR LF.\n"),
        HandshakeViolation.BareCarriageReturn => new(
            HttpStatusCode.BadRequest,
            "The request has a CR that no LF follows. End each line with CR LF.\n"),
        HandshakeViolation.HeadTooLarge => new(
            HttpStatusCode.RequestHeaderFieldsTooLarge,
            "The request line and headers together are larger than this server accepts. Send less; cookies are often the cause.\n"),
        HandshakeViolation.TooManyHeaderLines => new(
            HttpStatusCode.RequestHeaderFieldsTooLarge,
            "The request has more header lines than this server accepts. Send fewer.\n"),
        HandshakeViolation.LineFolding => new(
            HttpStatusCode.BadRequest,
            "A header line starts with whitespace. Write each header on one line.\n"),
        HandshakeViolation.InvalidHeaderName => new(
            HttpStatusCode.BadRequest,
            "A header name is empty or has a character that names may not have.\n"),
        HandshakeViolation.WhitespaceBeforeColon => new(
            HttpStatusCode.BadRequest,
            "A header name has whitespace in it or before its colon. Write \"Name: value\".\n"),
        HandshakeViolation.MissingColon => new(
            HttpStatusCode.BadRequest,
            "A header line has no colon. Write \"Name: value\".\n"),
        HandshakeViolation.InvalidHeaderValue => new(
            HttpStatusCode.BadRequest,
            "A header value has a control character. Encode it.\n"),
        HandshakeViolation.RepeatedHeader => new(
            HttpStatusCode.BadRequest,
            "A header that may be sent once was sent more than once: "
            + "Host, Origin, Authorization, Content-Length, Sec-WebSocket-Key or Sec-WebSocket-Version.\n"),
        HandshakeViolation.MissingHost => new(
            HttpStatusCode.BadRequest,
            "The request has no Host header. HTTP/1.1 requires it: \"Host: example.com\". If it came through a proxy, have the proxy send it on "
            + "(nginx: proxy_set_header Host $http_host).\n"),
        HandshakeViolation.InvalidHost => new(
            HttpStatusCode.BadRequest,
            "The host is malformed. Write a name or an address and, if needed, a port: \"Host: example.com:8080\".\n"),
        HandshakeViolation.InvalidContentLength => new(
            HttpStatusCode.BadRequest,
            "The Content-Length is no number. Leave it out: this server takes no request bodies.\n"),
        HandshakeViolation.AmbiguousBodyLength => new(
            HttpStatusCode.BadRequest,
            "The request has both Content-Length and Transfer-Encoding. Leave both out: this server takes no request bodies.\n"),
        HandshakeViolation.BodyNotAccepted => new(
            HttpStatusCode.RequestEntityTooLarge,
            "This server takes no request bodies. Send the request without one.\n"),
        HandshakeViolation.UpgradeRequired => new(
            HttpStatusCode.UpgradeRequired,
            "This is a WebSocket server. Connect with a WebSocket client, such as new WebSocket(\"ws://example.com/\") in a browser.\n"),
        // RFC 9110 15.5.6: "The origin server MUST generate an Allow header field in a 405 response"
        HandshakeViolation.MethodNotAllowed => new(
            HttpStatusCode.MethodNotAllowed,
            "This server answers GET alone, and a WebSocket handshake is a GET request.\n",
            new("Allow", "GET")),
        HandshakeViolation.WebSocketOverHttp10 => new(
            HttpStatusCode.HttpVersionNotSupported,
            "A WebSocket handshake needs HTTP/1.1. If it came through a proxy, have the proxy use that (nginx: proxy_http_version 1.1).\n"),
        HandshakeViolation.MissingUpgrade => new(
            HttpStatusCode.UpgradeRequired,
            "The handshake has a Sec-WebSocket-Key but no \"Upgrade: websocket\". If it came through a proxy, have the proxy pass on "
            + "Upgrade and Connection (nginx: proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\").\n"),
        HandshakeViolation.MissingConnectionUpgrade => new(
            HttpStatusCode.BadRequest,
            "The handshake has no \"Connection: Upgrade\". If it came through a proxy, have the proxy send it on "
            + "(nginx: proxy_set_header Connection \"upgrade\").\n"),
        // RFC 6455 4.2.2: "If this version does not match a version understood by the server, the server MUST […] send an appropriate
        // HTTP error code (such as 426 Upgrade Required) and a |Sec-WebSocket-Version| header field indicating the version(s)" it knows.
        HandshakeViolation.UnsupportedWebSocketVersion => new(
            HttpStatusCode.UpgradeRequired,
            "This server speaks version 13 of the protocol (RFC 6455). Send \"Sec-WebSocket-Version: 13\".\n",
            new("Sec-WebSocket-Version", "13")),
        HandshakeViolation.MissingKey => new(
            HttpStatusCode.BadRequest,
            "The handshake has no Sec-WebSocket-Key. Send 16 random bytes in base64.\n"),
        HandshakeViolation.InvalidKey => new(
            HttpStatusCode.BadRequest,
            "The Sec-WebSocket-Key is not the base64 form of 16 bytes: 24 characters, of which the last two are ==.\n"),
        HandshakeViolation.InvalidExtensions => new(
            HttpStatusCode.BadRequest,
            "The Sec-WebSocket-Extensions are malformed. Write \"name; parameter; parameter=value\", with commas between extensions.\n"),
        HandshakeViolation.InvalidSubprotocol => new(
            HttpStatusCode.BadRequest,
            "A subprotocol in Sec-WebSocket-Protocol is no token: names have letters, digits and !#$%&'*+-.^_`|~, separated by commas.\n"),
        HandshakeViolation.RepeatedSubprotocol => new(
            HttpStatusCode.BadRequest,
            "A subprotocol stands twice in Sec-WebSocket-Protocol. Name each once.\n"),
        // RFC 9110 15.5.20: "the request was directed at a server that is unable or unwilling to produce an authoritative response for the target URI."
        HandshakeViolation.HostNotAllowed => new(
            HttpStatusCode.MisdirectedRequest,
            "This server does not answer for the host that the request names. Use another of its names, or its address. The server's operator can add "
            + "the host to those that it answers for.\n"),
        HandshakeViolation.OriginNotAllowed => new(
            HttpStatusCode.Forbidden,
            "Pages of this origin may not connect. The server's operator can add the origin to those that it allows.\n"),
        HandshakeViolation.UnknownPath => new(
            HttpStatusCode.NotFound,
            "This server has no WebSocket at this path. Check the path of the URL; upper and lower case differ.\n"),
        _ => throw new ArgumentOutOfRangeException(nameof(violation), violation, "This value names no broken rule, so nothing is refused."),
    };
}
