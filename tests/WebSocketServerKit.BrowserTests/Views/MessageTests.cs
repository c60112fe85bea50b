using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class MessageTests(Chromium chromium) : DashboardTest(chromium)
{
    private ClientWebSocket _alice = null!;
    private ClientWebSocket _bob = null!;

    private ILocator SendResult => Page.Locator("#send-result");

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await OpenServerAsync();
        _alice = await ConnectAsync("/alice");
        _bob = await ConnectAsync("/bob");
    }

    [Fact]
    public async Task Messages_are_logged_with_sender_type_size_and_text_the_newest_on_top()
    {
        await SendAsync(_alice, "grüße");
        await Expect(Messages).ToHaveCountAsync(1);
        await SendAsync(_bob, [0xde, 0xad, 0x00]);
        await Expect(Messages).ToHaveCountAsync(2);
        await Expect(Messages.Nth(0)).ToContainTextAsync("#2 /bobbin3 Bde ad 00");
        await Expect(Messages.Nth(1)).ToContainTextAsync("#1 /alicetext7 Bgrüße");
        await Expect(Page.Locator("#message-count")).ToHaveTextAsync("2");
    }

    [Fact]
    public async Task Text_is_shown_as_text_whatever_it_is()
    {
        const string Markup = "<img src=x onerror=alert(1)><script>alert(2)</script>";
        await SendAsync(_alice, Markup);
        await Expect(Messages.Locator(".data")).ToHaveTextAsync(Markup);

        await _alice.CloseAsync((WebSocketCloseStatus)4000, Markup, Timely);
        await Expect(Passages.First).ToContainTextAsync(Markup);
        ClientWebSocket guest = await ConnectAsync("/%3Cb%3Ebold", "<i>agent</i>", listedAs: "/<b>bold");
        await Expect(Rows.Last).ToContainTextAsync("<i>agent</i>");
        await SendAsync(guest, "!");
        await Expect(Messages.First.Locator(".sender")).ToHaveTextAsync("#3 /<b>bold");
        await Expect(Page.Locator("#server :is(img, script, b, i)")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_long_message_is_folded_and_unfolds_by_keyboard()
    {
        string text = $"first line\n{new string('x', 3000)}";
        await SendAsync(_alice, text);
        await Expect(Messages.Locator("summary")).ToHaveTextAsync("first line …");
        await Expect(Messages.Locator("pre")).ToBeHiddenAsync();

        await Messages.Locator("summary").PressAsync("Enter");
        await Expect(Messages.Locator("pre")).ToHaveTextAsync(text);

        await SendAsync(_bob, "short\nlines");
        await Messages.First.Locator("summary").ClickAsync();
        await Expect(Messages.First.Locator("pre")).ToHaveTextAsync("short\nlines");
    }

    [Fact]
    public async Task A_long_message_is_read_whole_when_it_is_unfolded()
    {
        await SendAsync(_bob, new string('y', 10_000)); // of which a report has the beginning
        await Messages.Locator("summary").ClickAsync();
        await Expect(Messages.Locator("pre")).ToHaveTextAsync(new string('y', 10_000));
        await Expect(Messages).ToContainTextAsync("10 kB");

        await SendAsync(_bob, Enumerable.Repeat((byte)0xab, 1000).ToArray());
        await Expect(Messages).ToHaveCountAsync(2);
        await Messages.First.Locator("summary").ClickAsync();
        await Expect(Messages.First.Locator("pre")).ToHaveTextAsync(string.Join(' ', Enumerable.Repeat("ab", 1000)));

        await SendAsync(_bob, new string('z', 100_000)); // of which a page reads 64 KiB
        await Expect(Messages).ToHaveCountAsync(3);
        await Messages.First.Locator("summary").ClickAsync();
        await Expect(Messages.First.Locator("pre")).ToHaveTextAsync(new string('z', 65_536) + " …");
    }

    [Fact]
    public async Task The_log_is_filtered_by_words_and_by_type()
    {
        await SendAsync(_alice, "red apple");
        await SendAsync(_bob, "green apple");
        await SendAsync(_bob, [1, 2]);
        await Expect(Messages).ToHaveCountAsync(3);

        await Page.GetByLabel("Filter messages").FillAsync("GREEN");
        await Expect(Visible).ToHaveTextAsync((string[])["green apple"]);
        await SendAsync(_alice, "green pear");
        await SendAsync(_alice, "red pear");
        await Expect(Messages).ToHaveCountAsync(5);
        await Expect(Visible).ToHaveTextAsync((string[])["green pear", "green apple"]);

        await Page.GetByLabel("Filter messages").FillAsync("/bob");
        await Page.GetByLabel("Type").First.SelectOptionAsync("binary");
        await Expect(Visible).ToHaveTextAsync((string[])["01 02"]);
    }

    [Fact]
    public async Task Paused_the_log_stands_still_and_catches_up_later()
    {
        await SendAsync(_alice, "before");
        await Expect(Messages).ToHaveCountAsync(1);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        await SendAsync(_alice, "meanwhile");
        ILocator resume = Page.GetByRole(AriaRole.Button, new() { Name = "Resume (1)" });
        await Expect(resume).ToBeVisibleAsync();
        await Expect(Messages).ToHaveCountAsync(1);
        await Expect(Page.Locator("#message-count")).ToHaveTextAsync("2");

        await resume.ClickAsync();
        await Expect(Messages.First).ToContainTextAsync("meanwhile");

        await Page.GetByRole(AriaRole.Button, new() { Name = "Clear" }).ClickAsync();
        await Expect(Messages).ToHaveCountAsync(0);
        await SendAsync(_alice, "after");
        await Expect(Messages).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task A_page_that_comes_later_has_the_log_too()
    {
        await SendAsync(_alice, "hello");
        await Expect(Messages).ToHaveCountAsync(1);
        await Page.ReloadAsync();
        await Expect(Messages).ToHaveCountAsync(1);
        await Expect(Passages).ToHaveCountAsync(2);
        await SendAsync(_alice, "again");
        await Expect(Messages).ToHaveCountAsync(2);
    }

    [Fact]
    public async Task A_text_goes_to_all()
    {
        await Page.Locator("#send-data").FillAsync("to you all");
        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("Sent to 2 clients.");
        Assert.Equal("to you all", await ReceiveAsync(_alice));
        Assert.Equal("to you all", await ReceiveAsync(_bob));
        await Expect(Messages.First).ToContainTextAsync("dashboardtext10 B→ 2to you all");
    }

    [Fact]
    public async Task Bytes_go_to_one()
    {
        await Page.GetByRole(AriaRole.Button, new() { Name = "Message to client 2" }).ClickAsync();
        await Expect(Page.Locator("#send-data")).ToBeFocusedAsync();
        await Page.Locator("#send-type").SelectOptionAsync("hex");
        await Page.Keyboard.TypeAsync("CA fe 01");
        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("Sent to client 2.");
        Assert.Equal("cafe01", await ReceiveAsync(_bob));

        await Page.Locator("#send-data").FillAsync("not hex");
        await ClickSendAsync();
        await Expect(SendResult).ToContainTextAsync("two digits a byte");
    }

    [Fact]
    public async Task What_was_told_of_one_message_is_not_said_of_the_next()
    {
        await Page.Locator("#send-data").FillAsync("hello");
        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("Sent to 2 clients.");
        await Page.Locator("#send-to").SelectOptionAsync("1");
        await Expect(SendResult).ToHaveTextAsync("");

        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("Sent to client 1.");
        await Page.Locator("#send-data").FillAsync("hello again");
        await Expect(SendResult).ToHaveTextAsync("");

        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("Sent to client 1.");
        await Page.Locator("#send-type").SelectOptionAsync("hex");
        await Expect(SendResult).ToHaveTextAsync("");
    }

    [Fact]
    public async Task One_that_has_left_is_not_chosen_any_more_and_what_was_meant_for_it_goes_to_nobody()
    {
        await Page.Locator("#send-to").SelectOptionAsync("1");
        await Page.Locator("#send-data").FillAsync("a secret");
        await _alice.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Timely);
        await Expect(SendResult).ToHaveTextAsync("#1 /alice has left.");
        await Expect(Page.Locator("#send-to option:checked")).ToHaveTextAsync("choose a client");
        await Expect(SendButton).ToBeDisabledAsync();
        await Page.Locator("#send-data").PressAsync("Control+Enter"); // which sends nothing

        await Page.Locator("#send-to").SelectOptionAsync("");
        await Page.Locator("#send-data").FillAsync("for all");
        await ClickSendAsync();
        Assert.Equal("for all", await ReceiveAsync(_bob));
        await Expect(Messages).ToHaveCountAsync(1);
        await Expect(Page.Locator("#send-to option:not([hidden])")).ToHaveTextAsync((string[])["all clients", "#2 /bob"]);
    }

    [Fact]
    public async Task One_that_has_left_is_not_chosen_any_more_though_the_list_does_not_show_it()
    {
        await Page.Locator("#send-to").SelectOptionAsync("1");
        await Page.GetByLabel("Filter clients").FillAsync("/bob");
        await Expect(Rows).ToHaveCountAsync(1);
        await Expect(Page.Locator("#send-to option:checked")).ToHaveTextAsync("#1 /alice");
        await _alice.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Timely);
        await Expect(SendResult).ToHaveTextAsync("#1 /alice has left.");
        await Expect(SendButton).ToBeDisabledAsync();
    }

    [Fact]
    public async Task One_that_the_list_does_not_show_is_chosen_by_its_number()
    {
        await Page.GetByLabel("Filter clients").FillAsync("/bob");
        await Expect(Rows).ToHaveCountAsync(1);
        await Page.Locator("#send-to").SelectOptionAsync("number");
        await Expect(Page.GetByLabel("Number of the client")).ToBeFocusedAsync();
        await Expect(SendButton).ToBeDisabledAsync();
        await Page.Keyboard.TypeAsync("1");
        await Page.Locator("#send-data").FillAsync("for you");
        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("Sent to client 1.");
        Assert.Equal("for you", await ReceiveAsync(_alice));

        await Page.GetByLabel("Number of the client").FillAsync("77");
        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("Client 77 is not online.");
    }

    [Fact]
    public async Task A_message_to_nobody_is_refused()
    {
        foreach (ClientWebSocket client in new[] { _alice, _bob })
            await client.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Timely);
        await Expect(Rows).ToHaveCountAsync(0);
        await Page.Locator("#send-data").FillAsync("hello?");
        await ClickSendAsync();
        await Expect(SendResult).ToHaveTextAsync("No client is online.");
    }

    private ILocator SendButton => Page.Locator("#send-form").GetByRole(AriaRole.Button, new() { Name = "Send" });

    private ILocator Visible => Page.Locator("#messages li:not([hidden]) .data");

    private Task ClickSendAsync() => SendButton.ClickAsync();
}
