using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

/// <summary>"Forward this message to …" on a row of the log.</summary>
public sealed class ForwardTests(Chromium chromium) : DashboardTest(chromium)
{
    private ClientWebSocket _alice = null!;
    private ClientWebSocket _bob = null!;
    private ClientWebSocket _carol = null!;

    private ILocator Dialog => Page.GetByRole(AriaRole.Dialog, new() { Name = "Forward message" });

    private ILocator To => Dialog.GetByLabel("To", new() { Exact = true });

    private ILocator Forward => Dialog.GetByRole(AriaRole.Button, new() { Name = "Forward" });

    private ILocator Result => Page.Locator("#forward-result");

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await OpenServerAsync();
        _alice = await ConnectAsync("/alice");
        _bob = await ConnectAsync("/bob");
        _carol = await ConnectAsync("/carol");
    }

    [Fact]
    public async Task A_text_goes_to_a_chosen_client_whole_though_the_log_shows_its_beginning()
    {
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(i => (char)('a' + (i % 26))));
        await SendAsync(_alice, text);
        await OpenAsync(1);
        await Expect(Dialog).ToContainTextAsync("Text of 20 kB from #1 /alice, sent as it was received:");
        await To.SelectOptionAsync("#2 /bob");
        await Forward.ClickAsync();
        await Expect(Dialog).ToBeHiddenAsync();
        await Expect(Result).ToHaveTextAsync("Forwarded to client 2.");
        Assert.Equal(text, await ReceiveAsync(_bob));
        await Expect(Messages.First).ToContainTextAsync("dashboardtext20 kB→ 1forwarded from #1 /alice");
    }

    [Fact]
    public async Task Bytes_go_to_all_but_their_sender()
    {
        byte[] payload = [.. Enumerable.Range(0, 5000).Select(i => (byte)i)];
        await SendAsync(_alice, payload);
        await OpenAsync(1);
        await Expect(To.Locator("option:checked")).ToHaveTextAsync("all but #1 /alice");
        await Forward.ClickAsync();
        await Expect(Result).ToHaveTextAsync("Forwarded to 2 clients.");
        Assert.Equal(Convert.ToHexStringLower(payload), await ReceiveAsync(_bob));
        Assert.Equal(Convert.ToHexStringLower(payload), await ReceiveAsync(_carol));

        // What comes to the sender next is another message.
        await Page.Locator("#send-data").FillAsync("for all");
        await Page.Locator("#send-data").PressAsync("Control+Enter");
        Assert.Equal("for all", await ReceiveAsync(_alice));

        // And what the page itself sent goes to all.
        await OpenAsync(3);
        await Expect(To.Locator("option:checked")).ToHaveTextAsync("all clients");
        await Forward.ClickAsync();
        await Expect(Result).ToHaveTextAsync("Forwarded to 3 clients.");
    }

    [Fact]
    public async Task It_takes_no_mouse()
    {
        await SendAsync(_alice, "first");
        await Expect(Messages).ToHaveCountAsync(1);
        await SendAsync(_bob, "second");
        await Expect(Messages).ToHaveCountAsync(2);
        await SendAsync(_carol, "third");
        await Expect(Messages).ToHaveCountAsync(3);

        // One stop of the Tab key for the whole log; arrows go from row to row.
        await Page.GetByRole(AriaRole.Button, new() { Name = "Clear" }).FocusAsync();
        await Page.Keyboard.PressAsync("Tab");
        await Page.Keyboard.PressAsync("Tab");
        await Expect(Button(3)).ToBeFocusedAsync();
        await Page.Keyboard.PressAsync("End");
        await Expect(Button(1)).ToBeFocusedAsync();
        await Page.Keyboard.PressAsync("ArrowUp");
        await Expect(Button(2)).ToBeFocusedAsync();
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Dialog).ToContainTextAsync("second");
        await Expect(To).ToBeFocusedAsync();

        await Page.Keyboard.PressAsync("Escape");
        await Expect(Dialog).ToBeHiddenAsync();
        await Expect(Button(2)).ToBeFocusedAsync();
        await Page.Keyboard.PressAsync("Enter");
        await Page.Keyboard.TypeAsync("#3");
        await Expect(To.Locator("option:checked")).ToHaveTextAsync("#3 /carol");
        await Page.Keyboard.PressAsync("Tab");
        await Page.Keyboard.PressAsync("Enter");
        Assert.Equal("second", await ReceiveAsync(_carol));
        await Expect(Result).ToHaveTextAsync("Forwarded to client 3.");
        await Expect(Button(2)).ToBeFocusedAsync();
        await Page.Keyboard.PressAsync("Tab"); // out of the log again
        await Expect(Page.Locator("#send-to")).ToBeFocusedAsync();
    }

    [Fact]
    public async Task A_receiver_that_leaves_while_somebody_chooses_gets_nothing_nor_does_anybody_else()
    {
        await SendAsync(_alice, "a secret");
        await OpenAsync(1);
        await To.SelectOptionAsync("#2 /bob");
        await _bob.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Timely);
        await Expect(Dialog.GetByRole(AriaRole.Alert)).ToHaveTextAsync("#2 /bob has left.");
        await Expect(Forward).ToBeDisabledAsync();

        await To.SelectOptionAsync("#3 /carol");
        await Expect(Dialog.GetByRole(AriaRole.Alert)).ToBeHiddenAsync();
        await Forward.ClickAsync();
        Assert.Equal("a secret", await ReceiveAsync(_carol));
        await Expect(Messages).ToHaveCountAsync(2);
    }

    [Fact]
    public async Task One_that_the_list_does_not_show_is_chosen_by_its_number()
    {
        await Page.GetByLabel("Filter clients").FillAsync("/alice");
        await Expect(Rows).ToHaveCountAsync(1);
        await SendAsync(_alice, "hello");
        await OpenAsync(1);
        await To.SelectOptionAsync("another, by its number …");
        await Page.Keyboard.TypeAsync("99");
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Dialog.GetByRole(AriaRole.Alert)).ToHaveTextAsync("Client 99 is not online.");
        await Dialog.GetByLabel("Number of the receiver").FillAsync("#2"); // as the log writes it
        await Page.Keyboard.PressAsync("Enter");
        await Expect(Result).ToHaveTextAsync("Forwarded to client 2.");
        Assert.Equal("hello", await ReceiveAsync(_bob));
    }

    [Fact]
    public async Task What_is_too_much_to_be_kept_can_neither_be_forwarded_nor_read()
    {
        // The latest 16 MiB are kept: 16 messages of a million bytes, and a small one.
        for (int i = 0; i < 18; i++)
            await SendAsync(_alice, new byte[1_000_000]);
        await Expect(Messages).ToHaveCountAsync(18);
        await Expect(Button(1)).ToBeDisabledAsync();
        await Expect(Button(2)).ToBeDisabledAsync();
        await Expect(Button(3)).ToBeEnabledAsync();
        await Expect(Button(18)).ToBeEnabledAsync();

        await Messages.Last.Locator("summary").ClickAsync();
        await Expect(Messages.Last.Locator("pre")).ToContainTextAsync("00 00 …\n\nThis message is not kept any more: only the latest 300 of the log are, and 16 MiB of them at most.");
    }

    private ILocator Button(int message) => Messages.GetByRole(AriaRole.Button, new() { Name = $"Forward message {message} from" });

    private Task OpenAsync(int message) => Button(message).ClickAsync();
}
