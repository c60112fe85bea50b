using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HostRulesTests
{
    private static readonly HostRules Default = new([]);

    [Theory]
    [InlineData("localhost")]
    [InlineData("localhost:8080")]
    [InlineData("LocalHost.")]
    [InlineData("app.localhost:80")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:8080")]
    [InlineData("127.1.2.3")]
    [InlineData("[::1]")]
    [InlineData("[::1]:8080")]
    [InlineData("0.0.0.0:8080")] // what a browser on this machine is told to open, and reaches this machine with
    [InlineData("192.168.1.10:8080")] // a port that is forwarded from there
    [InlineData("[2001:db8::1]")]
    [InlineData("")]
    public void By_default_a_loopback_address_answers_for_localhost_and_for_addresses(string host)
    {
        Assert.True(Default.Allows(host, IPAddress.Loopback));
        Assert.True(Default.Allows(host, IPAddress.Parse("127.0.1.1")));
        Assert.True(Default.Allows(host, IPAddress.IPv6Loopback));
    }

    [Theory]
    [InlineData("evil.test")]
    [InlineData("evil.test:8080")]
    [InlineData("localhost.evil.test")]
    [InlineData("127.0.0.1.evil.test")]
    [InlineData("notlocalhost")]
    [InlineData("localhost..")]
    [InlineData("my-computer")]
    [InlineData("%31%32%37.0.0.1")]
    [InlineData("no host")]
    public void By_default_a_loopback_address_answers_for_no_name_that_somebody_may_own(string host)
    {
        Assert.False(Default.Allows(host, IPAddress.Loopback));
        Assert.False(Default.Allows(host, IPAddress.Parse("127.0.1.1")));
        Assert.False(Default.Allows(host, IPAddress.IPv6Loopback));
    }

    [Theory]
    [InlineData("chat.example.com")]
    [InlineData("localhost")]
    [InlineData("")]
    public void By_default_another_address_answers_for_every_host(string host)
    {
        Assert.True(Default.Allows(host, IPAddress.Parse("192.168.1.10")));
        Assert.True(Default.Allows(host, IPAddress.Parse("2001:db8::1")));
    }

    [Theory]
    [InlineData("example.com", "example.com")]
    [InlineData("example.com", "Example.COM:8080")]
    [InlineData("example.com", "example.com.")]
    [InlineData("example.com.", "example.com")]
    [InlineData("example.com:8080", "example.com:8080")]
    [InlineData("example.com:443", "example.com")]
    [InlineData("example.com:80", "example.com")]
    [InlineData("*.example.com", "a.example.com")]
    [InlineData("*.example.com", "a.b.Example.com.:81")]
    [InlineData("*.example.com:81", "a.example.com:81")]
    [InlineData("127.0.0.1", "127.0.0.1:8080")]
    [InlineData("[::1]:8080", "[::1]:8080")]
    [InlineData("*", "any.example:1")]
    [InlineData("*", "")]
    public void A_list_answers_for_what_is_on_it_on_every_address(string entry, string host)
    {
        HostRules rules = new(["first.example", entry]);
        Assert.True(rules.AreListed);
        foreach (IPAddress address in (IPAddress[])[IPAddress.Loopback, IPAddress.Parse("192.168.1.10")])
        {
            Assert.True(rules.Allows(host, address));
            Assert.True(rules.Allows("first.example", address));
        }
    }

    [Theory]
    [InlineData("example.com", "www.example.com")]
    [InlineData("example.com", "notexample.com")]
    [InlineData("example.com", "localhost")]
    [InlineData("example.com", "127.0.0.1")]
    [InlineData("example.com", "")]
    [InlineData("example.com:8080", "example.com")]
    [InlineData("example.com:8080", "example.com:80")]
    [InlineData("example.com:443", "example.com:80")]
    [InlineData("*.example.com", "example.com")]
    [InlineData("*.example.com", ".example.com")]
    [InlineData("*.example.com", "a.example.com.evil.test")]
    [InlineData("*.example.com:81", "a.example.com:82")]
    [InlineData("localhost", "app.localhost")]
    public void A_list_answers_for_nothing_else(string entry, string host)
    {
        HostRules rules = new([entry]);
        Assert.False(rules.Allows(host, IPAddress.Loopback));
        Assert.False(rules.Allows(host, IPAddress.Parse("192.168.1.10")));
    }

    [Fact]
    public void Knows_whether_there_is_a_list()
    {
        Assert.False(Default.AreListed);
        Assert.True(new HostRules(["*"]).AreListed);
    }

    [Theory]
    [InlineData("", "an entry is empty: write a host")]
    [InlineData("https://example.com", "is a URL: write its host alone")]
    [InlineData("example.com/chat", "is no host")]
    [InlineData("example.com:99999", "is no host")]
    [InlineData("two words", "is no host")]
    [InlineData("user@example.com", "is no host")]
    [InlineData("b\u00FCcher.example", "\"xn--\" form")]
    [InlineData("*.", "is no host")]
    [InlineData("a.*.example.com", "has a wildcard where none can be")]
    [InlineData("*example.com", "has a wildcard where none can be")]
    [InlineData("*:8080", "has a wildcard where none can be")]
    [InlineData("*.*", "has a wildcard where none can be")]
    [InlineData("::1", "write it in brackets, \"[::1]\"")]
    [InlineData("*.127.0.0.1", "has names below an address")]
    [InlineData("*.[::1]", "has names below an address")]
    public void Says_what_is_wrong_with_an_entry(string entry, string message)
    {
        Assert.Contains(message, HostRules.Validate(entry), StringComparison.Ordinal);
        ArgumentException exception = Assert.Throws<ArgumentException>("allowedHosts", () => new HostRules([entry]));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chat.example.com:8443", "chat.example.com")]
    [InlineData("chat.example.com", "chat.example.com")]
    [InlineData("[::1]:80", "[::1]")]
    [InlineData("example.com.", "example.com.")]
    public void Names_the_entry_that_lets_a_host_in(string host, string entry)
    {
        Assert.Equal(entry, HostRules.EntryFor(host));
        Assert.True(new HostRules([entry]).Allows(host, IPAddress.Loopback));
    }

    // A client must not bring it about that the log advises to answer for every host.
    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("*.test:80")]
    [InlineData("no host")]
    public void Names_no_entry_where_there_is_none(string host) => Assert.Null(HostRules.EntryFor(host));
}
