namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HandshakeRequestTests
{
    [Fact]
    public void Gives_the_parameters_of_the_query()
    {
        HandshakeRequest request = WithQuery("user=ann%20lee&room=a+b&flag&empty=&=x&&user=bob&eq=a=b&b%C3%BC=%E2%82%AC");
        Assert.Equal(
            [new("user", "ann lee"), new("room", "a b"), new("flag", ""), new("empty", ""), new("", "x"), new("user", "bob"), new("eq", "a=b"), new("b\u00FC", "\u20AC")],
            request.Query);
        Assert.Same(request.Query, request.Query);
    }

    [Fact]
    public void Keeps_what_is_no_percent_encoded_UTF_8_in_the_query_as_it_was_sent()
    {
        HandshakeRequest request = WithQuery("a=100%&b=%zz&c=caf%E9&d%E9=%00");
        Assert.Equal("100%", request.Query["a"]);
        Assert.Equal("%zz", request.Query["b"]);
        Assert.Equal("caf%E9", request.Query["c"]);
        Assert.Equal("\0", request.Query["d%E9"]);
    }

    [Fact]
    public void Tells_parameter_names_apart_by_case()
    {
        HandshakeRequest request = WithQuery("a=1&A=2");
        Assert.Equal("2", request.Query["A"]);
        Assert.Equal("1", request.Query["a"]);
    }

    [Fact]
    public void Has_no_parameters_without_a_query() => Assert.Empty(WithQuery("").Query);

    [Fact]
    public void Gives_the_cookies_and_of_several_with_one_name_the_first()
    {
        HandshakeRequest request = RequestHeads.Parse(
            RequestHeads.Get("Cookie: id=1; theme=\"dark\";id=2 ; nothing; =x; empty=; a=b=c", "Cookie: other=4;theme=light"));
        Assert.Equal(
            [new("id", "1"), new("theme", "\"dark\""), new("id", "2"), new("empty", ""), new("a", "b=c"), new("other", "4"), new("theme", "light")],
            request.Cookies);
        Assert.Equal("1", request.Cookies["id"]);
        Assert.Same(request.Cookies, request.Cookies);
    }

    [Theory]
    [InlineData("Zo\u00C3\u00AB", "Zo\u00EB")] // bytes of UTF-8
    [InlineData("Zo\u00EB", "Zo\u00EB")] // bytes of Latin-1
    public void Reads_a_cookie_as_UTF_8_and_else_as_Latin_1(string bytes, string value) =>
        Assert.Equal(value, RequestHeads.Parse(RequestHeads.Get($"Cookie: a=b; name={bytes}")).Cookies["name"]);

    [Fact]
    public void Has_no_cookies_and_no_subprotocols_and_no_origin_unless_sent()
    {
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Get());
        Assert.Empty(request.Cookies);
        Assert.Empty(request.RequestedSubprotocols);
        Assert.Null(request.Origin);
        Assert.Null(request.Key);
    }

    [Fact]
    public void Gives_the_subprotocols_of_all_lines_in_their_order()
    {
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Get("Sec-WebSocket-Protocol: b, a", "Sec-WebSocket-Protocol: ,c"));
        Assert.Equal(["b", "a", "c"], request.RequestedSubprotocols);
        Assert.Same(request.RequestedSubprotocols, request.RequestedSubprotocols);
    }

    [Fact]
    public void Cannot_be_changed_by_the_host()
    {
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Get("Cookie: a=b", "Sec-WebSocket-Protocol: c"));
        Assert.True(((ICollection<string>)request.RequestedSubprotocols).IsReadOnly);
    }

    [Theory]
    [InlineData(true, "Upgrade: websocket")]
    [InlineData(true, "Upgrade: h2c, WebSocket")]
    [InlineData(true, "Sec-WebSocket-Key: x")]
    [InlineData(false, "Upgrade: h2c")]
    [InlineData(false, "Connection: Upgrade")]
    public void Knows_whether_a_WebSocket_is_wanted(bool expected, string headerLine) =>
        Assert.Equal(expected, RequestHeads.Parse(RequestHeads.Get(headerLine)).IsWebSocket);

    private static HandshakeRequest WithQuery(string query) => RequestHeads.Parse($"GET /?{query} HTTP/1.1\r\nHost: a\r\n\r\n");
}
