using System.Net;
using System.Net.WebSockets;
using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Proxies;

/// <summary>nginx, with the recommended configuration and with its usual mistakes.</summary>
public class NginxTests
{
    private const string RecommendedHost = "proxy_set_header Host $http_host;";

    [Fact]
    public async Task A_Host_without_its_port_is_answered_with_403_and_the_log_tells_what_to_do()
    {
        string origin;
        await using (ProxiedServer proxied = await ProxiedServer.StartAsync(Front.Nginx, change: configuration => configuration.With("$http_host", "$host")))
        {
            origin = $"https://{proxied.HostAndPort}";
            Assert.Equal(403, await proxied.StatusAsync(origin));
            FakeLogRecord warning = Assert.Single(proxied.Server.Log.Of(8));
            Assert.Contains($"options.AllowedOrigins.Add(\"{origin}\")", warning.Message, StringComparison.Ordinal);
            Assert.Contains("$http_host", warning.Message, StringComparison.Ordinal);
        }

        await using ProxiedServer recommended = await ProxiedServer.StartAsync(Front.Nginx);
        Assert.Equal(101, await recommended.StatusAsync($"https://{recommended.HostAndPort}"));
        Assert.Empty(recommended.Server.Log.Of(8));
    }

    [Fact]
    public async Task A_page_may_connect_through_a_proxy_that_drops_the_port_if_its_origin_is_allowed()
    {
        const string Origin = $"https://{ProxiedServer.Host}:8443";
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(
            Front.Nginx,
            options => options.AllowedOrigins.Add(Origin),
            configuration => configuration.With("$http_host", "$host"));
        Assert.Equal(101, await proxied.StatusAsync(Origin));
    }

    [Theory]
    [InlineData(RecommendedHost, "proxy_set_header Host \"\";", 400)] // none is sent
    [InlineData("proxy_http_version 1.1;", "", 505)]
    [InlineData("proxy_set_header Upgrade $http_upgrade;", "", 426)]
    [InlineData("proxy_set_header Connection $connection_upgrade;", "", 400)]
    public async Task A_line_that_is_missing_is_told(string line, string instead, int status)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(Front.Nginx, change: configuration => configuration.With(line, instead));
        using HttpClient http = proxied.CreateHttpClient(HttpVersion.Version11);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/")
        {
            Version = HttpVersion.Version11,
            Headers = { { "Connection", "Upgrade" }, { "Upgrade", "websocket" }, { "Sec-WebSocket-Version", "13" }, { "Sec-WebSocket-Key", TestClient.Key } },
        };
        using HttpResponseMessage answer = await http.SendAsync(request, TestServer.Timely);
        string expected = status switch
        {
            400 when instead is "" => "proxy_set_header Connection",
            400 => "proxy_set_header Host $http_host",
            505 => "proxy_http_version 1.1",
            _ => "proxy_set_header Upgrade $http_upgrade",
        };
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(expected, await answer.Content.ReadAsStringAsync(TestServer.Timely), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plain_requests_come_over_HTTP_2_and_WebSockets_over_HTTP_1_1_on_one_port()
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(Front.Nginx);
        using HttpClient http = proxied.CreateHttpClient(HttpVersion.Version20);
        using HttpResponseMessage answer = await http.GetAsync(new Uri("/health", UriKind.Relative), TestServer.Timely);
        Assert.Equal(
            (HttpVersion.Version20, HttpStatusCode.OK, $"127.0.0.2:0 {proxied.HostAndPort} True"),
            (answer.Version, answer.StatusCode, await answer.Content.ReadAsStringAsync(TestServer.Timely)));
        using ClientWebSocket client = await proxied.ConnectAsync();
        Assert.Equal(WebSocketState.Open, client.State);
    }
}
