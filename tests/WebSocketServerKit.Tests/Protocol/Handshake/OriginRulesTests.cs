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
    [InlineData("http://localhost:9001/", "localhost:9001")]
    [InlineData("https://example.com/", "example.com:443")]
    [InlineData("http://example.com/page?a#b", "example.com")]
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
    [InlineData("http://example.com, http://example.com", "example.com")]
    [InlineData("http://evil.example/http://example.com", "example.com")]
    [InlineData("http://evil.example/", "example.com")]
    [InlineData("http://user@example.com", "example.com")]
    [InlineData("http:example.com", "example.com")]
    [InlineData("192.168.1.10", "192.168.1.10")]
    [InlineData("http://", "")]
    [InlineData("http:///", "")]
    [InlineData("", "")]
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
    [InlineData("https://app.example/", "https://app.example")]
    [InlineData("https://app.example", "https://app.example/")]
    [InlineData("https://app.example:443/", "https://app.example")]
    [InlineData("https://app.example:8443", "https://app.example:8443/page")]
    [InlineData("file://", "file://")]
    [InlineData("file://", "file:///android_asset/www/index.html")]
    [InlineData("file:///", "file://")]
    [InlineData("ArduinoSocketIOClient", "ArduinoSocketIOClient")]
    [InlineData("arduinosocketioclient", "ArduinoSocketIOClient")]
    [InlineData("192.168.1.10", "192.168.1.10")]
    [InlineData("192.168.1.10/", "192.168.1.10")]
    [InlineData("192.168.1.10:80", "192.168.1.10:80")]
    [InlineData("app.example", "app.example/")]
    [InlineData("a \"b\"\tc\u00E9\u0085", "a \"b\"\tc\u00E9\u0085")]
    [InlineData("https://b\u00FCcher.example", "https://b\u00FCcher.example")]
    [InlineData("", "")]
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
    [InlineData("http://a", "http://a:443")]
    [InlineData("https://a", "https://a:80")]
    [InlineData("app.example", "https://app.example")]
    [InlineData("192.168.1.10", "http://192.168.1.10")]
    [InlineData("192.168.1.10", "192.168.1.10:80")]
    [InlineData("file://", "null")]
    [InlineData("", "null")]
    public void Refuses_what_is_not_on_the_list(string entry, string origin) =>
        Assert.False(new OriginRules([entry]).Allows(origin, "example.com"));

    [Theory]
    [InlineData("*")]
    [InlineData("null")]
    [InlineData("https://example.com")]
    [InlineData("https://example.com/")]
    [InlineData("http://[::1]:8080")]
    [InlineData("https://xn--bcher-kva.example")]
    [InlineData("file:///")]
    [InlineData("")]
    [InlineData("a\tb \u0080\u20AC")]
    public void Finds_nothing_wrong_with_what_can_be_in_the_header(string entry) => Assert.Null(OriginRules.Validate(entry));

    [Theory]
    [InlineData("https://example.com/chat", "has a path, which is in no origin: write \"https://example.com\".")]
    [InlineData("https://example.com:1/a?b", "has a path, which is in no origin: write \"https://example.com:1\".")]
    [InlineData("https://example.com#a", "has a path, which is in no origin: write \"https://example.com\".")]
    [InlineData("file:///android_asset", "has a path, which is in no origin: write \"file://\".")]
    [InlineData("https://*.example.com", "wildcard")]
    [InlineData("*.example.com", "wildcard")]
    [InlineData("**", "wildcard")]
    [InlineData("a\r\nb", "an entry has a control character")]
    [InlineData("\0", "an entry has a control character")]
    [InlineData("\u007F", "an entry has a control character")]
    public void Says_what_is_wrong_with_an_entry(string entry, string message)
    {
        Assert.Contains(message, OriginRules.Validate(entry), StringComparison.Ordinal);
        ArgumentException exception = Assert.Throws<ArgumentException>("allowedOrigins", () => new OriginRules([entry]));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://app.example:8443", "https://app.example:8443")]
    [InlineData("http://app.example/page", "http://app.example")]
    [InlineData("file:///android_asset/index.html", "file://")]
    [InlineData("ArduinoSocketIOClient", "ArduinoSocketIOClient")]
    [InlineData("192.168.1.10/", "192.168.1.10")]
    [InlineData("null", "null")]
    [InlineData("a\tb\u0085", "a\tb\u0085")]
    [InlineData("", "")]
    public void Names_the_entry_that_lets_an_origin_in(string origin, string entry)
    {
        Assert.Equal(entry, OriginRules.EntryFor(origin));
        Assert.True(new OriginRules([entry]).Allows(origin, ""));
    }

    // A client must not bring it about that the log advises to let everybody in.
    [Theory]
    [InlineData("*")]
    [InlineData("https://*.example")]
    [InlineData("*/")]
    public void Names_no_entry_for_an_origin_that_would_be_a_wildcard(string origin) => Assert.Null(OriginRules.EntryFor(origin));
}
