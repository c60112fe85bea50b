using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;
using static Microsoft.Playwright.Assertions;
using static WebSocketServerKit.BrowserTests.Samples.ChatPage;

namespace WebSocketServerKit.BrowserTests.Samples;

/// <summary>The walk through the samples in docs/samples.md, with its pictures. Those of the dashboard are taken where its appearance is tested.</summary>
public sealed class WalkthroughTests(Chromium chromium)
{
    [Fact]
    public async Task Two_people_talk_in_a_room_of_the_chat()
    {
        await using SamplePage chat = await SamplePage.OpenAsync(chromium, "Chat", "Chat: ");
        IPage ann = chat.Page, bob = await chat.OpenAnotherAsync();
        await bob.SetViewportSizeAsync(900, 400);
        await EnterAsync(ann, "Ann");
        await EnterAsync(bob, "Bob");
        await Expect(ann.GetByLabel("Present")).ToContainTextAsync("Bob");
        await SayAsync(ann, "Good morning! Is the server in the hall up again?");
        await Expect(bob.GetByLabel("Messages")).ToContainTextAsync("Good morning!");
        await SayAsync(bob, "Since ten minutes ago. All doors have reconnected.");
        await Expect(ann.GetByLabel("Messages")).ToContainTextAsync("All doors");
        await SayAsync(ann, "Great, thank you.");
        await Expect(bob.GetByLabel("Messages")).ToContainTextAsync("Great, thank you.");
        await Screenshots.TakeForGuideAsync(bob, "chat");
        await chat.EndAsync();
        await Expect(bob.GetByLabel("Messages")).ToContainTextAsync("disconnected");
        await Screenshots.TakeForGuideAsync(bob, "chat-away");
    }

    [Fact]
    public async Task A_slow_client_of_the_market_feed_is_behind_and_catches_up()
    {
        await using SamplePage market = await SamplePage.OpenAsync(chromium, "MarketFeed", "Market feed: ");
        IPage page = market.Page;
        await page.SetViewportSizeAsync(900, 600);
        await page.GetByText("nothing").ClickAsync();
        await Expect(page.Locator("#stale")).ToHaveTextAsync("40");
        await Screenshots.TakeForGuideAsync(page, "market-feed-behind");
        await page.GetByText("1 MB/s").ClickAsync();
        await page.WaitForFunctionAsync("$('#stale').value === '0'"); // looked at for each frame: it is so for moments
        await Screenshots.TakeForGuideAsync(page, "market-feed");
    }
}
