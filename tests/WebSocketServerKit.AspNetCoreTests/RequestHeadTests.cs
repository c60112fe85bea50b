using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace WebSocketServerKit;

public sealed class RequestHeadTests
{
    private readonly DefaultHttpContext _context = new();

    public RequestHeadTests()
    {
        _context.Request.Method = "GET";
        _context.Request.Protocol = "HTTP/1.1";
        _context.Features.Get<IHttpRequestFeature>()!.RawTarget = "/a%20b?c=d";
        _context.Request.Headers.Host = "localhost";
    }

    [Fact]
    public void A_request_is_written_as_it_was_sent()
    {
        _context.Request.Headers["X-Two"] = new(["one", "two"]);
        Assert.Equal("GET /a%20b?c=d HTTP/1.1\r\nHost: localhost\r\nX-Two: one\r\nX-Two: two\r\n\r\n", Written());
    }

    [Fact]
    public void HTTP_1_0_stays_HTTP_1_0()
    {
        _context.Request.Protocol = "HTTP/1.0";
        _context.Request.Headers.Clear();
        Assert.Equal("GET /a%20b?c=d HTTP/1.0\r\n\r\n", Written());
    }

    [Fact]
    public void A_host_without_a_raw_target_gives_path_and_query()
    {
        _context.Features.Get<IHttpRequestFeature>()!.RawTarget = "";
        (_context.Request.PathBase, _context.Request.Path, _context.Request.QueryString) = ("/base", "/ä b", new QueryString("?c=d"));
        Assert.StartsWith("GET /base/%C3%A4%20b?c=d HTTP/1.1\r\n", Written(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("websocket")]
    [InlineData("webtransport")]
    public void An_extended_CONNECT_becomes_an_upgrade(string protocol)
    {
        _context.Request.Method = "CONNECT";
        _context.Request.Protocol = "HTTP/2";
        _context.Features.Set<IHttpExtendedConnectFeature>(new ExtendedConnect(protocol));
        string head = Written();
        Assert.StartsWith($"GET /a%20b?c=d HTTP/1.1\r\nHost: localhost\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ", head, StringComparison.Ordinal);
        Assert.EndsWith("==\r\n\r\n", head, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /", "/", "websocket", "method")]
    [InlineData("", "/", "websocket", "method")]
    [InlineData("GET", "/ HTTP/1.1\r\nX: y", "websocket", "target")]
    [InlineData("GET", "/a b", "websocket", "target")]
    [InlineData("CONNECT", "/", "web\r\nsocket", ":protocol")]
    [InlineData("CONNECT", "/", "", ":protocol")]
    public void A_request_line_that_would_be_read_otherwise_is_refused(string method, string target, string protocol, string part)
    {
        _context.Request.Method = method;
        _context.Features.Get<IHttpRequestFeature>()!.RawTarget = target;
        if (method is "CONNECT")
            _context.Features.Set<IHttpExtendedConnectFeature>(new ExtendedConnect(protocol));
        Assert.False(RequestHead.TryWrite(_context, out byte[] head, out string? complaint));
        Assert.Empty(head);
        Assert.Contains(part, complaint, StringComparison.Ordinal);
    }

    private string Written()
    {
        Assert.True(RequestHead.TryWrite(_context, out byte[] head, out _));
        return Encoding.UTF8.GetString(head);
    }

    private sealed class ExtendedConnect(string protocol) : IHttpExtendedConnectFeature
    {
        public bool IsExtendedConnect => true;

        public string? Protocol => protocol;

        public ValueTask<Stream> AcceptAsync() => throw new NotSupportedException();
    }
}
