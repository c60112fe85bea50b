namespace WebSocketServerKit.Protocol.Handshake;

public sealed class AuthorityTests
{
    [Theory]
    [InlineData("example.com", "example.com", null)]
    [InlineData("example.com:", "example.com", null)]
    [InlineData("example.com:8080", "example.com", 8080)]
    [InlineData("127.0.0.1:0", "127.0.0.1", 0)]
    [InlineData("a:65535", "a", 65535)]
    [InlineData("a:00080", "a", 80)]
    [InlineData("my_host~1!$&'()*+,;=", "my_host~1!$&'()*+,;=", null)]
    [InlineData("b%C3%BCcher.example", "b%C3%BCcher.example", null)]
    [InlineData("a%2fb%2F:1", "a%2fb%2F", 1)]
    [InlineData("[::1]", "[::1]", null)]
    [InlineData("[2001:db8::ffFF]:443", "[2001:db8::ffFF]", 443)]
    [InlineData("[::ffff:127.0.0.1]:", "[::ffff:127.0.0.1]", null)]
    public void Parses_a_host_with_an_optional_port(string text, string expectedHost, int? expectedPort)
    {
        Assert.True(Authority.TryParse(text, out ReadOnlySpan<char> host, out int? port));
        Assert.Equal(expectedHost, host);
        Assert.Equal(expectedPort, port);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":80")]
    [InlineData("a:65536")]
    [InlineData("a:-1")]
    [InlineData("a:+1")]
    [InlineData("a: 1")]
    [InlineData("a:1x")]
    [InlineData("a:1:2")]
    [InlineData("::1")]
    [InlineData("a b")]
    [InlineData("user@a")]
    [InlineData("a/b")]
    [InlineData("a?b")]
    [InlineData("a\\b")]
    [InlineData("b\u00FCcher.example")]
    [InlineData("a%")]
    [InlineData("a%2")]
    [InlineData("a%2g")]
    [InlineData("a%g2")]
    [InlineData("a%20b%2x")]
    [InlineData("[::1")]
    [InlineData("[]")]
    [InlineData("[::1]8")]
    [InlineData("[::1]80")]
    [InlineData("[::1]a:80")]
    [InlineData("[127.0.0.1]")]
    [InlineData("[::1%25eth0]")]
    [InlineData("[::1/64]")]
    [InlineData("[1::2::3]")]
    [InlineData("[v1.a:b]")]
    [InlineData("a]")]
    public void Refuses_what_is_no_host_with_an_optional_port(string text) => Assert.False(Authority.TryParse(text, out _, out _));
}
