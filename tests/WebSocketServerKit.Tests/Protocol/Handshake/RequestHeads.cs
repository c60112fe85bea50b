using System.Buffers;
using System.Text;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Requests for tests, and what the parser makes of them.</summary>
internal static class RequestHeads
{
    public const string SampleKey = "dGhlIHNhbXBsZSBub25jZQ==";

    /// <summary>The request of RFC 6455 1.2.</summary>
    public const string Sample =
        "GET /chat HTTP/1.1\r\n"
        + "Host: server.example.com\r\n"
        + "Upgrade: websocket\r\n"
        + "Connection: Upgrade\r\n"
        + "Sec-WebSocket-Key: " + SampleKey + "\r\n"
        + "Origin: http://example.com\r\n"
        + "Sec-WebSocket-Protocol: chat, superchat\r\n"
        + "Sec-WebSocket-Version: 13\r\n"
        + "\r\n";

    /// <summary>A handshake of a client that is no browser: without Origin. It offers no subprotocol; its target has a query.</summary>
    public const string Handshake =
        "GET /chat?room=1 HTTP/1.1\r\n"
        + "Host: localhost\r\n"
        + "Upgrade: websocket\r\n"
        + "Connection: Upgrade\r\n"
        + "Sec-WebSocket-Key: " + SampleKey + "\r\n"
        + "Sec-WebSocket-Version: 13\r\n"
        + "\r\n";

    /// <summary>A GET request with these header lines, each without its line end.</summary>
    public static string Get(params IEnumerable<string> headerLines) =>
        string.Concat(["GET / HTTP/1.1\r\n", "Host: localhost\r\n", .. headerLines.Select(line => line + "\r\n"), "\r\n"]);

    /// <summary>The sample handshake with one header line replaced, or removed if the new line is empty.</summary>
    public static string SampleWith(string name, string newLine)
    {
        IEnumerable<string> lines = Sample.Split("\r\n")[..^2]
            .Select(line => line.StartsWith(name + ":", StringComparison.Ordinal) ? newLine : line)
            .Where(line => line.Length > 0);
        return string.Join("\r\n", lines) + "\r\n\r\n";
    }

    /// <summary>The request that a well-formed head gives.</summary>
    public static HandshakeRequest Parse(string head)
    {
        HandshakeRequestParser parser = new(maxHeadBytes: 8192, maxHeaderLines: 100);
        ReadOnlySequence<byte> input = new(Encoding.Latin1.GetBytes(head));
        HandshakeParseStatus status = parser.Parse(input, out _, out _);
        Assert.Equal((HandshakeParseStatus.Complete, HandshakeViolation.None), (status, parser.Violation));
        return parser.Request!;
    }
}
