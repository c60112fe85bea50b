using System.Globalization;
using System.Net.WebSockets;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed partial class ClientListTests(Chromium chromium) : DashboardTest(chromium)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await OpenServerAsync();
    }

    [Fact]
    public async Task A_client_is_listed_with_what_is_known_of_it()
    {
        ClientWebSocket alice = await ConnectAsync("/alice?room=7", "Sensor/2.1");
        Task<string> received = ReceiveAsync(alice); // reads, and so answers pings
        await SendAsync(alice, "hello");
        await SendAsync(alice, new byte[1000]);

        ILocator row = Rows.Filter(new() { HasText = "/alice" });
        await Expect(Cell(row, "Client")).ToHaveTextAsync("#1 /alice?room=7");
        await Expect(Cell(row, "Address")).ToHaveTextAsync(Address());
        await Expect(Cell(row, "User agent")).ToHaveTextAsync("Sensor/2.1");
        await Expect(Cell(row, "Online")).ToHaveTextAsync(Duration());
        await Expect(Cell(row, "In")).ToHaveTextAsync("2 1.0 kB");
        await Expect(Cell(row, "Out")).ToHaveTextAsync("0 0 B");
        await Expect(Cell(row, "Waiting")).ToHaveTextAsync("–");
        await Expect(Page.Locator("#client-count")).ToHaveTextAsync("1");
        // It is silent now, so it is pinged.
        await Expect(Cell(row, "Latency")).ToHaveTextAsync(Latency());

        await Page.Locator("#send-data").FillAsync("grüße");
        await Page.Locator("#send-data").PressAsync("Control+Enter");
        Assert.Equal("grüße", await received);
        await Expect(Cell(row, "Out")).ToHaveTextAsync("1 7 B");
    }

    [Fact]
    public async Task One_that_leaves_is_listed_no_more_and_the_log_tells_how()
    {
        ClientWebSocket alice = await ConnectAsync("/alice");
        await ConnectAsync("/bob");
        await alice.CloseAsync((WebSocketCloseStatus)4001, "low battery", Timely);

        await Expect(Rows).ToHaveCountAsync(1);
        await Expect(Rows.First).ToContainTextAsync("/bob");
        await Expect(Passages).ToHaveCountAsync(3);
        await Expect(Passages.First).ToContainTextAsync("#1 /alice4001closed by the client: “low battery”");
    }

    [Fact]
    public async Task A_click_disconnects_one()
    {
        ClientWebSocket alice = await ConnectAsync("/alice");
        await ConnectAsync("/bob");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Disconnect client 1" }).ClickAsync();

        Assert.Equal("closed: 1000 disconnected by the server", await ReceiveAsync(alice));
        await alice.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Timely);
        await Expect(Rows).ToHaveCountAsync(1);
        await Expect(Passages.First).ToContainTextAsync("closed by the server");
    }

    [Fact]
    public async Task One_that_does_not_read_shows_what_waits_for_it()
    {
        await ConnectAsync("/deaf");
        ClientWebSocket talker = await ConnectAsync("/talker");
        await Page.GetByLabel("to all others").CheckAsync();
        // More than the two systems' buffers take, and than the send queue holds.
        for (int i = 0; i < 24; i++)
            await SendAsync(talker, new byte[1_000_000]);

        await Expect(Cell(Rows.Filter(new() { HasText = "/deaf" }), "Waiting")).ToHaveTextAsync(Bytes());
        await Expect(Page.Locator("#relayed")).ToContainTextAsync("dropped: their receivers read too slowly");
    }

    [Fact]
    public async Task Two_hundred_are_listed_and_all_are_counted()
    {
        List<ClientWebSocket> crowd = [];
        try
        {
            for (int i = 0; i < 210; i++)
            {
                crowd.Add(new ClientWebSocket());
                await crowd[i].ConnectAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"{ServedUrl}/{i}")), Timely);
            }

            await Expect(Rows).ToHaveCountAsync(200);
            await Expect(Page.Locator("#client-count")).ToHaveTextAsync("210");
            await Expect(Page.Locator("#more-clients")).ToHaveTextAsync("The first 200 of 210 are listed.");
        }
        finally
        {
            crowd.ForEach(client => client.Dispose());
        }

        await Expect(Page.Locator("#client-count")).ToHaveTextAsync("0");
        await Expect(Page.Locator("#no-clients")).ToContainTextAsync("Nobody yet.");
    }

    private static ILocator Cell(ILocator row, string column) => row.Locator($"[data-label='{column}']");

    [GeneratedRegex(@"^127\.0\.0\.1:\d+$", RegexOptions.None, 1000)]
    private static partial Regex Address();

    [GeneratedRegex(@"^\d+:\d\d$", RegexOptions.None, 1000)]
    private static partial Regex Duration();

    [GeneratedRegex(@"^[\d.]+ [kM]B$", RegexOptions.None, 1000)]
    private static partial Regex Bytes();

    [GeneratedRegex(@"^[\d.]+ [µm]s$", RegexOptions.None, 1000)]
    private static partial Regex Latency();
}
