namespace WebSocketServerKit.Protocol.Handshake;

public sealed class OriginRulesTests
{
    private static readonly OriginRules SameOriginOnly = new([]);

    [Fact]
    public void Allows_clients_that_are_no_browsers() => Assert.True(SameOriginOnly.Allows(null, "example.com"));

    [Theory]
    [InlineData("http://example.com", "example.com")]
    [InlineData("https://example.com", "example.com")]
    [InlineData("http://example.com:80", "example.com")]
    [InlineData("https://example.com", "example.com:443")]
    [InlineData("http://example.com", "example.com:80")]
    [InlineData("http://example.com:8080", "example.com:8080")]
    [InlineData("HTTP://EXAMPLE.com", "Example.COM")]
    [InlineData("http://[::1]:8080", "[::1]:8080")]
    public void Allows_a_page_of_the_same_host(string origin, string host) => Assert.True(SameOriginOnly.Allows(origin, host));

    [Theory]
    [InlineData("http://evil.example", "example.com")]
    [InlineData("http://example.com.evil.example", "example.com")]
    [InlineData("http://sub.example.com", "example.com")]
    [InlineData("http://example.com:8080", "example.com")]
    [InlineData("http://example.com", "example.com:8080")]
    [InlineData("http://example.com", "example.com:443")]
    [InlineData("http://example.com:443", "example.com")]
    [InlineData("chrome-extension://example.com", "example.com")]
    [InlineData("http://example.com", "")]
    [InlineData("null", "null")]
    [InlineData("null", "example.com")]
    [InlineData("", "example.com")]
    [InlineData("example.com", "example.com")]
    [InlineData("://example.com", "example.com")]
    [InlineData("1http://example.com", "example.com")]
    [InlineData("ht_tp://example.com", "example.com")]
    [InlineData("http://example.com/", "example.com")]
    [InlineData("http://example.com, http://example.com", "example.com")]
    [InlineData("http://", "")]
    public void Refuses_other_pages(string origin, string host) => Assert.False(SameOriginOnly.Allows(origin, host));

    [Theory]
    [InlineData("https://app.example", "https://app.example")]
    [InlineData("https://app.example", "https://app.example:443")]
    [InlineData("https://app.example:443", "HTTPS://App.Example")]
    [InlineData("http://app.example:80", "http://app.example")]
    [InlineData("http://localhost:5173", "http://localhost:5173")]
    [InlineData("chrome-extension://abcdef", "chrome-extension://abcdef")]
    [InlineData("x+y.z-1://abc", "x+y.z-1://abc")]
    [InlineData("null", "null")]
    [InlineData("*", "https://any.example")]
    [InlineData("*", "null")]
    [InlineData("*", "no origin at all")]
    public void Allows_what_is_on_the_list(string entry, string origin)
    {
        OriginRules rules = new(["https://first.example", entry]);
        Assert.True(rules.Allows(origin, "example.com"));
        Assert.True(rules.Allows("https://first.example", "example.com"));
    }

    [Theory]
    [InlineData("https://app.example", "http://app.example")]
    [InlineData("https://app.example", "http://app.example:443")]
    [InlineData("https://app.example", "https://app.example:8443")]
    [InlineData("https://app.example", "https://www.app.example")]
    [InlineData("https://app.example", "null")]
    [InlineData("null", "https://app.example")]
    [InlineData("abc://x", "abc://x:80")]
    public void Refuses_what_is_not_on_the_list(string entry, string origin) =>
        Assert.False(new OriginRules([entry]).Allows(origin, "example.com"));

    [Theory]
    [InlineData("*")]
    [InlineData("null")]
    [InlineData("https://example.com")]
    [InlineData("http://[::1]:8080")]
    [InlineData("https://xn--bcher-kva.example")]
    public void Finds_nothing_wrong_with_an_origin(string entry) => Assert.Null(OriginRules.Validate(entry));

    [Theory]
    [InlineData("example.com", "\"example.com\" is no origin: write scheme and host")]
    [InlineData("", "\"\" is no origin: write scheme and host")]
    [InlineData("https://example.com/", "because it has a path: write \"https://example.com\".")]
    [InlineData("https://example.com:1/a?b", "because it has a path: write \"https://example.com:1\".")]
    [InlineData("https://example.com#a", "because it has a path: write \"https://example.com\".")]
    [InlineData("https://*.example.com", "wildcard")]
    [InlineData("https://b\u00FCcher.example", "malformed. Write international names in their \"xn--\" form.")]
    [InlineData("https://a:99999", "malformed")]
    [InlineData("file:///", "malformed")]
    [InlineData("://a", "malformed")]
    public void Says_what_is_wrong_with_an_entry(string entry, string message)
    {
        Assert.Contains(message, OriginRules.Validate(entry), StringComparison.Ordinal);
        ArgumentException exception = Assert.Throws<ArgumentException>("allowedOrigins", () => new OriginRules([entry]));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }
}
