using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;
using WebSocketServerKit.TestKit;
using static Microsoft.Playwright.Assertions;

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

    private static ILocator Text(IPage page) => page.GetByPlaceholder("Say something");

    private static async Task EnterAsync(IPage page, string name)
    {
        await page.GetByPlaceholder("Your name").FillAsync(name);
        await page.GetByText("Come in").ClickAsync();
    }

    private static async Task SayAsync(IPage page, string text)
    {
        await Text(page).FillAsync(text);
        await Text(page).PressAsync("Enter");
    }
}
