using System.Net;

namespace WebSocketServerKit.Transport.Proxies;

public sealed class ProxyConnectionTests
{
    private static readonly IPEndPoint Proxy = IPEndPoint.Parse("192.0.2.1:5000");
    private static readonly IPEndPoint Here = IPEndPoint.Parse("192.0.2.2:8080");
    private static readonly IPEndPoint Client = IPEndPoint.Parse("198.51.100.22:35646");
    private static readonly IPEndPoint Public = IPEndPoint.Parse("203.0.113.7:443");

    [Fact]
    public void The_client_is_the_one_of_the_header()
    {
        ProxyConnection proxy = new(Proxy, Here, new ProxyHeader(2, isLocal: false, Client, Public, []));
        Assert.Equal((Proxy, Here, Client, Public), (proxy.RemoteEndPoint, proxy.LocalEndPoint, proxy.ClientRemoteEndPoint, proxy.ClientLocalEndPoint));
    }

    [Fact]
    public void Without_addresses_the_client_is_the_proxy_itself()
    {
        ProxyConnection proxy = new(Proxy, Here, new ProxyHeader(2, isLocal: true, null, null, []));
        Assert.Equal((Proxy, Here), (proxy.ClientRemoteEndPoint, proxy.ClientLocalEndPoint));
        proxy = new(Proxy, Here, header: null);
        Assert.Equal((Proxy, Here), (proxy.ClientRemoteEndPoint, proxy.ClientLocalEndPoint));
    }

    [Fact]
    public void A_client_of_HTTP_headers_replaces_that_of_the_PROXY_header()
    {
        IPEndPoint behind = IPEndPoint.Parse("198.51.100.99:0");
        ProxyConnection proxy = new ProxyConnection(Proxy, Here, new ProxyHeader(2, isLocal: false, Client, Public, [])).WithClient(behind);
        Assert.Equal((Proxy, Here, behind, Public), (proxy.RemoteEndPoint, proxy.LocalEndPoint, proxy.ClientRemoteEndPoint, proxy.ClientLocalEndPoint));
        Assert.NotNull(proxy.Header);
    }
}
