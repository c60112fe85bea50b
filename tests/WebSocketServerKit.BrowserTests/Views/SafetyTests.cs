using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class SafetyTests(Chromium chromium) : DashboardTest(chromium)
{
    private readonly HttpClient _http = new();

    private Uri Control => new($"ws://{DashboardEndPoint}/control");

    [Fact]
    public async Task The_page_may_run_and_load_nothing_but_its_own_files()
    {
        using HttpResponseMessage answer = await _http.GetAsync(new Uri(DashboardUrl), Timely);
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
        using HttpRequestMessage request = new(HttpMethod.Get, DashboardUrl) { Headers = { Host = host } };
        using HttpResponseMessage answer = await _http.SendAsync(request, Timely);
        Assert.Equal(status, answer.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/no-such-file", HttpStatusCode.NotFound)]
    [InlineData("GET", "/../Program.cs", HttpStatusCode.NotFound)]
    [InlineData("HEAD", "/app.css", HttpStatusCode.OK)]
    [InlineData("DELETE", "/", HttpStatusCode.MethodNotAllowed)]
    public async Task There_is_nothing_but_the_page(string method, string path, HttpStatusCode status)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), DashboardUrl + path);
        using HttpResponseMessage answer = await _http.SendAsync(request, Timely);
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
        stranger.Options.SetRequestHeader("Host", string.Format(CultureInfo.InvariantCulture, host, DashboardEndPoint.Port));
        stranger.Options.SetRequestHeader("Origin", string.Format(CultureInfo.InvariantCulture, origin, DashboardEndPoint.Port));
        await Assert.ThrowsAsync<WebSocketException>(() => stranger.ConnectAsync(Control, Timely));
        Assert.Equal(status, stranger.HttpStatusCode);
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
        await client.ConnectAsync(Control, Timely);
        await SendAsync(client, command);
        byte[] buffer = new byte[64 * 1024];
        ValueWebSocketReceiveResult result;
        do
            result = await client.ReceiveAsync(buffer.AsMemory(), Timely);
        while (result.MessageType != WebSocketMessageType.Close);
        Assert.Equal(WebSocketCloseStatus.PolicyViolation, client.CloseStatus);
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
    }

    [Fact]
    public async Task Pages_of_other_sites_connect_to_the_server_only_if_somebody_lets_them()
    {
        await OpenServerAsync();
        Assert.Equal(HttpStatusCode.Forbidden, await ComeFromAsync("http://elsewhere.example"));
        Assert.Equal(HttpStatusCode.SwitchingProtocols, await ComeFromAsync($"http://localhost:{DashboardEndPoint.Port}"));

        await Page.GetByRole(AriaRole.Button, new() { Name = "Close", Exact = true }).ClickAsync();
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
        await Page.GetByLabel("Let pages of any website connect").CheckAsync();
        await OpenServerAsync();
        Assert.Equal(HttpStatusCode.SwitchingProtocols, await ComeFromAsync("http://elsewhere.example"));
    }

    [Fact]
    public async Task The_page_tells_when_its_program_has_ended()
    {
        await Expect(Page.Locator("#link")).ToHaveTextAsync("");
        await EndDashboardAsync();
        await Expect(Page.Locator("#link")).ToHaveTextAsync("Connection to the dashboard lost, trying again …");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Open", Exact = true }).ClickAsync();
        await Expect(Page.Locator("#endpoint-error")).ToContainTextAsync("does not answer");
    }

    public override async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await base.DisposeAsync();
    }

    protected override bool IsExpected(string complaint) => complaint.Contains($"{Control}' failed", StringComparison.Ordinal);

    private async Task<HttpStatusCode> ComeFromAsync(string origin)
    {
        using ClientWebSocket client = new();
        client.Options.CollectHttpResponseDetails = true;
        client.Options.SetRequestHeader("Origin", origin);
        try
        {
            await client.ConnectAsync(new Uri(ServedUrl), Timely);
        }
        catch (WebSocketException)
        {
            // The status tells.
        }

        return client.HttpStatusCode;
    }
}
