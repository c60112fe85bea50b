namespace WebSocketServerKit.Protocol.Handshake;

public sealed class RequestTargetTests
{
    [Theory]
    [InlineData("/", "/", "")]
    [InlineData("/chat", "/chat", "")]
    [InlineData("/chat?", "/chat", "")]
    [InlineData("/chat?a=b?c/d", "/chat", "a=b?c/d")]
    [InlineData("/?a=%zz%00", "/", "a=%zz%00")]
    [InlineData("//a//b", "//a//b", "")]
    [InlineData("/a/../b/./c", "/a/../b/./c", "")]
    [InlineData("/a%2E%2e/b", "/a../b", "")]
    [InlineData("/chat/room%201", "/chat/room 1", "")]
    [InlineData("/a+b", "/a+b", "")]
    [InlineData("/100%25", "/100%", "")]
    [InlineData("/%3F%23?x", "/?#", "x")]
    [InlineData("/b%C3%BCcher/%E2%82%ac/%F0%9F%98%80", "/b\u00FCcher/\u20AC/\U0001F600", "")]
    [InlineData("/ws://a", "/ws://a", "")]
    public void Parses_the_origin_form(string target, string path, string query)
    {
        Assert.Equal(HandshakeViolation.None, RequestTarget.Parse(target, out RequestTarget result));
        Assert.Equal(new(path, query, Authority: null), result);
    }

    [Theory]
    [InlineData("/a%2Fb", "/a%2Fb")]
    [InlineData("/a%2fb", "/a%2Fb")]
    [InlineData("/%2f%2F%20", "/%2F%2F ")]
    public void Keeps_an_encoded_slash_apart_from_a_separator(string target, string path)
    {
        Assert.Equal(HandshakeViolation.None, RequestTarget.Parse(target, out RequestTarget result));
        Assert.Equal(path, result.Path);
    }

    [Theory]
    [InlineData("ws://a", "a", "/", "")]
    [InlineData("wss://a:1/", "a:1", "/", "")]
    [InlineData("http://[::1]:80/b%20c?d", "[::1]:80", "/b c", "d")]
    [InlineData("https://a?b/c", "a", "/", "b/c")]
    [InlineData("WS://A/b", "A", "/b", "")]
    public void Parses_the_absolute_form(string target, string authority, string path, string query)
    {
        Assert.Equal(HandshakeViolation.None, RequestTarget.Parse(target, out RequestTarget result));
        Assert.Equal(new(path, query, authority), result);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("example.com:80")]
    [InlineData("chat")]
    [InlineData("?a")]
    [InlineData("ftp://a/")]
    [InlineData("://a/")]
    [InlineData("wsss://a/")]
    [InlineData("ws:/a")]
    public void Refuses_other_forms(string target) =>
        Assert.Equal(HandshakeViolation.UnsupportedTargetForm, RequestTarget.Parse(target, out _));

    [Theory]
    [InlineData("ws:///a")]
    [InlineData("ws://")]
    [InlineData("ws://?a")]
    [InlineData("ws://user@a/")]
    [InlineData("ws://a:b/")]
    public void Refuses_an_invalid_host(string target) => Assert.Equal(HandshakeViolation.InvalidHost, RequestTarget.Parse(target, out _));

    [Theory]
    [InlineData("/100%", "/100%")]
    [InlineData("/foo%bar", "/foo%bar")]
    [InlineData("/caf%E9", "/caf%E9")]
    [InlineData("/a%20b%", "/a b%")]
    public void Shows_what_is_no_percent_encoded_UTF_8_as_it_was_sent(string target, string path)
    {
        Assert.Equal(HandshakeViolation.None, RequestTarget.Parse(target, out RequestTarget result));
        Assert.Equal(path, result.Path);
    }

    [Theory]
    [InlineData("/%00")]
    [InlineData("/a%0D%0Ab")]
    [InlineData("/%1b[31m")]
    [InlineData("/%7F")]
    [InlineData("/%C2%85")]
    [InlineData("/%FF%0A%")]
    public void Refuses_control_characters_in_the_path(string target) =>
        Assert.Equal(HandshakeViolation.ControlInPath, RequestTarget.Parse(target, out _));

    [Fact]
    public void Decodes_long_paths_too()
    {
        string segment = new('a', 400);
        Assert.Equal(HandshakeViolation.None, RequestTarget.Parse($"/{segment}%20b", out RequestTarget result));
        Assert.Equal($"/{segment} b", result.Path);
    }
}
