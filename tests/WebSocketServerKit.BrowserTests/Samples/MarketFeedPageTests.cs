using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;
using static Microsoft.Playwright.Assertions;

namespace WebSocketServerKit.BrowserTests.Samples;

/// <summary>The page of <c>samples/MarketFeed</c>.</summary>
public sealed class MarketFeedPageTests(Chromium chromium)
{
    [Fact]
    public async Task Both_clients_are_shown_and_how_fast_the_slow_one_reads_also_after_a_reload()
    {
        await using SamplePage market = await SamplePage.OpenAsync(chromium, "MarketFeed", "Market feed: ");
        IPage page = market.Page;
        await Expect(Pressed(page)).ToHaveTextAsync("2 kB/s");
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(40);
        await Expect(page.Locator("#rate")).Not.ToHaveTextAsync("0");
        await Expect(page.Locator("#slowRate")).Not.ToHaveTextAsync("0");
        await page.GetByText("nothing").ClickAsync();
        await Expect(Pressed(page)).ToHaveTextAsync("nothing");
        await Expect(page.Locator("#stale")).ToHaveTextAsync("40");
        await page.ReloadAsync();
        await Expect(Pressed(page)).ToHaveTextAsync("nothing");
    }

    private static ILocator Pressed(IPage page) => page.Locator("button[aria-pressed=true]");
}
