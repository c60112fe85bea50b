using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class ClientTabTests(Chromium chromium) : DashboardTest(chromium)
{
    private ILocator First => Page.Locator(".client-card").Nth(0);

    private ILocator Second => Page.Locator(".client-card").Nth(1);

    [Fact]
    public async Task Two_clients_of_the_page_talk_through_the_server()
    {
        await OpenServerAsync();
        await Page.GetByLabel("to all others").CheckAsync();
        await ShowTabAsync();
        await Expect(First.GetByLabel("URL")).ToHaveValueAsync($"{ServedUrl}/alice");
        await ConnectAsync(First);
        await ConnectAsync(Second);

        await SendAsync(First, "hello, bob");
        await Expect(Second.Locator(".received .data")).ToHaveTextAsync("hello, bob");
        await Second.GetByLabel("Type").SelectOptionAsync("hex");
        await SendAsync(Second, "ca fe 01");
        await Expect(First.Locator(".received .data")).ToHaveTextAsync("ca fe 01");
        await Expect(First.Locator(".totals")).ToHaveTextAsync("Received 1 (3 B), sent 1 (10 B)");

        await Page.GetByRole(AriaRole.Tab, new() { Name = "Server" }).ClickAsync();
        await Expect(Rows).ToHaveCountAsync(2);
        await Expect(Rows.First).ToContainTextAsync("Mozilla/5.0");
        await Expect(Messages.First).ToContainTextAsync("#2 /bobbin3 B→ 1ca fe 01");

        await ShowTabAsync();
        await First.GetByRole(AriaRole.Button, new() { Name = "Disconnect" }).ClickAsync();
        await Expect(First.Locator(".event").First).ToContainTextAsync("closed: 1000");
        await Second.GetByRole(AriaRole.Button, new() { Name = "Remove" }).ClickAsync();
        await Expect(Page.Locator("#clients tbody tr")).ToHaveCountAsync(0);
        await Expect(Page.Locator(".client-card")).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task It_tells_how_the_server_closed()
    {
        await OpenServerAsync();
        await ShowTabAsync();
        await ConnectAsync(First);
        await Page.GetByRole(AriaRole.Tab, new() { Name = "Server" }).ClickAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = "Disconnect client 1" }).ClickAsync();
        await ShowTabAsync();
        await Expect(First.Locator(".event").First).ToContainTextAsync("closed: 1000 “disconnected by the server”");
        await Expect(First.Locator(".pill")).ToHaveTextAsync("Not connected");
    }

    [Fact]
    public async Task A_url_that_is_none_and_a_server_that_is_none_are_told()
    {
        await ShowTabAsync();
        await First.GetByLabel("URL").FillAsync("127.0.0.1:8080");
        await First.GetByRole(AriaRole.Button, new() { Name = "Connect" }).ClickAsync();
        await Expect(First.Locator(".error")).ToContainTextAsync("“127.0.0.1:8080” is no WebSocket URL.");

        await First.GetByLabel("URL").FillAsync("ws://127.0.0.1:1/");
        await First.GetByRole(AriaRole.Button, new() { Name = "Connect" }).ClickAsync();
        await Expect(First.Locator(".event").First).ToContainTextAsync("closed: 1006");
    }

    protected override bool IsExpected(string complaint) => complaint.Contains("ws://127.0.0.1:1/", StringComparison.Ordinal);

    private static async Task ConnectAsync(ILocator card)
    {
        await card.GetByRole(AriaRole.Button, new() { Name = "Connect" }).ClickAsync();
        await Expect(card.Locator(".pill")).ToHaveTextAsync("Connected");
    }

    private static async Task SendAsync(ILocator card, string text)
    {
        await card.GetByLabel("Message", new() { Exact = true }).FillAsync(text);
        await card.GetByRole(AriaRole.Button, new() { Name = "Send" }).ClickAsync();
    }

    private Task ShowTabAsync() => Page.GetByRole(AriaRole.Tab, new() { Name = "Client" }).ClickAsync();
}
