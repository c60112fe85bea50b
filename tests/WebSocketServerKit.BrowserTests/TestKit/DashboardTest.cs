using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using Dashboard.Control;
using Microsoft.Playwright;

namespace WebSocketServerKit.BrowserTests.TestKit;

/// <summary>A dashboard on a port of its own, and a browser that shows it. Whatever the browser complains about fails the test.</summary>
public abstract class DashboardTest(Chromium chromium) : IAsyncLifetime
{
    private readonly List<string> _complaints = [];
    private readonly List<ClientWebSocket> _clients = [];
    private readonly ControlServer _dashboard = new(new IPEndPoint(IPAddress.Loopback, 0));
    private IBrowserContext? _context;

    /// <summary>A new token that is cancelled after 30 s: what would hang fails.</summary>
    protected static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    protected IPage Page { get; private set; } = null!;

    protected IPEndPoint DashboardEndPoint => _dashboard.EndPoint;

    protected string DashboardUrl => $"http://{DashboardEndPoint}";

    /// <summary>Where the dashboard's server listens.</summary>
    protected string ServedUrl { get; private set; } = "";

    protected ILocator Rows => Page.Locator("#clients tbody tr");

    protected ILocator Messages => Page.Locator("#messages li");

    protected ILocator Passages => Page.Locator("#passages li");

    /// <summary>The window's size and the like.</summary>
    protected virtual BrowserNewContextOptions Window => new() { ViewportSize = new() { Width = 1360, Height = 900 } };

    public virtual async ValueTask InitializeAsync()
    {
        await _dashboard.StartAsync();
        _context = await chromium.NewContextAsync(Window);
        Page = await OpenPageAsync();
    }

    public virtual async ValueTask DisposeAsync()
    {
        foreach (ClientWebSocket client in _clients)
            client.Dispose();
        if (_context is not null)
            await _context.DisposeAsync();
        await _dashboard.DisposeAsync();
        Assert.Empty(_complaints);
        GC.SuppressFinalize(this);
    }

    protected static ILocatorAssertions Expect(ILocator locator) => Assertions.Expect(locator);

    protected async Task<IPage> OpenPageAsync(string status = "Closed")
    {
        IPage page = await _context!.NewPageAsync();
        page.PageError += (_, error) => _complaints.Add(error);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning" && !IsExpected(message.Text))
                _complaints.Add(message.Text);
        };
        await page.GotoAsync(DashboardUrl);
        await Expect(page.Locator("#state")).ToHaveTextAsync(status);
        return page;
    }

    /// <summary>What the browser says of things that a test does on purpose.</summary>
    protected virtual bool IsExpected(string complaint) => false;

    protected ValueTask EndDashboardAsync() => _dashboard.DisposeAsync();

    protected async Task OpenServerAsync()
    {
        await Page.GetByLabel("Port").FillAsync("0");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Open", Exact = true }).ClickAsync();
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Open");
        ServedUrl = await Page.Locator("#url").InnerTextAsync();
    }

    protected async Task<ClientWebSocket> ConnectAsync(string path, string userAgent = "tests", string? listedAs = null, Action<ClientWebSocketOptions>? configure = null)
    {
        ClientWebSocket client = new();
        _clients.Add(client);
        client.Options.SetRequestHeader("User-Agent", userAgent);
        configure?.Invoke(client.Options);
        await client.ConnectAsync(new Uri(ServedUrl + path), Timely);
        await Expect(Rows.Filter(new() { HasText = listedAs ?? path })).ToHaveCountAsync(1); // the next one has the next id
        return client;
    }

    /// <summary>Many clients, one after the other, so that their numbers are in their order; the page is not waited for.</summary>
    protected async Task<IReadOnlyList<ClientWebSocket>> ConnectCrowdAsync(int count)
    {
        List<ClientWebSocket> crowd = [];
        for (int i = 1; i <= count; i++)
        {
            ClientWebSocket client = new();
            _clients.Add(client);
            crowd.Add(client);
            await client.ConnectAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"{ServedUrl}/crowd/{i}")), Timely);
        }

        return crowd;
    }

    protected static ValueTask SendAsync(ClientWebSocket client, string text) =>
        client.SendAsync(System.Text.Encoding.UTF8.GetBytes(text).AsMemory(), WebSocketMessageType.Text, endOfMessage: true, Timely);

    protected static ValueTask SendAsync(ClientWebSocket client, byte[] payload) =>
        client.SendAsync(payload.AsMemory(), WebSocketMessageType.Binary, endOfMessage: true, Timely);

    /// <summary>The next message: text as it is, binary as hex.</summary>
    protected static async Task<string> ReceiveAsync(ClientWebSocket client)
    {
        byte[] buffer = new byte[128 * 1024]; // larger than any message of these tests
        ValueWebSocketReceiveResult result = await client.ReceiveAsync(buffer.AsMemory(), Timely);
        Assert.True(result.EndOfMessage);
        ReadOnlySpan<byte> payload = buffer.AsSpan(0, result.Count);
        return result.MessageType switch
        {
            WebSocketMessageType.Text => System.Text.Encoding.UTF8.GetString(payload),
            WebSocketMessageType.Binary => Convert.ToHexStringLower(payload),
            _ => $"closed: {(int?)client.CloseStatus} {client.CloseStatusDescription}",
        };
    }

    /// <summary>The page's commands are carried out in their order: when this one has its answer, what was chosen before it counts.</summary>
    protected async Task WhenToldAsync()
    {
        await Page.Locator("#send-type").SelectOptionAsync("hex");
        await Page.Locator("#send-data").FillAsync("?");
        await Page.Locator("#send-data").PressAsync("Control+Enter");
        await Expect(Page.Locator("#send-result")).ToContainTextAsync("two digits a byte");
    }
}
