using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class RelayTests(Chromium chromium) : DashboardTest(chromium)
{
    private ClientWebSocket _alice = null!;
    private ClientWebSocket _bob = null!;
    private ClientWebSocket _carol = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await OpenServerAsync();
        _alice = await ConnectAsync("/alice");
        _bob = await ConnectAsync("/bob");
        _carol = await ConnectAsync("/carol");
    }

    [Fact]
    public async Task To_all_others()
    {
        await ChooseAsync("to all others");
        await SendAsync(_alice, "hello");
        Assert.Equal("hello", await ReceiveAsync(_bob));
        Assert.Equal("hello", await ReceiveAsync(_carol));
        await SendAsync(_carol, [1, 2, 3]);
        Assert.Equal("010203", await ReceiveAsync(_bob));
        Assert.Equal("010203", await ReceiveAsync(_alice)); // and not its own
        await Expect(Messages.Filter(new() { HasText = "hello" })).ToContainTextAsync("→ 2");
    }

    [Fact]
    public async Task To_the_clients_of_one_path()
    {
        await Page.GetByLabel("Path of the receivers").FillAsync("/bob");
        await Page.GetByLabel("Path of the receivers").PressAsync("Enter");
        await Expect(Page.GetByLabel("to the clients at")).ToBeCheckedAsync();
        await WhenToldAsync();
        await SendAsync(_alice, "for bob");
        Assert.Equal("for bob", await ReceiveAsync(_bob));
        await Expect(Messages.First).ToContainTextAsync("→ 1");

        await SendAsync(_bob, "of bob"); // which goes to nobody: it is the sender's
        await Expect(Messages.First).ToContainTextAsync("→ 0of bob");
    }

    [Fact]
    public async Task To_the_path_that_the_text_begins_with()
    {
        await ChooseAsync("to the path they begin with");
        await SendAsync(_alice, "/carol hello there");
        Assert.Equal("hello there", await ReceiveAsync(_carol));
        await SendAsync(_carol, "/nobody hello");
        await Expect(Messages.Filter(new() { HasText = "/nobody hello" }).Locator(".receivers")).ToHaveTextAsync("→ 0");
        await SendAsync(_carol, "no address");
        await Expect(Messages.Filter(new() { HasText = "no address" }).Locator(".receivers")).ToHaveTextAsync("");
    }

    [Fact]
    public async Task What_is_no_path_is_refused_with_the_reason()
    {
        await Page.GetByLabel("Path of the receivers").FillAsync("bob");
        await Page.GetByLabel("to the clients at").CheckAsync();
        await Expect(Page.Locator("#relay-error")).ToHaveTextAsync("A path begins with a slash: /alice.");
    }

    [Fact]
    public async Task The_card_counts_what_was_relayed_and_not_what_the_page_sent()
    {
        await Page.Locator("#send-data").FillAsync("to you all");
        await Page.Locator("#send-data").PressAsync("Control+Enter");
        await Expect(Page.Locator("#send-result")).ToHaveTextAsync("Sent to 3 clients.");
        await Expect(Messages).ToHaveCountAsync(1);
        await Expect(Page.Locator("#relayed")).ToHaveTextAsync("Nothing relayed so far.");

        await ChooseAsync("to all others");
        await SendAsync(_alice, "hello");
        await Expect(Page.Locator("#relayed")).ToHaveTextAsync("1 message relayed so far, in 2 copies.");
    }

    [Fact]
    public async Task All_pages_show_what_is_chosen()
    {
        IPage second = await OpenPageAsync(status: "Open");
        await ChooseAsync("to all others");
        await Expect(second.GetByLabel("to all others")).ToBeCheckedAsync();
    }

    private async Task ChooseAsync(string choice)
    {
        await Page.GetByLabel(choice).CheckAsync();
        await WhenToldAsync();
    }
}
