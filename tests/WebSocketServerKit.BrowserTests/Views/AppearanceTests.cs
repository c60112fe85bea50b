using System.Net.WebSockets;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class AppearanceTests(Chromium chromium) : DashboardTest(chromium)
{
    private static readonly string[] Tabs = ["Server", "Client"];

    [Fact]
    public async Task The_page_is_accessible_and_fits_from_desktop_to_phone_in_light_and_dark()
    {
        await BringToLifeAsync();
        foreach ((string window, int width, int height) in new[] { ("desktop", 1360, 1040), ("phone", 375, 812) })
        {
            await Page.SetViewportSizeAsync(width, height);
            foreach (string tab in Tabs)
            {
                await Page.GetByRole(AriaRole.Tab, new() { Name = tab }).ClickAsync();
                foreach (ColorScheme theme in new[] { ColorScheme.Light, ColorScheme.Dark })
                {
                    string where = $"{tab}-{window}-{theme}".ToLowerInvariant();
                    await Page.EmulateMediaAsync(new() { ColorScheme = theme });
                    await Screenshots.TakeAsync(Page, where, fullPage: true);
                    if (where is "server-desktop-light")
                        await Screenshots.TakeForGuideAsync(Page, "dashboard", fullPage: true);
                    if (window is "desktop" || theme == ColorScheme.Light)
                        await AssertAccessibleAsync(where);
                }
            }
        }

        foreach (int width in new[] { 320, 375, 620, 621, 820, 1000, 1001, 1360 })
        {
            await Page.SetViewportSizeAsync(width, 800);
            foreach (string tab in Tabs)
            {
                await Page.GetByRole(AriaRole.Tab, new() { Name = tab }).ClickAsync();
                await AssertFitsAsync($"{tab} at {width} pixels");
            }
        }

        await Page.SetViewportSizeAsync(1360, 440);
        await Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });
        await Screenshots.TakeForGuideAsync(Page, "dashboard-client");
    }

    [Fact]
    public async Task The_closed_server_and_the_forwarding_of_a_message_are_accessible_and_fit_too()
    {
        await AssertAccessibleAsync("closed");
        await OpenServerAsync();
        ClientWebSocket alice = await ConnectAsync("/alice");
        await SendAsync(alice, new string('x', 1000));
        await Messages.GetByRole(AriaRole.Button, new() { Name = "Forward" }).ClickAsync();
        foreach ((string window, int width, int height) in new[] { ("desktop", 1360, 900), ("phone", 320, 600) })
        {
            await Page.SetViewportSizeAsync(width, height);
            foreach (ColorScheme theme in new[] { ColorScheme.Light, ColorScheme.Dark })
            {
                string where = $"forward-{window}-{theme}".ToLowerInvariant();
                await Page.EmulateMediaAsync(new() { ColorScheme = theme });
                await Screenshots.TakeAsync(Page, where);
                await AssertAccessibleAsync(where);
            }

            await AssertFitsAsync($"forwarding at {width} pixels");
        }
    }

    [Fact]
    public async Task On_a_phone_messages_and_sending_come_first_and_turning_it_disturbs_nobody_who_types()
    {
        await Page.SetViewportSizeAsync(375, 812);
        Assert.Equal(["Server", "Messages", "Send", "Clients online", "Messages per second"], await OrderAsync());
        await Page.Locator("#send-data").FocusAsync();
        await Page.Keyboard.TypeAsync("Good ");
        await Page.SetViewportSizeAsync(812, 375);
        Assert.Equal(["Server", "Messages per second", "Clients online", "Messages", "Send"], await OrderAsync());
        await Page.Keyboard.TypeAsync("morning");
        await Expect(Page.Locator("#send-data")).ToHaveValueAsync("Good morning");
    }

    [Fact]
    public async Task The_page_opens_at_its_top_the_first_time_and_again()
    {
        await Page.SetViewportSizeAsync(375, 400);
        await Page.ReloadAsync();
        await AssertAtTopAsync();
        await Page.GetByRole(AriaRole.Tab, new() { Name = "Client" }).ClickAsync();
        await Page.ReloadAsync();
        await AssertAtTopAsync();
        await Expect(Page.GetByRole(AriaRole.Tab, new() { Name = "Client" })).ToHaveAttributeAsync("aria-selected", "true");
    }

    [Fact]
    public async Task The_page_follows_the_systems_theme_until_somebody_chooses()
    {
        await Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        await Expect(Page.Locator("body")).ToHaveCSSAsync("color", "rgb(230, 234, 240)");

        await Page.GetByRole(AriaRole.Button, new() { Name = "Light theme" }).ClickAsync();
        await Expect(Page.Locator("body")).ToHaveCSSAsync("color", "rgb(26, 34, 48)");
        await Page.ReloadAsync();
        await Expect(Page.Locator("body")).ToHaveCSSAsync("color", "rgb(26, 34, 48)");
    }

    [Fact]
    public async Task The_tabs_are_used_with_the_keyboard()
    {
        await Page.GetByRole(AriaRole.Tab, new() { Name = "Server" }).FocusAsync();
        await Page.Keyboard.PressAsync("ArrowRight");
        await Expect(Page.GetByRole(AriaRole.Tab, new() { Name = "Client" })).ToBeFocusedAsync();
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Add a client" })).ToBeVisibleAsync();

        await Page.Keyboard.PressAsync("Tab");
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Dark theme" })).ToBeFocusedAsync();
        await Page.ReloadAsync(); // it stays where it was
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Add a client" })).ToBeVisibleAsync();
    }

    private async Task BringToLifeAsync()
    {
        await OpenServerAsync();
        await Page.GetByLabel("to all others").CheckAsync();
        ClientWebSocket alice = await ConnectAsync("/alice", "Sensor/2.1 (kitchen)");
        ClientWebSocket bob = await ConnectAsync("/bob", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36");
        ClientWebSocket carol = await ConnectAsync("/carol", "gateway/0.9");
        ClientWebSocket dave = await ConnectAsync("/dave");
        foreach (ClientWebSocket client in new[] { alice, bob, carol })
            _ = ReadToEndAsync(client); // and so answer pings
        await dave.CloseAsync((WebSocketCloseStatus)4001, "low battery", Timely);

        await Page.GetByRole(AriaRole.Tab, new() { Name = "Client" }).ClickAsync();
        ILocator card = Page.Locator(".client-card").First;
        await card.GetByLabel("URL").FillAsync($"{ServedUrl}/erin");
        await card.GetByRole(AriaRole.Button, new() { Name = "Connect" }).ClickAsync();
        await card.GetByLabel("Message", new() { Exact = true }).FillAsync("Hello from the page");
        await card.GetByRole(AriaRole.Button, new() { Name = "Send" }).ClickAsync();
        await Page.GetByRole(AriaRole.Tab, new() { Name = "Server" }).ClickAsync();

        // A few seconds of talk for the charts: as much as the page has asked the clients to say.
        for (int second = 0; second < 5; second++)
        {
            for (int i = 0; i < 5 + (second * 7 % 12); i++)
                await SendAsync(i % 3 == 0 ? bob : alice, $$"""{"room":"{{(i % 3 == 0 ? "hall" : "kitchen")}}","celsius":{{20 + (i % 7)}}.{{second}},"humidity":{{40 + (i % 13)}}}""");
            // The next second of the charts.
            string points = await Page.Locator("#charts .stroke").First.GetAttributeAsync("d") ?? "";
            await Expect(Page.Locator("#charts .stroke").First).Not.ToHaveAttributeAsync("d", points);
        }

        // Carol has been silent so long that she was pinged.
        await Expect(Rows.Filter(new() { HasText = "/carol" }).Locator("[data-label=Latency]")).ToContainTextAsync("s");
        await SendAsync(alice, $"Log of the night:\n{string.Join('\n', Enumerable.Range(0, 100).Select(minute => $"{minute:00} min: all well"))}");
        await SendAsync(bob, [0xde, 0xad, 0xbe, 0xef, 0, 1, 2, 3]);
        await SendAsync(carol, "All well here.");
        await Expect(Messages.Filter(new() { HasText = "All well here." })).ToHaveCountAsync(1);
        await Expect(Messages.Filter(new() { HasText = "de ad be ef" })).ToHaveCountAsync(1);
        await Page.Locator("#send-data").FillAsync("Good morning, everybody");
        await Page.Locator("#send-form").GetByRole(AriaRole.Button, new() { Name = "Send" }).ClickAsync();
        await Expect(Page.Locator("#send-result")).ToHaveTextAsync("Sent to 4 clients.");
        await Expect(Messages.Filter(new() { HasText = "Good morning" })).ToHaveCountAsync(1);
    }

    private static async Task ReadToEndAsync(ClientWebSocket client)
    {
        byte[] buffer = new byte[4096];
        while ((await client.ReceiveAsync(buffer.AsMemory(), CancellationToken.None)).MessageType != WebSocketMessageType.Close)
        {
            // What comes is for the log of the page alone.
        }
    }

    // From top to bottom, which is also the order of the page's elements and so that of the Tab key.
    private async Task<string[]> OrderAsync()
    {
        ILocator titles = Page.Locator("#endpoint-title, #messages-title, #send-title, #clients-title, .chart:first-child figcaption");
        List<(string Title, double Top)> places = [];
        foreach (ILocator title in await titles.AllAsync())
            places.Add((await title.TextContentAsync() ?? "", (await title.BoundingBoxAsync())!.Y));
        Assert.Equal(places.OrderBy(place => place.Top), places);
        return [.. places.Select(place => place.Title)];
    }

    private async Task AssertFitsAsync(string where)
    {
        int beyond = await Page.EvaluateAsync<int>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        Assert.True(beyond <= 0, $"{where}: the page is {beyond} pixels too wide.");
    }

    private async Task AssertAtTopAsync() =>
        Assert.Equal(0, await Page.EvaluateAsync<int>("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(scrollY))))"));

    private async Task AssertAccessibleAsync(string where)
    {
        AxeResult result = await Page.RunAxe();
        Assert.NotEmpty(result.Passes); // it has looked
        Assert.Empty(result.Violations.Where(violation => violation.Impact is "serious" or "critical").SelectMany(
            violation => violation.Nodes, (violation, node) => $"{where}: {violation.Id}: {violation.Help}: {node.Html}"));
    }
}
