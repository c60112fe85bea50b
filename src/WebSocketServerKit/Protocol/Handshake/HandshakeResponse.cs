using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>The answer to a request: the handshake's 101, a refusal, or the answer to a plain HTTP request. Immutable.</summary>
/// <remarks>Every answer but the 101 ends the connection and has <c>Connection: close</c>: the server does not support a second request.</remarks>
internal sealed class HandshakeResponse
{
    private const string PlainText = "text/plain; charset=utf-8";
    private const string TokenAdvice = "use letters, digits and !#$%&'*+-.^_`|~ only.";

    /// <summary>The headers that the server sets itself. The host must not set them.</summary>
    private static readonly string[] OwnHeaders =
    [
        "Connection", "Upgrade", "Keep-Alive", "Date", "Content-Type", "Content-Length", "Transfer-Encoding", "Trailer",
        "X-Content-Type-Options", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Sec-WebSocket-Version",
    ];

    // The answer to nearly every client.
    private static readonly HandshakeResponse PlainAccept = new(HttpStatusCode.SwitchingProtocols, []);

    private HandshakeResponse(HttpStatusCode status, IReadOnlyList<KeyValuePair<string, string>> headers, ReadOnlyMemory<byte> body = default)
    {
        Status = status;
        Headers = headers;
        Body = body;
    }

    public HttpStatusCode Status { get; }

    /// <summary>The status in words; empty for a status that has no settled name.</summary>
    public string ReasonPhrase => (int)Status switch
    {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        205 => "Reset Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        511 => "Network Authentication Required",
        _ => "",
    };

    /// <summary>The headers in the order in which they are written; <see cref="WriteHeadTo"/> adds <c>Date</c>, and what every 101 has.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; }

    public ReadOnlyMemory<byte> Body { get; }

    /// <summary>The answer that opens the WebSocket.</summary>
    /// <param name="subprotocol">One that the client offered, or <see langword="null"/> for none.</param>
    /// <param name="extensions">The value of <c>Sec-WebSocket-Extensions</c>, or <see langword="null"/> for none.</param>
    /// <param name="headers">The host's headers; see <see cref="ThrowIfInvalidHeader"/>.</param>
    /// <exception cref="ArgumentException">The subprotocol is no token, or a header is invalid.</exception>
    public static HandshakeResponse Accept(string? subprotocol = null, string? extensions = null, IEnumerable<KeyValuePair<string, string>>? headers = null)
    {
        if (subprotocol is null && extensions is null && headers is null)
            return PlainAccept;

        List<KeyValuePair<string, string>> all = [];
        if (subprotocol is not null)
        {
            if (!HeaderTokens.IsToken(subprotocol))
                throw new ArgumentException($"\"{subprotocol}\" is no subprotocol name: {TokenAdvice}", nameof(subprotocol));
            all.Add(new("Sec-WebSocket-Protocol", subprotocol));
        }

        if (extensions is not null)
            all.Add(new("Sec-WebSocket-Extensions", extensions));
        AddHostHeaders(all, headers);
        return new(HttpStatusCode.SwitchingProtocols, all);
    }

    /// <summary>The answer to a broken rule.</summary>
    public static HandshakeResponse Refuse(HandshakeViolation violation)
    {
        HandshakeViolationAnswer answer = violation.Answer();
        byte[] body = Encoding.UTF8.GetBytes(answer.Body);
        List<KeyValuePair<string, string>> all = StartFinalAnswer(answer.Status, body, PlainText);
        if (answer.Header is { } header)
            all.Add(header);
        return new(answer.Status, all, body);
    }

    /// <summary>A refusal that the host words.</summary>
    /// <param name="status">300 to 599.</param>
    /// <param name="body">The text to send, in UTF-8; it may be empty.</param>
    /// <param name="contentType">What the text is; plain text by default.</param>
    /// <param name="headers">The host's headers; see <see cref="ThrowIfInvalidHeader"/>.</param>
    /// <exception cref="ArgumentException">The status is no refusal or takes no body, or a header is invalid.</exception>
    public static HandshakeResponse Refuse(
        HttpStatusCode status, string body = "", string contentType = PlainText, IEnumerable<KeyValuePair<string, string>>? headers = null)
    {
        ArgumentNullException.ThrowIfNull(body);
        if ((int)status is < 300 or > 599)
            throw new ArgumentOutOfRangeException(nameof(status), status, "A refusal needs a status from 300 to 599, such as 403.");

        return Answer(status, Encoding.UTF8.GetBytes(body), contentType, headers);
    }

    /// <summary>The answer to a plain HTTP request.</summary>
    /// <param name="status">200 to 599.</param>
    /// <param name="body">The bytes to send. They are not copied: leave them unchanged until the answer is written.</param>
    /// <param name="contentType">What the bytes are, such as <c>text/html; charset=utf-8</c>.</param>
    /// <param name="headers">The host's headers; see <see cref="ThrowIfInvalidHeader"/>.</param>
    /// <exception cref="ArgumentException">The status is no final one or takes no body, or a header is invalid.</exception>
    public static HandshakeResponse Answer(
        HttpStatusCode status, ReadOnlyMemory<byte> body, string contentType, IEnumerable<KeyValuePair<string, string>>? headers = null)
    {
        if ((int)status is < 200 or > 599)
            throw new ArgumentOutOfRangeException(nameof(status), status, "An answer needs a status from 200 to 599.");
        if (!body.IsEmpty && status is HttpStatusCode.NoContent or HttpStatusCode.ResetContent or HttpStatusCode.NotModified)
            throw new ArgumentException($"A {(int)status} answer has no body: leave it empty or use another status.", nameof(body));

        ThrowIfInvalidValue("Content-Type", contentType, nameof(contentType));
        if (!MediaTypeHeaderValue.TryParse(contentType, out _))
            throw new ArgumentException($"\"{contentType}\" is no content type. Name a media type, such as text/html; charset=utf-8 or application/json.", nameof(contentType));
        List<KeyValuePair<string, string>> all = StartFinalAnswer(status, body, contentType);
        AddHostHeaders(all, headers);
        return new(status, all, body);
    }

    /// <summary>Checks a header that the host wants to send.</summary>
    /// <exception cref="ArgumentException">The name is no token or one that the server sets itself, or the value is null or invalid.</exception>
    public static void ThrowIfInvalidHeader(string name, string value)
    {
        if (!HeaderTokens.IsToken(name))
            throw new ArgumentException($"\"{name}\" is no header name: {TokenAdvice}", nameof(name));
        if (OwnHeaders.Contains(name, StringComparer.OrdinalIgnoreCase))
            throw new ArgumentException($"The server sets the header {name} itself: leave it out.", nameof(name));

        ThrowIfInvalidValue(name, value, nameof(value));
    }

    /// <summary>Writes the status line and the headers; <see cref="Body"/> follows, but not in the answer to a HEAD request.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="date">The time for the <c>Date</c> header; <see langword="null"/> leaves it out.</param>
    /// <param name="key">The client's <c>Sec-WebSocket-Key</c>, for which <see cref="SecWebSocketAccept.IsKey"/> holds. A 101 needs it, and no other answer.</param>
    public void WriteHeadTo(ref PooledBuffer output, DateTimeOffset? date, string? key = null)
    {
        if (key is not null)
        {
            // RFC 6455 4.2.2, 5: the status line and the header fields of the server's handshake.
            output.Append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "u8);
            SecWebSocketAccept.Write(key, output.GetSpan(SecWebSocketAccept.Length));
            output.Advance(SecWebSocketAccept.Length);
            output.Append("\r\n"u8);
        }
        else
        {
            // RFC 9112 4: "A server MUST send the space that separates the status-code from the reason-phrase even when the reason-phrase
            // is absent"
            Write(ref output, string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {(int)Status} {ReasonPhrase}\r\n"));
        }

        foreach ((string name, string value) in Headers)
            WriteHeader(ref output, name, value);
        if (date is not null)
            WriteHeader(ref output, "Date", date.Value.ToString("R", CultureInfo.InvariantCulture));
        output.Append("\r\n"u8);
    }

    /// <summary>The headers that each answer but the 101 has.</summary>
    private static List<KeyValuePair<string, string>> StartFinalAnswer(HttpStatusCode status, ReadOnlyMemory<byte> body, string contentType)
    {
        List<KeyValuePair<string, string>> all = [];
        if (status == HttpStatusCode.UpgradeRequired)
        {
            // RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426 response to indicate the required protocol(s)".
            // RFC 9110 7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option in the Connection header field"
            all.Add(new("Upgrade", "websocket"));
            all.Add(new("Connection", "Upgrade, close"));
        }
        else
        {
            all.Add(new("Connection", "close"));
        }

        if (!body.IsEmpty)
        {
            all.Add(new("Content-Type", contentType));
            all.Add(new("X-Content-Type-Options", "nosniff"));
        }

        // RFC 9110 8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of […] 204 (No Content)."
        // In a 304 it would have to be the length that a 200 has, which nobody knows here.
        if (status is not (HttpStatusCode.NoContent or HttpStatusCode.NotModified))
            all.Add(new("Content-Length", body.Length.ToString(CultureInfo.InvariantCulture)));
        return all;
    }

    private static void AddHostHeaders(List<KeyValuePair<string, string>> all, IEnumerable<KeyValuePair<string, string>>? headers)
    {
        foreach (KeyValuePair<string, string> header in headers ?? [])
        {
            ThrowIfInvalidHeader(header.Key, header.Value);
            all.Add(header);
        }
    }

    /// <summary>A line end in a value would let whoever supplied it write headers, or a whole answer, of their own.</summary>
    private static void ThrowIfInvalidValue(string name, string? value, string parameterName)
    {
        if (value is null)
            throw new ArgumentNullException(parameterName, $"The value of {name} is null: leave the header out, or give it an empty value.");

        foreach (char character in value)
        {
            // U+0080 to U+009F are controls as well: U+0085 is a line end to some readers, and U+009B begins commands to some terminals.
            if (character is not '\t' and (< ' ' or (>= '\x7F' and < '\xA0') or > '\xFF'))
                throw new ArgumentException($"The value of {name} has a control or non-Latin-1 character: encode it.", parameterName);
        }
    }

    private static void WriteHeader(ref PooledBuffer output, string name, string value)
    {
        Write(ref output, name);
        output.Append(": "u8);
        Write(ref output, value);
        output.Append("\r\n"u8);
    }

    private static void Write(ref PooledBuffer output, string text) =>
        output.Advance(Encoding.Latin1.GetBytes(text, output.GetSpan(text.Length)));
}
