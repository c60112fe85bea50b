namespace WebSocketServerKit.Protocol.Handshake;

public sealed class PercentEncodingTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("/a+b", "/a+b")]
    [InlineData("/chat/room%201", "/chat/room 1")]
    [InlineData("/100%25", "/100%")]
    [InlineData("/%252F", "/%2F")]
    [InlineData("%41%C3%BC%E2%82%ac%F0%9F%98%80", "A\u00FC\u20AC\U0001F600")]
    public void Decodes_percent_encoded_UTF_8(string text, string decoded) => Assert.Equal(decoded, PercentEncoding.DecodePath(text));

    [Theory]
    [InlineData("/%", "/%")]
    [InlineData("/%2", "/%2")]
    [InlineData("/%2g", "/%2g")]
    [InlineData("/%g2", "/%g2")]
    [InlineData("/%+1", "/%+1")]
    [InlineData("/% 1", "/% 1")]
    [InlineData("/%%20", "/% ")]
    [InlineData("/%u0041", "/%u0041")]
    [InlineData("/%4%41", "/%4A")]
    public void Leaves_a_percent_sign_that_begins_no_escape(string text, string decoded) => Assert.Equal(decoded, PercentEncoding.DecodePath(text));

    [Theory]
    [InlineData("/%C3", "/%C3")]
    [InlineData("/caf%E9", "/caf%E9")]
    [InlineData("/caf%e9s", "/caf%e9s")]
    [InlineData("/%C3%28", "/%C3(")]
    [InlineData("/%E2%82%41", "/%E2%82A")]
    [InlineData("/%FF%20", "/%FF ")]
    [InlineData("/%C0%AF", "/%C0%AF")] // an overlong slash
    [InlineData("/%ED%A0%80", "/%ED%A0%80")] // a surrogate
    [InlineData("/%F4%90%80%80", "/%F4%90%80%80")] // beyond Unicode
    [InlineData("/%F0%9F%98", "/%F0%9F%98")]
    [InlineData("/%80%80%80%80%80", "/%80%80%80%80%80")]
    public void Leaves_escapes_that_are_no_UTF_8(string text, string decoded) => Assert.Equal(decoded, PercentEncoding.DecodePath(text));

    [Theory]
    [InlineData("/a%2Fb", "/a%2Fb")]
    [InlineData("/a%2fb%C3%BC", "/a%2Fb\u00FC")]
    public void Keeps_an_encoded_slash_apart_in_a_path_alone(string text, string decoded)
    {
        Assert.Equal(decoded, PercentEncoding.DecodePath(text));
        Assert.Equal(decoded.Replace("%2F", "/", StringComparison.Ordinal), PercentEncoding.DecodeForm(text));
    }

    [Theory]
    [InlineData("a", "a")]
    [InlineData("a+b", "a b")]
    [InlineData("a%2Bb+%", "a+b %")]
    [InlineData("%C3%BC+%E9", "\u00FC %E9")]
    public void Reads_a_plus_in_a_query_as_a_space(string text, string decoded) => Assert.Equal(decoded, PercentEncoding.DecodeForm(text));
}
