using System.Buffers;
using System.Net;
using System.Text;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HandshakeResponseTests
{
    private static readonly DateTimeOffset SomeDay = new(1994, 11, 6, 9, 49, 37, TimeSpan.FromHours(1));

    [Fact]
    public void Writes_the_answer_of_RFC_6455()
    {
        HandshakeResponse response = HandshakeResponse.Accept(subprotocol: "chat");

        Assert.Equal(HttpStatusCode.SwitchingProtocols, response.Status);
        Assert.Equal(
            "HTTP/1.1 101 Switching Protocols\r\n"
            + "Upgrade: websocket\r\n"
            + "Connection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            + "Sec-WebSocket-Protocol: chat\r\n"
            + "\r\n",
            Written(response));
    }

    [Fact]
    public void Writes_extensions_and_the_headers_of_the_host()
    {
        HandshakeResponse response = HandshakeResponse.Accept(
            extensions: "permessage-deflate; server_no_context_takeover",
            headers: [new("Set-Cookie", "a=1"), new("Set-Cookie", "b=2"), new("X-Name", "J\u00FCrgen\t\u00A0\u00FF"), new("X-Empty", "")]);

        Assert.Equal(
            "HTTP/1.1 101 Switching Protocols\r\n"
            + "Upgrade: websocket\r\n"
            + "Connection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"
            + "Set-Cookie: a=1\r\n"
            + "Set-Cookie: b=2\r\n"
            + "X-Name: J\u00FCrgen\t\u00A0\u00FF\r\n"
            + "X-Empty: \r\n"
            + "\r\n",
            Written(response));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a,b")]
    [InlineData("a\r\nSet-Cookie: b")]
    public void Refuses_a_subprotocol_that_is_no_token(string subprotocol) =>
        Assert.Throws<ArgumentException>(nameof(subprotocol), () => HandshakeResponse.Accept(subprotocol));

    [Fact]
    public void Writes_a_refusal_with_all_that_a_closing_answer_needs() =>
        Assert.Equal(
            "HTTP/1.1 400 Bad Request\r\n"
            + "Connection: close\r\n"
            + "Content-Type: text/plain; charset=utf-8\r\n"
            + "X-Content-Type-Options: nosniff\r\n"
            + "Content-Length: 172\r\n"
            + "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            + "\r\n"
            + "The request has no Host header. HTTP/1.1 requires it: \"Host: example.com\". "
            + "If it came through a proxy, have the proxy send it on (nginx: proxy_set_header Host $http_host).\n",
            Written(HandshakeResponse.Refuse(HandshakeViolation.MissingHost), SomeDay));

    [Fact]
    public void Names_the_supported_version_and_the_upgrade_when_the_version_is_another() =>
        Assert.Equal(
            "HTTP/1.1 426 Upgrade Required\r\n"
            + "Upgrade: websocket\r\n"
            + "Connection: Upgrade, close\r\n"
            + "Content-Type: text/plain; charset=utf-8\r\n"
            + "X-Content-Type-Options: nosniff\r\n"
            + "Content-Length: 92\r\n"
            + "Sec-WebSocket-Version: 13\r\n"
            + "\r\n",
            Written(HandshakeResponse.Refuse(HandshakeViolation.UnsupportedWebSocketVersion), omitBody: true));

    [Fact]
    public void Tells_which_method_is_allowed()
    {
        string written = Written(HandshakeResponse.Refuse(HandshakeViolation.MethodNotAllowed));
        Assert.Contains("\r\nAllow: GET\r\n", written, StringComparison.Ordinal);
    }

    [Fact]
    public void Gives_every_violation_its_status_body_and_length()
    {
        foreach (HandshakeViolation violation in Enum.GetValues<HandshakeViolation>().Except([HandshakeViolation.None]))
        {
            HandshakeResponse response = HandshakeResponse.Refuse(violation);
            Assert.Equal(violation.Answer().Status, response.Status);
            Assert.NotEmpty(response.ReasonPhrase);
            Assert.Equal(violation.Answer().Body, Encoding.UTF8.GetString(response.Body.Span));
            Assert.Equal($"{response.Body.Length}", Assert.Single(response.Headers, header => header.Key is "Content-Length").Value);
            Assert.EndsWith("close", Assert.Single(response.Headers, header => header.Key is "Connection").Value, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Writes_a_refusal_in_the_words_of_the_host() =>
        Assert.Equal(
            "HTTP/1.1 401 Unauthorized\r\n"
            + "Connection: close\r\n"
            + "Content-Type: application/json\r\n"
            + "X-Content-Type-Options: nosniff\r\n"
            + "Content-Length: 4\r\n"
            + "WWW-Authenticate: Bearer\r\n"
            + "\r\n"
            + "\"\u00C3\u00A9\"",
            Written(HandshakeResponse.Refuse(
                HttpStatusCode.Unauthorized, "\"\u00E9\"", "application/json", [new("WWW-Authenticate", "Bearer")])));

    [Fact]
    public void Writes_a_refusal_without_a_body() =>
        Assert.Equal(
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Written(HandshakeResponse.Refuse(HttpStatusCode.NotFound)));

    [Theory]
    [InlineData(101)]
    [InlineData(200)]
    [InlineData(299)]
    [InlineData(600)]
    public void Refuses_to_refuse_with_a_status_that_is_no_refusal(int status) =>
        Assert.Throws<ArgumentOutOfRangeException>(nameof(status), () => HandshakeResponse.Refuse((HttpStatusCode)status));

    [Fact]
    public void Answers_a_plain_request() =>
        Assert.Equal(
            "HTTP/1.1 200 OK\r\n"
            + "Connection: close\r\n"
            + "Content-Type: text/html\r\n"
            + "X-Content-Type-Options: nosniff\r\n"
            + "Content-Length: 3\r\n"
            + "Cache-Control: no-store\r\n"
            + "\r\n"
            + "ok\n",
            Written(HandshakeResponse.Answer(HttpStatusCode.OK, "ok\n"u8.ToArray(), "text/html", [new("Cache-Control", "no-store")])));

    [Fact]
    public void Answers_HEAD_with_the_headers_of_GET_and_no_body()
    {
        HandshakeResponse response = HandshakeResponse.Answer(HttpStatusCode.OK, "ok\n"u8.ToArray(), "text/html");
        Assert.Equal(Written(response), Written(response, omitBody: true) + "ok\n");
    }

    [Theory]
    [InlineData(204, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")]
    [InlineData(205, "HTTP/1.1 205 Reset Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")]
    [InlineData(304, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")]
    public void Writes_no_length_where_there_can_be_no_body(int status, string expected)
    {
        Assert.Equal(expected, Written(HandshakeResponse.Answer((HttpStatusCode)status, default, "text/plain")));
        Assert.Throws<ArgumentException>("body", () => HandshakeResponse.Answer((HttpStatusCode)status, new byte[1], "text/plain"));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(101)]
    [InlineData(199)]
    [InlineData(600)]
    public void Refuses_to_answer_with_a_status_that_is_not_final(int status) =>
        Assert.Throws<ArgumentOutOfRangeException>(
            nameof(status), () => HandshakeResponse.Answer((HttpStatusCode)status, default, "text/plain"));

    [Fact]
    public void Refuses_a_content_type_that_would_end_its_line() =>
        Assert.Throws<ArgumentException>("contentType", () => HandshakeResponse.Answer(HttpStatusCode.OK, default, "text/html\r\nX: y"));

    [Theory]
    [InlineData(101, "Switching Protocols")]
    [InlineData(200, "OK")]
    [InlineData(201, "Created")]
    [InlineData(202, "Accepted")]
    [InlineData(204, "No Content")]
    [InlineData(205, "Reset Content")]
    [InlineData(301, "Moved Permanently")]
    [InlineData(302, "Found")]
    [InlineData(303, "See Other")]
    [InlineData(304, "Not Modified")]
    [InlineData(307, "Temporary Redirect")]
    [InlineData(308, "Permanent Redirect")]
    [InlineData(400, "Bad Request")]
    [InlineData(401, "Unauthorized")]
    [InlineData(403, "Forbidden")]
    [InlineData(404, "Not Found")]
    [InlineData(405, "Method Not Allowed")]
    [InlineData(406, "Not Acceptable")]
    [InlineData(408, "Request Timeout")]
    [InlineData(409, "Conflict")]
    [InlineData(410, "Gone")]
    [InlineData(413, "Content Too Large")]
    [InlineData(414, "URI Too Long")]
    [InlineData(421, "Misdirected Request")]
    [InlineData(422, "Unprocessable Content")]
    [InlineData(426, "Upgrade Required")]
    [InlineData(428, "Precondition Required")]
    [InlineData(429, "Too Many Requests")]
    [InlineData(431, "Request Header Fields Too Large")]
    [InlineData(451, "Unavailable For Legal Reasons")]
    [InlineData(500, "Internal Server Error")]
    [InlineData(501, "Not Implemented")]
    [InlineData(502, "Bad Gateway")]
    [InlineData(503, "Service Unavailable")]
    [InlineData(504, "Gateway Timeout")]
    [InlineData(505, "HTTP Version Not Supported")]
    [InlineData(511, "Network Authentication Required")]
    [InlineData(206, "")]
    [InlineData(299, "")]
    [InlineData(306, "")]
    [InlineData(402, "")]
    [InlineData(407, "")]
    [InlineData(415, "")]
    [InlineData(425, "")]
    [InlineData(430, "")]
    [InlineData(499, "")]
    [InlineData(506, "")]
    [InlineData(599, "")]
    public void Has_the_reason_phrases_of_the_registry(int status, string phrase)
    {
        HandshakeResponse response = status == 101
            ? HandshakeResponse.Accept()
            : HandshakeResponse.Answer((HttpStatusCode)status, default, "text/plain");
        Assert.Equal(phrase, response.ReasonPhrase);
        Assert.StartsWith($"HTTP/1.1 {status} {phrase}\r\n", Written(response), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("X Y")]
    [InlineData("X:")]
    [InlineData("X\r\n")]
    [InlineData("\u00E9")]
    public void Refuses_a_header_name_that_is_no_token(string name) => AssertRefused("name", name, "a", "is no header name");

    [Theory]
    [InlineData("a\r\nSet-Cookie: b")]
    [InlineData("a\n")]
    [InlineData("\r")]
    [InlineData("\0")]
    [InlineData("\u001B")]
    [InlineData("\u007F")]
    [InlineData("\u0080")]
    [InlineData("a\u0085Set-Cookie: b")]
    [InlineData("\u009B")]
    [InlineData("\u009F")]
    [InlineData("\u0100")]
    [InlineData("\u560A")] // its low byte is LF
    public void Refuses_a_header_value_that_could_split_the_answer(string value) => AssertRefused("value", "X", value, "The value of X");

    [Fact]
    public void Says_that_a_header_value_is_null()
    {
        KeyValuePair<string, string>[] headers = [new("X", null!)];
        foreach (Action use in (Action[])
            [
                () => HandshakeResponse.ThrowIfInvalidHeader("X", null!),
                () => HandshakeResponse.Accept(headers: headers),
                () => HandshakeResponse.Refuse(HttpStatusCode.NotFound, headers: headers),
                () => HandshakeResponse.Answer(HttpStatusCode.OK, default, "text/plain", headers),
            ])
        {
            ArgumentNullException thrown = Assert.Throws<ArgumentNullException>("value", use);
            Assert.Contains("The value of X is null: leave the header out", thrown.Message, StringComparison.Ordinal);
        }

        Assert.Throws<ArgumentException>("name", () => HandshakeResponse.ThrowIfInvalidHeader(null!, "a"));
        Assert.Throws<ArgumentNullException>("contentType", () => HandshakeResponse.Answer(HttpStatusCode.OK, default, null!));
        Assert.Throws<ArgumentNullException>("body", () => HandshakeResponse.Refuse(HttpStatusCode.NotFound, null!));
    }

    [Theory]
    [InlineData("Connection")]
    [InlineData("upgrade")]
    [InlineData("Keep-Alive")]
    [InlineData("DATE")]
    [InlineData("Content-Type")]
    [InlineData("content-length")]
    [InlineData("Transfer-Encoding")]
    [InlineData("Trailer")]
    [InlineData("X-Content-Type-Options")]
    [InlineData("Sec-WebSocket-Accept")]
    [InlineData("sec-websocket-protocol")]
    [InlineData("Sec-WebSocket-Extensions")]
    [InlineData("Sec-WebSocket-Version")]
    public void Refuses_a_header_that_the_server_sets(string name) => AssertRefused("name", name, "a", $"sets the header {name} itself");

    private static void AssertRefused(string parameter, string name, string value, string message)
    {
        ArgumentException thrown = Assert.Throws<ArgumentException>(parameter, () => HandshakeResponse.ThrowIfInvalidHeader(name, value));
        Assert.Contains(message, thrown.Message, StringComparison.Ordinal);

        KeyValuePair<string, string>[] headers = [new(name, value)];
        Assert.Throws<ArgumentException>(parameter, () => HandshakeResponse.Accept(headers: headers));
        Assert.Throws<ArgumentException>(parameter, () => HandshakeResponse.Refuse(HttpStatusCode.NotFound, headers: headers));
        Assert.Throws<ArgumentException>(parameter, () => HandshakeResponse.Answer(HttpStatusCode.OK, default, "text/plain", headers));
    }

    private static string Written(HandshakeResponse response, DateTimeOffset? date = null, bool omitBody = false)
    {
        PooledBuffer output = new(ArrayPool<byte>.Shared);
        response.WriteHeadTo(ref output, date, response.Status == HttpStatusCode.SwitchingProtocols ? RequestHeads.SampleKey : null);
        if (!omitBody)
            output.Append(response.Body.Span);
        string written = Encoding.Latin1.GetString(output.Written.Span);
        output.Release();
        return written;
    }
}
