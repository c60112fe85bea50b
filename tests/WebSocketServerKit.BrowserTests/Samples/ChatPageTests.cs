using System.Threading.Channels;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;
using WebSocketServerKit.TestKit;
using static Microsoft.Playwright.Assertions;
using static WebSocketServerKit.BrowserTests.Samples.ChatPage;

namespace WebSocketServerKit.BrowserTests.Samples;

/// <summary>The page of <c>samples/Chat</c>.</summary>
public sealed class ChatPageTests(Chromium chromium)
{
    [Fact]
    public async Task Who_has_no_name_can_say_nothing_and_who_has_one_is_asked_for_it_no_more()
    {
        await using SamplePage chat = await SamplePage.OpenAsync(chromium, "Chat", "Chat: ");
        IPage page = chat.Page;
        await Expect(page.GetByText("Send")).ToBeHiddenAsync();
        await EnterAsync(page, "   ");
        await Expect(page.GetByText("Come in")).ToBeVisibleAsync();
        await EnterAsync(page, " Ann ");
        await Expect(page.GetByText("Come in")).ToBeHiddenAsync();
        await Expect(page.GetByLabel("Present")).ToHaveTextAsync("Ann");
        await SayAsync(page, "<b>hello</b>");
        await Expect(page.GetByLabel("Messages")).ToContainTextAsync("Ann: <b>hello</b>");
        await Expect(Text(page)).ToHaveValueAsync("");
    }

    [Fact]
    public async Task What_is_said_while_the_chat_is_away_stays_where_it_was_typed()
    {
        await using SamplePage chat = await SamplePage.OpenAsync(chromium, "Chat", "Chat: ");
        IPage page = chat.Page;
        await EnterAsync(page, "Ann");
        await Expect(page.GetByLabel("Present")).ToHaveTextAsync("Ann");
        await chat.EndAsync();
        await Expect(page.GetByLabel("Messages")).ToContainTextAsync("disconnected");
        await SayAsync(page, "are you there?");
        await Expect(Text(page)).ToHaveValueAsync("are you there?");
    }

    [Fact]
    public async Task What_is_said_before_the_page_is_in_a_room_stays_where_it_was_typed()
    {
        await using SamplePage chat = await SamplePage.OpenAsync(chromium, "Chat", "Chat: ");
        IPage page = chat.Page;
        Channel<(IWebSocketRoute Client, IWebSocketFrame Frame)> held = Channel.CreateUnbounded<(IWebSocketRoute, IWebSocketFrame)>();
        await page.RouteWebSocketAsync(url => url.Contains("/chat", StringComparison.Ordinal), client => client.ConnectToServer().OnMessage(frame => held.Writer.TryWrite((client, frame))));
        await page.ReloadAsync();
        await EnterAsync(page, "Ann");
        (IWebSocketRoute first, IWebSocketFrame rooms) = await held.Reader.ReadAsync(TestContext.Current.CancellationToken);
        await page.WaitForFunctionAsync("isOpen()");
        await Expect(Text(page)).ToBeHiddenAsync();
        first.Send(rooms.Text!);
        await Expect(Text(page)).ToBeVisibleAsync();

        await first.CloseAsync();
        await Expect(page.GetByLabel("Messages")).ToContainTextAsync("disconnected");
        await page.WaitForFunctionAsync("isOpen()");
        await SayAsync(page, "are you there?");
        await Expect(Text(page)).ToHaveValueAsync("are you there?");
        await foreach ((IWebSocketRoute client, IWebSocketFrame frame) in held.Reader.ReadAllAsync(TestContext.Current.CancellationToken))
        {
            if (client == first)
                continue;
            client.Send(frame.Text!);
            if (frame.Text!.Contains("are you there?", StringComparison.Ordinal))
                break;
            if (await Text(page).InputValueAsync() != "")
                await Text(page).PressAsync("Enter");
        }

        await Expect(Said(page)).ToContainTextAsync(["Ann: are you there?"]);
    }

    [Fact]
    public async Task With_Redis_a_page_whose_server_was_away_loses_nothing_and_shows_nothing_twice()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        string[] options = ["--redis", redis.Configuration];
        await using SamplePage ann = await SamplePage.OpenAsync(chromium, "Chat", "Chat: ", options), bob = await SamplePage.OpenAsync(chromium, "Chat", "Chat: ", options);
        await EnterAsync(ann.Page, "Ann");
        await EnterAsync(bob.Page, "Bob");
        await SayAsync(ann.Page, "one");
        await Expect(Said(bob.Page)).ToContainTextAsync(["Ann: one"]);
        await SayAsync(bob.Page, "two");
        await Expect(Said(ann.Page)).ToContainTextAsync(["Ann: one", "Bob: two"]);
        await ann.EndAsync();
        await Expect(ann.Page.GetByLabel("Messages")).ToContainTextAsync("disconnected");
        await SayAsync(bob.Page, "three");
        await SayAsync(bob.Page, "four");
        await Expect(Said(bob.Page)).ToHaveCountAsync(4);
        await ann.RestartAsync("Chat", "Chat: ", options);
        await Expect(Said(ann.Page)).ToHaveCountAsync(4);
        await Expect(ann.Page.GetByLabel("Messages")).ToContainTextAsync("disconnected"); // what was shown stays
        await SayAsync(bob.Page, "five");
        await Expect(Said(ann.Page)).ToContainTextAsync(["Ann: one", "Bob: two", "Bob: three", "Bob: four", "Bob: five"]);
        await SayAsync(ann.Page, "six");
        await Expect(Said(bob.Page)).ToHaveCountAsync(6);
    }

    // What was said, without notes. The time stands behind it.
    private static ILocator Said(IPage page) => page.GetByLabel("Messages").Locator("li:not(.note)");
}
