using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Proxies;

public sealed class TrustedProxiesTests
{
    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true)]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1", true)]
    [InlineData("::ffff:192.0.2.1", "::ffff:192.0.2.1", true)]
    [InlineData("2001:db8::1", "2001:DB8:0:0::1", true)]
    [InlineData("2001:db8::1", "2001:db8::2", false)]
    [InlineData("fe80::1", "fe80::1%3", true)]
    [InlineData("10.0.0.0/8", "10.255.255.255", true)]
    [InlineData("10.0.0.0/8", "11.0.0.0", false)]
    [InlineData("10.0.0.0/8", "::ffff:10.1.2.3", true)]
    [InlineData("::ffff:10.0.0.0/104", "10.1.2.3", true)]
    [InlineData("::ffff:10.0.0.0/104", "11.1.2.3", false)]
    [InlineData("10.0.0.128/25", "10.0.0.127", false)]
    [InlineData("10.0.0.1/32", "10.0.0.1", true)]
    [InlineData("fd00::/8", "fdff::1", true)]
    [InlineData("fd00::/8", "fe00::", false)]
    [InlineData("0.0.0.0/0", "203.0.113.9", true)]
    [InlineData("0.0.0.0/0", "::1", false)]
    [InlineData("::/0", "2001:db8::1", true)]
    [InlineData("::/0", "::ffff:203.0.113.9", false)]
    [InlineData("localhost", "127.0.0.1", true)]
    [InlineData("localhost", "127.9.9.9", true)]
    [InlineData("LocalHost", "::1", true)]
    [InlineData("localhost", "::ffff:127.0.0.1", true)]
    [InlineData("localhost", "128.0.0.1", false)]
    [InlineData("localhost", "::2", false)]
    [InlineData("unix", "127.0.0.1", false)]
    public void Trusts_the_addresses_that_an_entry_stands_for_and_no_other(string entry, string address, bool isTrusted)
    {
        Assert.Null(TrustedProxies.Validate(entry));
        TrustedProxies proxies = new([entry]);
        Assert.Equal(isTrusted, proxies.Contains(IPAddress.Parse(address)));
        Assert.Equal(isTrusted, proxies.Contains(new IPEndPoint(IPAddress.Parse(address), 4711)));
        Assert.False(proxies.IsEmpty);
    }

    [Fact]
    public void Trusts_peers_of_Unix_domain_sockets_only_where_they_are_named()
    {
        UnixDomainSocketEndPoint peer = new("/run/a.sock");
        Assert.True(new TrustedProxies(["Unix"]).Contains(peer));
        Assert.False(new TrustedProxies(["localhost", "0.0.0.0/0", "::/0"]).Contains(peer));
        Assert.False(new TrustedProxies(["unix"]).IsEmpty);
    }

    [Fact]
    public void Trusts_no_peer_without_an_address() =>
        Assert.False(new TrustedProxies(["localhost", "unix", "0.0.0.0/0", "::/0"]).Contains(EndPointAddress.Shown(null)));

    [Fact]
    public void Trusts_nobody_without_entries()
    {
        TrustedProxies nobody = new([]);
        Assert.True(nobody.IsEmpty);
        Assert.False(nobody.Contains(IPAddress.Loopback));
    }

    [Fact]
    public void Trusts_whom_any_of_the_entries_names()
    {
        TrustedProxies proxies = new(["192.0.2.1", "10.0.0.0/8", "unix"]);
        Assert.True(proxies.Contains(IPAddress.Parse("192.0.2.1")));
        Assert.True(proxies.Contains(IPAddress.Parse("10.1.1.1")));
        Assert.True(proxies.Contains(new UnixDomainSocketEndPoint("/run/a.sock")));
        Assert.False(proxies.Contains(IPAddress.Parse("192.0.2.2")));
    }

    [Theory]
    [InlineData("", "an entry is empty: write an address")]
    [InlineData(" ", "an entry is empty: write an address")]
    [InlineData("*", "every client can forge its address: write the addresses of your proxies. If everybody who can connect is a proxy of yours, write the two networks \"0.0.0.0/0\" and \"::/0\".")]
    [InlineData("proxy.example.com", "\"proxy.example.com\" is no address, and host names are not looked up: write an address such as \"192.0.2.1\"")]
    [InlineData("proxy:80", "is no address")]
    [InlineData("example.com/8", "is no address")]
    [InlineData("http://192.0.2.1", "\"http://192.0.2.1\" is no address")]
    [InlineData("10.1", "\"10.1\" is no address")]
    [InlineData("010.0.0.1", "\"010.0.0.1\" is no address")]
    [InlineData("10.1/8", "\"10.1\" is no address")]
    [InlineData(" 10.0.0.1", "is no address")]
    [InlineData("10.0.0.1:80", "has a port, but a proxy connects from any port: write \"10.0.0.1\".")]
    [InlineData("[::1]:80", "has a port, but a proxy connects from any port: write \"::1\".")]
    [InlineData("[::1]", "has brackets: write \"::1\".")]
    [InlineData("[fd00::]/8", "\"[fd00::]\" has brackets: write \"fd00::\".")]
    [InlineData("fe80::1%eth0", "has a zone, which is not compared: write \"fe80::1\".")]
    [InlineData("[fe80::1%3]", "has a zone, which is not compared: write \"fe80::1\".")]
    [InlineData("fe80::%3/64", "has a zone, which is not compared: write \"fe80::\".")]
    [InlineData("%", "is no address")]
    [InlineData("unix:/run/a.sock", "has a path, but who connects to a Unix domain socket has none: write \"unix\".")]
    [InlineData("10.0.0.1/8", "is no network, because bits behind the first 8 are set: write \"10.0.0.0/8\" for the network, or \"10.0.0.1\" for the one address.")]
    [InlineData("10.0.0.129/25", "write \"10.0.0.128/25\" for the network")]
    [InlineData("fd00::1/9", "write \"fd00::/9\" for the network, or \"fd00::1\" for the one address.")]
    [InlineData("10.0.0.0/33", "has no length of its network behind the slash: write a number from 0 to 32, such as \"10.0.0.0/32\".")]
    [InlineData("fd00::/129", "write a number from 0 to 128, such as \"fd00::/128\".")]
    [InlineData("10.0.0.0/", "has no length of its network behind the slash")]
    [InlineData("10.0.0.0/-1", "has no length of its network behind the slash")]
    [InlineData("10.0.0.0/255.0.0.0", "has no length of its network behind the slash")]
    [InlineData("10.0.0.0/8/8", "has no length of its network behind the slash")]
    public void Says_what_is_wrong_with_an_entry_and_what_to_write(string entry, string problem)
    {
        Assert.Contains(problem, TrustedProxies.Validate(entry), StringComparison.Ordinal);
        Assert.Contains(problem, Assert.Throws<ArgumentException>(() => new TrustedProxies(["localhost", entry])).Message, StringComparison.Ordinal);
    }
}
