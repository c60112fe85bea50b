using System.Net;
using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class StrangerTests(Chromium chromium) : DashboardTest(chromium)
{
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

    protected override bool IsExpected(string complaint) => complaint.Contains("/control' failed", StringComparison.Ordinal);

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
