using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport;

public sealed class EndPointAddressTests
{
    [Fact]
    public void An_IP_end_point_counts_under_its_address() =>
        Assert.Equal(IPAddress.Parse("192.0.2.1"), EndPointAddress.Of(IPEndPoint.Parse("192.0.2.1:80")));

    [Fact]
    public void End_points_without_an_address_share_one_that_is_trusted_as_loopback_and_is_no_TCP_clients()
    {
        IPAddress shared = EndPointAddress.Of(new UnixDomainSocketEndPoint("/run/a.sock"));
        Assert.Equal(shared, EndPointAddress.Of(new UnixDomainSocketEndPoint("/run/b.sock")));
        Assert.True(IPAddress.IsLoopback(shared));
        Assert.NotEqual(IPAddress.Loopback, shared);
    }

    [Fact]
    public void An_IPv4_address_is_shown_as_such_and_no_address_as_unknown()
    {
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:80"), EndPointAddress.Shown(IPEndPoint.Parse("[::ffff:192.0.2.1]:80")));
        Assert.Equal(IPEndPoint.Parse("[2001:db8::1]:80"), EndPointAddress.Shown(IPEndPoint.Parse("[2001:db8::1]:80")));
        EndPoint unknown = EndPointAddress.Shown(null);
        Assert.Equal("unknown", unknown.ToString());
        Assert.Equal(EndPointAddress.None, EndPointAddress.Of(unknown));
    }

    [Theory]
    [InlineData("/run/a \"b\".sock", "/run/a \"b\".sock")]
    [InlineData("/run/a\nwarn: forged", "unknown")]
    [InlineData("/run/a\u2028b", "unknown")]
    [InlineData("/run/a\u2029b", "unknown")]
    [InlineData("/run/\u001b[31m", "unknown")]
    public void A_path_that_would_forge_lines_of_the_log_is_not_shown(string path, string shown) =>
        Assert.Equal(shown, EndPointAddress.Shown(new UnixDomainSocketEndPoint(path)).ToString());
}
