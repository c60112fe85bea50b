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
        await WhenToldAsync();
        // More than the two systems' buffers take, and than the send queue holds.
        for (int i = 0; i < 24; i++)
            await SendAsync(talker, new byte[1_000_000]);

        await Expect(Cell(Rows.Filter(new() { HasText = "/deaf" }), "Waiting")).ToHaveTextAsync(Bytes());
        await Expect(Page.Locator("#relayed")).ToContainTextAsync("dropped: their receivers read too slowly");
    }

    [Fact]
    public async Task Fifty_are_shown_at_a_time_and_all_are_counted()
    {
        IReadOnlyList<ClientWebSocket> crowd = await ConnectCrowdAsync(120);
        await Expect(Page.Locator("#client-count")).ToHaveTextAsync("120");
        await Expect(Rows).ToHaveCountAsync(50);
        await Expect(Page.Locator("#client-range")).ToHaveTextAsync("1 to 50 of 120");
        await Expect(Previous).ToBeDisabledAsync();

        await Next.ClickAsync();
        await Expect(Page.Locator("#client-range")).ToHaveTextAsync("51 to 100 of 120");
        await Expect(Rows.First).ToContainTextAsync("#51 /crowd/51");
        await Next.ClickAsync();
        await Expect(Page.Locator("#client-range")).ToHaveTextAsync("101 to 120 of 120");
        await Expect(Rows).ToHaveCountAsync(20);
        await Expect(Next).ToBeDisabledAsync();

        // When there are fewer, the last sheet is shown.
        foreach (ClientWebSocket client in crowd.Skip(60))
            client.Abort();
        await Expect(Page.Locator("#client-range")).ToHaveTextAsync("51 to 60 of 60");
        await Expect(Rows).ToHaveCountAsync(10);
        await Previous.ClickAsync();
        await Expect(Page.Locator("#client-range")).ToHaveTextAsync("1 to 50 of 60");

        foreach (ClientWebSocket client in crowd)
            client.Abort();
        await Expect(Page.Locator("#client-count")).ToHaveTextAsync("0");
        await Expect(Page.Locator("#no-clients")).ToContainTextAsync("Nobody yet.");
    }

    [Fact]
    public async Task The_list_is_searched_by_number_path_address_and_user_agent()
    {
        await ConnectAsync("/kitchen", "Sensor/2.1");
        await ConnectAsync("/hall?floor=2", "Sensor/2.2");
        await ConnectAsync("/cellar", "gateway/0.9");
        foreach ((string words, string[] found) in new (string, string[])[]
        {
            ("sensor", ["#1", "#2"]), ("#3", ["#3"]), ("FLOOR=2", ["#2"]), ("127.0.0.1", ["#1", "#2", "#3"]), ("attic", []),
        })
        {
            await Page.GetByLabel("Filter clients").FillAsync(words);
            await Expect(Rows.Locator(".id")).ToHaveTextAsync(found);
        }

        await Expect(Page.Locator("#no-clients")).ToHaveTextAsync("No client has that in its number, path, address or user agent.");
        await Expect(Page.Locator("#client-count")).ToHaveTextAsync("3");
    }

    [Fact]
    public async Task The_sheet_and_the_search_outlive_a_lost_connection_of_the_page()
    {
        List<IWebSocketRoute> connections = [];
        await Page.RouteWebSocketAsync("**/control", connection =>
        {
            connections.Add(connection);
            connection.ConnectToServer();
        });
        await Page.ReloadAsync();
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Open");
        await ConnectAsync("/kitchen");
        await ConnectAsync("/hall");
        await Page.GetByLabel("Filter clients").FillAsync("/hall");
        await Expect(Rows).ToHaveCountAsync(1);

        await connections[0].CloseAsync();
        await Expect(Page.Locator("#link")).ToHaveTextAsync("Connection to the dashboard lost, trying again …");
        await Expect(Page.Locator("#link")).ToHaveTextAsync("");
        await Expect(Rows.Locator(".id")).ToHaveTextAsync((string[])["#2"]);
    }

    [Fact]
    public async Task The_path_has_the_widest_column_and_a_very_long_one_breaks_nothing()
    {
        ClientWebSocket client = await ConnectAsync($"/{new string('p', 3500)}", new string('x', 3500), listedAs: "/ppp");
        await SendAsync(client, "hello");
        await Expect(Messages).ToHaveCountAsync(1);
        await Page.Locator("#send-to").SelectOptionAsync("1");
        await Expect(Cell(Rows, "User agent").Locator("span")).ToHaveTextAsync(new string('x', 99) + "…");
        foreach (int width in new[] { 320, 700, 1101, 1241, 1360 })
        {
            await Page.SetViewportSizeAsync(width, 900);
            Assert.True(await Page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth") <= 0, $"At {width} pixels the page is too wide.");
        }

        foreach (string other in new[] { "Address", "User agent", "In", "Out" })
            Assert.True(await WidthAsync("Client") > 1.5 * await WidthAsync(other), other);
    }

    private ILocator Next => Page.GetByRole(AriaRole.Button, new() { Name = "Next clients" });

    private ILocator Previous => Page.GetByRole(AriaRole.Button, new() { Name = "Previous clients" });

    private async Task<double> WidthAsync(string column) => (await Cell(Rows, column).BoundingBoxAsync())!.Width;

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
