using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>RFC 6455 4.2.1: what a well-formed HTTP request must have to be a WebSocket opening handshake.</summary>
internal static class HandshakeRules
{
    /// <summary>
    /// The rule that the request breaks, or <see cref="HandshakeViolation.None"/> if it may be accepted.
    /// A plain request breaks one too: ask only after nobody else has answered it.
    /// </summary>
    public static HandshakeViolation Check(HandshakeRequest request)
    {
        if (!request.IsWebSocket)
            return request.Method is "GET" or "HEAD" ? HandshakeViolation.UpgradeRequired : HandshakeViolation.MethodNotAllowed;

        // "1. An HTTP/1.1 or higher GET request"
        if (request.Version < HttpVersion.Version11)
            return HandshakeViolation.WebSocketOverHttp10;
        if (request.Method is not "GET")
            return HandshakeViolation.MethodNotAllowed;

        // "3. An |Upgrade| header field containing the value "websocket", treated as an ASCII case-insensitive value."
        if (!HeaderTokens.Contains(request.Headers["Upgrade"], "websocket"))
            return HandshakeViolation.MissingUpgrade;

        // "4. A |Connection| header field that includes the token "Upgrade", treated as an ASCII case-insensitive value."
        if (!HeaderTokens.Contains(request.Headers["Connection"], "Upgrade"))
            return HandshakeViolation.MissingConnectionUpgrade;

        // "6. A |Sec-WebSocket-Version| header field, with a value of 13."
        // Before the key, since other versions have other keys. A client that names no version (the drafts before 04) is in the same
        // position as one that names another: it learns from the answer which one to speak.
        if (request.Headers["Sec-WebSocket-Version"] is not "13")
            return HandshakeViolation.UnsupportedWebSocketVersion;

        // "5. A |Sec-WebSocket-Key| header field with a base64-encoded […] value that, when decoded, is 16 bytes in length."
        if (request.Key is null)
            return HandshakeViolation.MissingKey;
        if (!SecWebSocketAccept.IsKey(request.Key))
            return HandshakeViolation.InvalidKey;

        // 9.1: "If a value is received by either the client or the server during negotiation that does not conform to the ABNF below, the
        // recipient of such malformed data MUST immediately _Fail the WebSocket Connection_."
        if (!ExtensionList.IsWellFormed(request.Headers["Sec-WebSocket-Extensions"]))
            return HandshakeViolation.InvalidExtensions;

        return CheckSubprotocols(request.RequestedSubprotocols);
    }

    private static HandshakeViolation CheckSubprotocols(IReadOnlyList<string> subprotocols)
    {
        // RFC 6455 4.1: "The elements that comprise this value MUST be non-empty strings with characters in the range U+0021 to U+007E
        // not including separator characters as defined in [RFC2616] and MUST all be unique strings."
        // A header without any element offers nothing and harms nobody, so it is let through.
        if (subprotocols.Count == 0)
            return HandshakeViolation.None;

        HashSet<string> seen = new(subprotocols.Count, StringComparer.Ordinal);
        foreach (string subprotocol in subprotocols)
        {
            if (!HeaderTokens.IsToken(subprotocol))
                return HandshakeViolation.InvalidSubprotocol;
            if (!seen.Add(subprotocol))
                return HandshakeViolation.RepeatedSubprotocol;
        }

        return HandshakeViolation.None;
    }
}
