using Microsoft.AspNetCore.Http;

namespace WebSocketServerKit;

public sealed class ResponseHeadTests
{
    private readonly DefaultHttpContext _context = new();

    [Fact]
    public void A_head_is_read_when_it_is_complete()
    {
        byte[] answer = [.. "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nX-Text: a: b\r\n\r\nbody"u8];
        for (int i = 0; i < answer.Length - 4; i++)
            Assert.Null(ResponseHead.Read(answer.AsSpan(0, i), out _));
        ResponseHead head = ResponseHead.Read(answer, out int length)!;
        Assert.Equal((503, answer.Length - 4), (head.Status, length));
        Assert.Equal([new("Retry-After", "5"), new("X-Text", "a: b")], head.Headers);
    }

    [Fact]
    public void What_concerns_the_connection_is_the_hosts()
    {
        Copy("HTTP/1.1", isExtendedConnect: false, 404, new("Connection", "close"), new("Date", "today"), new("Content-Length", "0"));
        Assert.Equal(404, _context.Response.StatusCode);
        Assert.Equal(["Content-Length"], _context.Response.Headers.Keys);
    }

    [Fact]
    public void A_header_replaces_what_middleware_has_set_unless_each_stands_for_itself()
    {
        _context.Response.Headers["X-Content-Type-Options"] = "nosniff";
        _context.Response.Headers.SetCookie = "a=1";
        Copy("HTTP/1.1", isExtendedConnect: false, 200, new("X-Content-Type-Options", "nosniff"), new("Set-Cookie", "b=2"), new("X-Two", "one"), new("X-Two", "two"));
        Assert.Equal("nosniff", _context.Response.Headers["X-Content-Type-Options"]);
        Assert.Equal(["a=1", "b=2"], _context.Response.Headers.SetCookie.ToArray());
        Assert.Equal(["one", "two"], _context.Response.Headers["X-Two"].ToArray());
    }

    [Fact]
    public void An_extended_CONNECT_is_accepted_by_200_and_without_the_key()
    {
        Copy("HTTP/2", isExtendedConnect: true, 101, new("Upgrade", "websocket"), new("Connection", "Upgrade"), new("Sec-WebSocket-Accept", "x"), new("Sec-WebSocket-Protocol", "chat"));
        Assert.Equal(200, _context.Response.StatusCode);
        Assert.Equal(["Sec-WebSocket-Protocol"], _context.Response.Headers.Keys);
    }

    private void Copy(string protocol, bool isExtendedConnect, int status, params KeyValuePair<string, string>[] headers)
    {
        _context.Request.Protocol = protocol;
        new ResponseHead(status, headers).CopyTo(_context.Response, isExtendedConnect);
    }
}
