using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dashboard.Control;

namespace WebSocketServerKit.BrowserTests.Parts;

/// <summary>Who gets the page, and who controls the server.</summary>
public sealed class ControlServerTests : IAsyncLifetime
{
    private readonly ControlServer _dashboard = new(new IPEndPoint(IPAddress.Loopback, 0));
    private readonly HttpClient _http = new();

    private string Url => $"http://{_dashboard.EndPoint}";

    private Uri Control => new($"ws://{_dashboard.EndPoint}/control");

    public async ValueTask InitializeAsync() => await _dashboard.StartAsync();

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _dashboard.DisposeAsync();
    }

    [Fact]
    public async Task The_page_may_run_and_load_nothing_but_its_own_files()
    {
        using HttpResponseMessage answer = await _http.GetAsync(new Uri(Url), TestContext.Current.CancellationToken);
        string policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal(new MediaTypeHeaderValue("text/html", "utf-8"), answer.Content.Headers.ContentType);
    }

    [Theory]
    [InlineData("rebound.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("127.0.0.1.rebound.example:8090", HttpStatusCode.MisdirectedRequest)]
    [InlineData("localhost:8090", HttpStatusCode.OK)]
    [InlineData("[::1]:8090", HttpStatusCode.OK)]
    public async Task The_page_is_given_to_those_alone_who_know_where_it_is(string host, HttpStatusCode status)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, Url) { Headers = { Host = host } };
        using HttpResponseMessage answer = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(status, answer.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/no-such-file", HttpStatusCode.NotFound)]
    [InlineData("GET", "/../Program.cs", HttpStatusCode.NotFound)]
    [InlineData("HEAD", "/app.css", HttpStatusCode.OK)]
    [InlineData("DELETE", "/", HttpStatusCode.MethodNotAllowed)]
    public async Task There_is_nothing_but_the_page(string method, string path, HttpStatusCode status)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), Url + path);
        using HttpResponseMessage answer = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(status, answer.StatusCode);
    }

    // A page whose name was rebound to this machine has an origin and a Host that agree.
    [Theory]
    [InlineData("rebound.example:{0}", "http://rebound.example:{0}", HttpStatusCode.MisdirectedRequest)]
    [InlineData("127.0.0.1:{0}", "http://elsewhere.example", HttpStatusCode.Forbidden)]
    [InlineData("127.0.0.1:{0}", "http://localhost:{0}", HttpStatusCode.Forbidden)]
    [InlineData("127.0.0.1:{0}", "null", HttpStatusCode.Forbidden)]
    public async Task Foreign_pages_do_not_control_the_server(string host, string origin, HttpStatusCode status)
    {
        using ClientWebSocket stranger = new();
        stranger.Options.CollectHttpResponseDetails = true;
        stranger.Options.SetRequestHeader("Host", string.Format(CultureInfo.InvariantCulture, host, _dashboard.EndPoint.Port));
        stranger.Options.SetRequestHeader("Origin", string.Format(CultureInfo.InvariantCulture, origin, _dashboard.EndPoint.Port));
        await Assert.ThrowsAsync<WebSocketException>(() => stranger.ConnectAsync(Control, TestContext.Current.CancellationToken));
        Assert.Equal(status, stranger.HttpStatusCode);
    }

    [Fact]
    public async Task The_clients_of_a_page_may_connect_to_the_server_that_it_opens_under_whatever_address_it_came()
    {
        string origin = $"http://127.0.0.2:{_dashboard.EndPoint.Port}";
        using ClientWebSocket page = new();
        page.Options.SetRequestHeader("Host", $"127.0.0.2:{_dashboard.EndPoint.Port}");
        page.Options.SetRequestHeader("Origin", origin);
        await page.ConnectAsync(Control, TestContext.Current.CancellationToken);
        await page.SendAsync(
            """{"command":"open","id":7,"address":"127.0.0.1","port":"0","anyOrigin":false}"""u8.ToArray().AsMemory(), WebSocketMessageType.Text, endOfMessage: true, TestContext.Current.CancellationToken);
        JsonElement message;
        byte[] buffer = new byte[64 * 1024];
        do
            message = JsonElement.Parse(buffer.AsSpan(0, (await page.ReceiveAsync(buffer.AsMemory(), TestContext.Current.CancellationToken)).Count));
        while (message.GetProperty("type").GetString() != "reply");
        Assert.Equal(7, message.GetProperty("id").GetInt32());
        string address = Regex.Match(message.GetProperty("text").GetString()!, @"(?<=^Open on )127\.0\.0\.1:\d+(?=\.$)", RegexOptions.None, TimeSpan.FromSeconds(1)).Value;

        using ClientWebSocket client = new();
        client.Options.SetRequestHeader("Origin", origin);
        await client.ConnectAsync(new Uri($"ws://{address}"), TestContext.Current.CancellationToken);
        using ClientWebSocket stranger = new();
        stranger.Options.SetRequestHeader("Origin", "http://elsewhere.example");
        await Assert.ThrowsAsync<WebSocketException>(() => stranger.ConnectAsync(new Uri($"ws://{address}"), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("no JSON")]
    [InlineData("null")]
    [InlineData("""{"command":"format the disk","id":1}""")]
    [InlineData("""{"command":"open","id":1}""")]
    [InlineData("""{"command":"open","id":1,"address":null,"port":"0","anyOrigin":false}""")]
    public async Task What_is_no_command_ends_the_connection(string command)
    {
        using ClientWebSocket client = new();
        await client.ConnectAsync(Control, TestContext.Current.CancellationToken);
        await client.SendAsync(System.Text.Encoding.UTF8.GetBytes(command).AsMemory(), WebSocketMessageType.Text, endOfMessage: true, TestContext.Current.CancellationToken);
        byte[] buffer = new byte[64 * 1024];
        ValueWebSocketReceiveResult result;
        do
            result = await client.ReceiveAsync(buffer.AsMemory(), TestContext.Current.CancellationToken);
        while (result.MessageType != WebSocketMessageType.Close);
        Assert.Equal(WebSocketCloseStatus.PolicyViolation, client.CloseStatus);
    }
}
