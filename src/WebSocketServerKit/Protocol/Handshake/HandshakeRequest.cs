using System.Net;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit;

/// <summary>The request with which a client opens its connection: a WebSocket opening handshake or a plain HTTP request.</summary>
/// <remarks>Immutable. It may be read from any thread and kept for any time.</remarks>
public sealed class HandshakeRequest
{
    private readonly byte _minorVersion; // of HTTP: one digit
    private RequestValues? _query;
    private RequestValues? _cookies;
    private IReadOnlyList<string>? _requestedSubprotocols;

    internal HandshakeRequest(
        string method, string target, string path, string queryString, int minorVersion, string host, HeaderFields headers)
    {
        Method = method;
        Target = target;
        Path = path;
        QueryString = queryString;
        _minorVersion = (byte)minorVersion;
        Host = host;
        Headers = headers;
        IsWebSocket = HeaderTokens.Contains(headers["Upgrade"], "websocket") || Key is not null;
    }

    /// <summary>The method as sent, <c>GET</c> for every WebSocket handshake. Methods are case-sensitive.</summary>
    public string Method { get; }

    /// <summary>The request target as sent, percent-encoded, with its query: <c>/chat/room%201?user=ann</c>.</summary>
    public string Target { get; }

    /// <summary>The path, percent-decoded, ready for use as a key: <c>/chat/room 1</c>. It starts with <c>/</c>.</summary>
    /// <remarks>
    /// An encoded slash stays <c>%2F</c>, so that it is not taken for a separator (<c>%252F</c> decodes to the same). Invalid escapes are not decoded:
    /// <c>/100%</c> and <c>/caf%E9</c> stay unchanged. Dot segments (<c>..</c>) are not resolved: resolve and check the path before you use it as a file name.
    /// </remarks>
    public string Path { get; }

    /// <summary>What follows the <c>?</c> of the target, as sent and without the <c>?</c>; empty if there is none.</summary>
    public string QueryString { get; }

    /// <summary>The query's parameters, percent-decoded, <c>+</c> read as a space: <c>Request.Query["token"]</c> is the value, or null if it was not sent.</summary>
    /// <remarks>
    /// Parsed when it is first read. Names are case-sensitive. A parameter without <c>=</c> has an empty value. Invalid escapes are not decoded.
    /// Unlike the path, a value may contain control characters.
    /// </remarks>
    public RequestValues Query => _query ??= ParseQuery(QueryString);

    /// <summary>The HTTP version, 1.1 as a rule; a plain request may have 1.0.</summary>
    public Version Version => _minorVersion switch { 0 => HttpVersion.Version10, 1 => HttpVersion.Version11, _ => new(1, _minorVersion) };

    /// <summary>The header lines.</summary>
    public HeaderFields Headers { get; }

    /// <summary>The host, with its port if named, to which the client believes to be talking: <c>example.com:8080</c>.</summary>
    /// <remarks>
    /// From a trusted proxy if it tells the host that the client has sent, else from the target if that has one, else from the <c>Host</c> header; empty if that is empty, and for an HTTP/1.0 request with neither.
    /// The client can write here what it likes, unless <see cref="WebSocketServerOptions.AllowedHosts"/> says otherwise.
    /// </remarks>
    public string Host { get; internal set; }

    /// <summary>
    /// Whether the client speaks TLS: to this server, or to the trusted proxy in front of it. Null if that is not known, as without TLS and without a trusted proxy: another proxy may be in
    /// front.
    /// </summary>
    public bool? IsSecure { get; internal set; }

    /// <summary>The origin of the page whose script opens the connection, or <see langword="null"/> if the client is no browser.</summary>
    public string? Origin => Headers["Origin"];

    /// <summary>The cookies, values as sent: <c>Request.Cookies["session"]</c> is the value, or null if it was not sent. Of several with one name the first has the most specific path.</summary>
    /// <remarks>Parsed when they are first read. Names are case-sensitive. What is no <c>name=value</c> is left out. Bytes become text as in <see cref="HeaderFields"/>.</remarks>
    public RequestValues Cookies => _cookies ??= ParseCookies(Headers.GetValues("Cookie"));

    /// <summary>The subprotocols that the client offers, in its order of preference; empty if it offers none.</summary>
    public IReadOnlyList<string> RequestedSubprotocols => _requestedSubprotocols ??= HeaderTokens.Parse(Headers["Sec-WebSocket-Protocol"]);

    /// <summary>The challenge from which <see cref="SecWebSocketAccept"/> computes the answer, as sent.</summary>
    internal string? Key => Headers["Sec-WebSocket-Key"];

    /// <summary>Whether the client wants a WebSocket, well asked or not.</summary>
    /// <remarks>
    /// A key without <c>Upgrade</c> counts: it comes from a client behind a proxy that drops hop-by-hop headers, and it is told so
    /// instead of being taken for a plain request.
    /// </remarks>
    internal bool IsWebSocket { get; }

    private static RequestValues ParseQuery(string query)
    {
        List<KeyValuePair<string, string>> parameters = [];
        foreach (string parameter in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = parameter.IndexOf('=');
            string name = equals < 0 ? parameter : parameter[..equals];
            string value = equals < 0 ? "" : parameter[(equals + 1)..];
            parameters.Add(new(PercentEncoding.DecodeForm(name), PercentEncoding.DecodeForm(value)));
        }

        return new RequestValues(parameters);
    }

    private static RequestValues ParseCookies(IReadOnlyList<string> lines)
    {
        // RFC 6265 5.4: "Cookies with longer paths are listed before cookies with shorter paths." So the first is the most specific.
        List<KeyValuePair<string, string>> cookies = [];
        foreach (string line in lines)
        {
            foreach (string cookie in line.Split(';'))
            {
                int equals = cookie.IndexOf('=');
                string name = equals < 0 ? "" : cookie[..equals].Trim();
                if (name is not "")
                    cookies.Add(new(name, cookie[(equals + 1)..].Trim()));
            }
        }

        return new RequestValues(cookies);
    }
}
