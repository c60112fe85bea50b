using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Compression;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Proxies;

/// <summary>What haproxy can do beyond that.</summary>
public class HaproxyTests
{
    [Theory]
    [InlineData(Front.Haproxy)]
    [InlineData(Front.HaproxyForwarded)]
    [InlineData(Front.HaproxyNginx)]
    public async Task A_WebSocket_over_HTTP_2_reaches_the_server_over_HTTP_1_1(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front, options => options.Subprotocols.Add("chat"));
        using ClientWebSocket client = await proxied.ConnectAsync("127.0.0.2", options =>
        {
            options.HttpVersion = HttpVersion.Version20;
            options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
            options.AddSubProtocol("chat");
            options.SetRequestHeader("Origin", $"https://{proxied.HostAndPort}");
        });
        HandshakeRequest request = await proxied.NextRequestAsync();
        Assert.Equal((HttpVersion.Version11, true, proxied.HostAndPort, "chat"), (request.Version, request.IsSecure, request.Host, client.SubProtocol));
        Assert.Equal(IPAddress.Parse("127.0.0.2"), ((IPEndPoint)(await proxied.Server.NextClientAsync()).RemoteEndPoint).Address);

        byte[] payload = Interop.Binary(500_000, 1);
        Task sent = client.SendAsync(payload, WebSocketMessageType.Binary, endOfMessage: true, TestServer.Timely);
        Assert.Equal(payload, (await client.ReceiveAsync()).Payload);
        await sent;
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "done", TestServer.Timely);
        ClientDisconnectedEventArgs end = await proxied.Server.NextEndAsync();
        Assert.Equal((1000, "done", true), ((int)end.CloseCode, end.CloseReason, end.WasClean));
    }

    [Fact]
    public async Task Plain_requests_come_over_HTTP_2_and_WebSockets_over_HTTP_1_1_on_one_port()
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(Front.Haproxy);
        using HttpClient http = proxied.CreateHttpClient(HttpVersion.Version20);
        using HttpResponseMessage answer = await http.GetAsync(new Uri("/health", UriKind.Relative), TestServer.Timely);
        Assert.Equal(
            (HttpVersion.Version20, HttpStatusCode.OK, $"127.0.0.2:0 {proxied.HostAndPort} True"),
            (answer.Version, answer.StatusCode, await answer.Content.ReadAsStringAsync(TestServer.Timely)));
        using ClientWebSocket client = await proxied.ConnectAsync();
        Assert.Equal(WebSocketState.Open, client.State);
    }

    [Fact]
    public async Task The_values_of_the_PROXY_header_can_be_read()
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(Front.HaproxyTcp);
        using ClientWebSocket socket = await proxied.ConnectAsync();
        WebSocketClient client = await proxied.Server.NextClientAsync();
        ProxyHeader header = client.Proxy!.Header!;
        Assert.Equal((2, false, true, ProxiedServer.Host), (header.Version, header.IsLocal, header.IsSecure, header.Authority));
        Assert.Equal((client.RemoteEndPoint, proxied.EndPoint), (header.Source, header.Destination));
        Assert.StartsWith($"{client.RemoteEndPoint}-", Encoding.ASCII.GetString(header.Find(0x05)!.Value.Span), StringComparison.Ordinal);
        Assert.Equal(0x01, header.Find(0x20)!.Value.Span[0] & 0x01);
        Assert.NotNull(header.Find(0x03));
    }

    [Fact]
    public async Task A_PROXY_header_of_version_1_can_stand_before_the_TLS_handshake()
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(Front.HaproxyPassThrough, change: configuration => configuration.With("send-proxy-v2", "send-proxy"));
        using ClientWebSocket socket = await proxied.ConnectAsync();
        WebSocketClient client = await proxied.Server.NextClientAsync();
        Assert.Equal((1, true), (client.Proxy!.Header!.Version, client.Tls is not null));
        Assert.Equal(client.Proxy.Header.Source, client.RemoteEndPoint);
    }

    [Theory]
    [InlineData(Front.Haproxy)]
    [InlineData(Front.HaproxyForwarded)]
    [InlineData(Front.HaproxyTcp)]
    [InlineData(Front.HaproxyPassThrough)]
    public async Task A_client_with_an_IPv6_address_is_known_by_it(Front front)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "Needs IPv6.");
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front, listen: IPAddress.IPv6Loopback);
        using ClientWebSocket socket = await proxied.ConnectAsync("::1");
        WebSocketClient client = await proxied.Server.NextClientAsync();
        Assert.Equal(IPAddress.IPv6Loopback, ((IPEndPoint)client.RemoteEndPoint).Address);
        Assert.Equal(front == Front.Haproxy, ((IPEndPoint)client.RemoteEndPoint).Port == 0);
    }

    [Fact]
    public async Task A_health_check_by_HTTP_is_a_plain_request()
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(Front.Haproxy);
        HttpRequestReceivedEventArgs check = await proxied.NextPlainRequestAsync();
        Assert.Equal(("/health", ProxiedServer.Host), (check.Request.Path, check.Request.Host));
        await proxied.Proxy.WaitForAsync("Health check for server app/app succeeded");
        AssertQuiet(proxied);
    }

    /// <summary>Such a check connects, sends LOCAL or UNKNOWN, and leaves.</summary>
    [Theory]
    [InlineData(Front.HaproxyTcp, "send-proxy-v2")]
    [InlineData(Front.HaproxyPassThrough, "send-proxy-v2")]
    [InlineData(Front.HaproxyPassThrough, "send-proxy")]
    public async Task A_health_check_with_a_PROXY_header_leaves_no_warning_and_no_client(Front front, string header)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(
            front, change: configuration => configuration.With("check send-proxy-v2", $"check inter 100ms {header}"));
        await proxied.Proxy.WaitForAsync("Health check for server app/app succeeded");
        await (await proxied.ConnectAsync()).CloseAsync(WebSocketCloseStatus.NormalClosure, null, TestServer.Timely);
        await proxied.Server.Server.StopAsync(TestServer.Timely);
        Assert.Equal("127.0.0.2", ((IPEndPoint)(await proxied.Server.NextClientAsync()).RemoteEndPoint).Address.ToString());
        Assert.Equal(1, (await proxied.Server.NextEndAsync()).Client.Id);
        proxied.Server.AssertNoMoreEnds();
        AssertQuiet(proxied);
    }

    [Fact]
    public async Task A_health_check_may_ask_over_HTTP_behind_a_PROXY_header()
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(
            Front.HaproxyTcp,
            change: configuration => configuration.With("    server app", "    option httpchk\n    http-check send meth GET uri /health ver HTTP/1.1 hdr Host app.example.com\n    server app"));
        HttpRequestReceivedEventArgs check = await proxied.NextPlainRequestAsync();
        Assert.Equal("/health", check.Request.Path);
        Assert.Equal((2, true), (check.Proxy!.Header!.Version, check.Proxy.Header.IsLocal));
        Assert.Equal(check.Proxy.RemoteEndPoint, check.RemoteEndPoint);
        await proxied.Proxy.WaitForAsync("Health check for server app/app succeeded");
        AssertQuiet(proxied);
    }

    private static void AssertQuiet(ProxiedServer proxied) => Assert.Empty(proxied.Server.Log.Troubles);
}
