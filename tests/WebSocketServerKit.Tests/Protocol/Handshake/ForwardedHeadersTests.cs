using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Here the proxies are those of 10.0.0.0/8.</summary>
public sealed class ForwardedHeadersTests
{
    [Theory]
    [InlineData("for=192.0.2.1", "192.0.2.1:0")]
    [InlineData("For=192.0.2.1", "192.0.2.1:0")]
    [InlineData("for=\"192.0.2.1\"", "192.0.2.1:0")]
    [InlineData("for=\"192.0.2.1:4711\"", "192.0.2.1:4711")]
    [InlineData("for=192.0.2.1:4711", "192.0.2.1:4711")]
    [InlineData("for=\"192.0.2.1:_hidden\"", "192.0.2.1:0")]
    [InlineData("for=\"[2001:db8::1]\"", "[2001:db8::1]:0")]
    [InlineData("for=\"[2001:db8::1]:4711\"", "[2001:db8::1]:4711")]
    [InlineData("for=[2001:db8::1]:4711", "[2001:db8::1]:4711")]
    [InlineData("for=\"2001:db8::1\"", "[2001:db8::1]:0")]
    [InlineData("for=\"[::ffff:192.0.2.1]:1\"", "192.0.2.1:1")]
    [InlineData("for=\"\\1\\92.0.2.1\"", "192.0.2.1:0")]
    [InlineData("proto=http; for=192.0.2.1 ;by=10.0.0.1", "192.0.2.1:0")]
    [InlineData(";;for=192.0.2.1;", "192.0.2.1:0")]
    [InlineData("secret=\"a;b,c\\\",d\\\\\";for=192.0.2.1", "192.0.2.1:0")]
    [InlineData(", for=192.0.2.1 ,\t,", "192.0.2.1:0")]
    public void Reads_the_address_of_an_element(string value, string expected) => Assert.Equal(IPEndPoint.Parse(expected), Forwarded(value).EndPoint);

    [Theory]
    [InlineData("for=unknown")]
    [InlineData("for=_gazonk")]
    [InlineData("for=\"_gazonk:80\"")]
    [InlineData("for=\"unknown:80\"")]
    [InlineData("for=")]
    [InlineData("for=\"\"")]
    [InlineData("for=proxy.example.com")]
    [InlineData("for=10.1")]
    [InlineData("for=3221225985")]
    [InlineData("for=192.0.2.01")]
    [InlineData("for=192.0.2.256")]
    [InlineData("for=\"192.0.2.1:\"")]
    [InlineData("for=\"192.0.2.1:65536\"")]
    [InlineData("for=\"192.0.2.1:+1\"")]
    [InlineData("for=\":80\"")]
    [InlineData("for=\"[192.0.2.1]\"")]
    [InlineData("for=\"[2001:db8::1\"")]
    [InlineData("for=\"[2001:db8::1]4711\"")]
    [InlineData("for=\"[2001:db8::1%1]\"")]
    [InlineData("for=\"[]\"")]
    [InlineData("for=\"[\"")]
    [InlineData("for=\"]\"")]
    [InlineData("for=\"1:2:3\"")]
    [InlineData("by=192.0.2.1")]
    public void Knows_no_address_where_it_is_hidden_or_malformed_and_still_reads_the_rest(string pair) =>
        Assert.Equal(new ForwardedClient(null, "https", "example.com"), Forwarded($"{pair};proto=https;host=example.com"));

    [Theory]
    [InlineData("for")]
    [InlineData("192.0.2.1")]
    [InlineData("for=192.0.2.1;proto")]
    [InlineData("for=192.0.2.1;=http")]
    [InlineData("for =192.0.2.1")]
    [InlineData("for= 192.0.2.1")]
    [InlineData("for=192.0.2.1 proto=http")]
    [InlineData("for=192.0.2.1\"")]
    [InlineData("for=192\\.0.2.1")]
    [InlineData("for=\"192.0.2.1")]
    [InlineData("for=\"192.0.2.1\\")]
    [InlineData("for=\"192.0.2.1\\\"")]
    [InlineData("for=\"192.0.2.1\"x")]
    [InlineData("for=\"192.0.2.1\" proto=http")]
    [InlineData("for=192.0.2.1;for=192.0.2.1")]
    [InlineData("for=192.0.2.1;FOR=\"\"")]
    [InlineData("for=192.0.2.1;proto=http;proto=http")]
    [InlineData("for=192.0.2.1;host=a;host=b")]
    public void An_element_that_is_malformed_tells_nothing_and_ends_the_walk(string element)
    {
        Assert.Equal(default, Forwarded(element));
        Assert.Equal(new ForwardedClient(IPEndPoint.Parse("10.0.0.1:0"), "http", null), Forwarded($"for=192.0.2.9", element, "for=10.0.0.1;proto=http"));
    }

    [Fact]
    public void The_client_is_the_first_address_from_the_right_that_is_no_proxys()
    {
        Assert.Equal(
            new ForwardedClient(IPEndPoint.Parse("192.0.2.1:0"), "https", "example.com"),
            Forwarded("for=203.0.113.7;proto=http;host=forged.example, for=192.0.2.1;proto=https;host=example.com, for=10.0.0.2;proto=http;host=inner, for=10.0.0.1"));
        Assert.Equal(
            new ForwardedClient(IPEndPoint.Parse("192.0.2.1:0"), null, null),
            Forwarded("for=203.0.113.7;proto=http;host=forged.example, for=192.0.2.1, for=10.0.0.2;proto=http;host=inner"));
    }

    [Fact]
    public void The_client_is_the_leftmost_address_if_all_are_proxies()
    {
        Assert.Equal(
            new ForwardedClient(IPEndPoint.Parse("10.0.0.3:0"), "https", "a"), Forwarded("for=10.0.0.3;proto=https;host=a, for=10.0.0.2;proto=http;host=b"));
        Assert.Equal(IPEndPoint.Parse("10.0.0.3:0"), XForwarded("10.0.0.3, 10.0.0.2").EndPoint);
    }

    [Fact]
    public void A_proxy_in_IPv6_form_is_asked_for_as_IPv4() =>
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:0"), Forwarded("for=192.0.2.1, for=\"[::ffff:10.0.0.1]\"").EndPoint);

    [Fact]
    public void A_hidden_address_ends_the_walk_at_the_one_to_its_right_with_what_the_proxy_that_hid_it_told()
    {
        Assert.Equal(
            new ForwardedClient(IPEndPoint.Parse("10.0.0.1:0"), "https", "example.com"),
            Forwarded("for=203.0.113.7, for=unknown;proto=https;host=example.com, for=10.0.0.1;proto=http;host=inner"));
        Assert.Equal(
            new ForwardedClient(IPEndPoint.Parse("10.0.0.1:0"), "https", "example.com"),
            XForwarded("203.0.113.7, unknown, 10.0.0.1", "https, http", "example.com, inner"));
    }

    [Fact]
    public void Lines_are_one_list() => Assert.Equal(
        IPEndPoint.Parse("192.0.2.1:0"), Forwarded("for=203.0.113.7", "for=192.0.2.1, for=10.0.0.3", "", "for=10.0.0.2,", "for=10.0.0.1").EndPoint);

    // What a client sends stands to the left of what the proxy adds, in the same line or in one before.
    [Theory]
    [InlineData("for=203.0.113.7")]
    [InlineData("for=10.0.0.9, for=10.0.0.9")]
    [InlineData("for=\"")]
    [InlineData("for=\"203.0.113.7")]
    [InlineData("for=\"203.0.113.7\\")]
    [InlineData("\"")]
    [InlineData("\\")]
    [InlineData("for=\"a\" \"")]
    [InlineData("for=203.0.113.7;proto=http;host=\"")]
    [InlineData("=;,;=\"\"\"")]
    public void Nothing_that_a_client_sends_hides_what_the_proxy_adds(string forged)
    {
        ForwardedClient expected = new(IPEndPoint.Parse("[2001:db8::1]:1"), "https", "example.com");
        const string Added = "for=\"[2001:db8::1]:1\";host=\"ex\\ample.com\";proto=https;secret=\"a, \\\"b\\\\\"";
        Assert.Equal(expected, Forwarded($"{forged}, {Added}"));
        Assert.Equal(expected, Forwarded(forged, Added));
        Assert.Equal(expected, XForwarded($"{forged}, [2001:db8::1]:1", $"{forged}, https", $"{forged}, example.com"));
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1:0")]
    [InlineData("192.0.2.1:4711", "192.0.2.1:4711")]
    [InlineData("2001:db8::1", "[2001:db8::1]:0")]
    [InlineData("[2001:db8::1]", "[2001:db8::1]:0")]
    [InlineData("[2001:db8::1]:4711", "[2001:db8::1]:4711")]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1:0")]
    [InlineData("203.0.113.7, 192.0.2.1", "192.0.2.1:0")]
    [InlineData("203.0.113.7,192.0.2.1,10.0.0.2 , 10.0.0.1", "192.0.2.1:0")]
    [InlineData(",192.0.2.1,,", "192.0.2.1:0")]
    public void Reads_X_Forwarded_For(string value, string expected) => Assert.Equal(IPEndPoint.Parse(expected), XForwarded(value).EndPoint);

    [Theory]
    [InlineData("unknown")]
    [InlineData("192.0.2.1, unknown")]
    [InlineData("192.0.2.1, for=192.0.2.1")]
    [InlineData("192.0.2.1, 192.0.2.1;")]
    [InlineData("192.0.2.1, \"192.0.2.1\"")]
    [InlineData("")]
    [InlineData(" , ")]
    public void Knows_no_address_where_X_Forwarded_For_ends_with_none(string value) => Assert.Null(XForwarded(value).EndPoint);

    [Fact]
    public void Scheme_and_host_are_those_at_the_place_of_the_address()
    {
        const string Addresses = "203.0.113.7, 192.0.2.1, 10.0.0.1";
        Assert.Equal(
            new ForwardedClient(IPEndPoint.Parse("192.0.2.1:0"), "https", "b"), XForwarded(Addresses, "http, https, http", "a, b, c"));
        Assert.Equal(
            new ForwardedClient(IPEndPoint.Parse("192.0.2.1:0"), "https", "b"), XForwarded(Addresses, "https,http", "b,,c"));
        Assert.Equal(new ForwardedClient(IPEndPoint.Parse("192.0.2.1:0"), "https", "b"), XForwarded(Addresses, "https", "b"));
        Assert.Equal(new ForwardedClient(IPEndPoint.Parse("192.0.2.1:0"), null, null), XForwarded(Addresses));
    }

    [Fact]
    public void Scheme_and_host_are_the_last_ones_where_no_address_is_told() =>
        Assert.Equal(new ForwardedClient(null, "https", "b"), Resolve(ForwardedHeaderKind.XForwarded, ("X-Forwarded-Proto", "http, https"), ("X-Forwarded-Host", "a, b")));

    [Theory]
    [InlineData("http", "http")]
    [InlineData("HTTPS", "https")]
    [InlineData("ws", "http")]
    [InlineData("Wss", "https")]
    [InlineData("", null)]
    [InlineData("ftp", null)]
    [InlineData("https:", null)]
    public void Knows_two_schemes(string text, string? expected)
    {
        Assert.Equal(expected, Forwarded($"for=192.0.2.1;proto=\"{text}\"").Scheme);
        Assert.Equal(expected, XForwarded("192.0.2.1", text).Scheme);
    }

    [Theory]
    [InlineData("example.com", "example.com")]
    [InlineData("Example.com:8443", "Example.com:8443")]
    [InlineData("[2001:db8::1]:80", "[2001:db8::1]:80")]
    [InlineData("", null)]
    [InlineData("user@example.com", null)]
    [InlineData("example.com/path", null)]
    [InlineData("example.com:port", null)]
    public void Takes_only_what_can_be_a_host(string text, string? expected)
    {
        Assert.Equal(expected, Forwarded($"for=192.0.2.1;host=\"{text}\"").Host);
        Assert.Equal(expected, XForwarded("192.0.2.1", null, text).Host);
    }

    [Fact]
    public void Reads_only_the_headers_that_were_chosen()
    {
        (string, string)[] both =
        [
            ("Forwarded", "for=192.0.2.1;proto=https;host=a"), ("X-Forwarded-For", "192.0.2.2"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "b"),
        ];
        Assert.Equal(default, Resolve(ForwardedHeaderKind.None, both));
        Assert.Equal(new ForwardedClient(IPEndPoint.Parse("192.0.2.1:0"), "https", "a"), Resolve(ForwardedHeaderKind.Forwarded, both));
        Assert.Equal(new ForwardedClient(IPEndPoint.Parse("192.0.2.2:0"), "http", "b"), Resolve(ForwardedHeaderKind.XForwarded, both));
        Assert.Equal(default, Resolve(ForwardedHeaderKind.Forwarded, both[1..]));
        Assert.Equal(default, Resolve(ForwardedHeaderKind.XForwarded, both[..1]));
    }

    [Fact]
    public void Looks_no_further_than_the_first_address_that_is_no_proxys()
    {
        int asked = 0;
        HeaderFields headers = new();
        headers.Add("X-Forwarded-For", string.Join(',', Enumerable.Repeat("10.0.0.1", 100)) + ",192.0.2.1,10.0.0.1");
        ForwardedHeaders.Resolve(headers, ForwardedHeaderKind.XForwarded, address => ++asked > 0 && IsProxy(address));
        Assert.Equal(2, asked);
    }

    private static bool IsProxy(IPAddress address) => IPNetwork.Parse("10.0.0.0/8").Contains(address);

    private static ForwardedClient Forwarded(params string[] lines) => Resolve(ForwardedHeaderKind.Forwarded, [.. lines.Select(line => ("forwarded", line))]);

    private static ForwardedClient XForwarded(string addresses, string? schemes = null, string? hosts = null)
    {
        List<(string, string)> lines = [("x-forwarded-for", addresses)];
        if (schemes is not null)
            lines.Add(("X-Forwarded-Proto", schemes));
        if (hosts is not null)
            lines.Add(("X-FORWARDED-HOST", hosts));
        return Resolve(ForwardedHeaderKind.XForwarded, [.. lines]);
    }

    private static ForwardedClient Resolve(ForwardedHeaderKind kind, params (string Name, string Value)[] lines)
    {
        HeaderFields headers = new();
        foreach ((string name, string value) in lines)
            headers.Add(name, value);
        return ForwardedHeaders.Resolve(headers, kind, IsProxy);
    }
}
