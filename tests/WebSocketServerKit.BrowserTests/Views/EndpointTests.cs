using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class EndpointTests(Chromium chromium) : DashboardTest(chromium)
{
    private ILocator Error => Page.Locator("#endpoint-error");

    [Fact]
    public async Task The_server_opens_and_closes_and_opens_again()
    {
        await OpenServerAsync();
        await Expect(Page.GetByLabel("Port")).ToBeDisabledAsync();
        ClientWebSocket client = await ConnectAsync("/first");

        await Page.GetByRole(AriaRole.Button, new() { Name = "Close", Exact = true }).ClickAsync();
        Assert.Equal("closed: 1001 server is stopping", await ReceiveAsync(client));
        await client.CloseOutputAsync(WebSocketCloseStatus.EndpointUnavailable, null, Timely);

        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
        await Expect(Rows).ToHaveCountAsync(0);
        await Expect(Passages.First).ToContainTextAsync("1001");
        await Expect(Passages.First).ToContainTextAsync("server closed");
        using (ClientWebSocket late = new())
            await Assert.ThrowsAsync<WebSocketException>(() => late.ConnectAsync(new Uri(ServedUrl), Timely));

        await OpenServerAsync();
        await ConnectAsync("/second");
        await Expect(Rows.First).ToContainTextAsync("#2"); // ids go on
    }

    [Fact]
    public async Task While_the_server_is_closed_nothing_can_be_sent_relayed_or_forwarded()
    {
        await ExpectToBeEnabledAsync(false);
        await Expect(Page.Locator("#send-closed")).ToBeVisibleAsync();
        await OpenServerAsync();
        ClientWebSocket client = await ConnectAsync("/first");
        await SendAsync(client, "hello");
        await Expect(Forward).ToBeEnabledAsync();
        await ExpectToBeEnabledAsync(true);
        await Expect(Page.Locator("#send-closed")).ToBeHiddenAsync();

        await Page.GetByRole(AriaRole.Button, new() { Name = "Close", Exact = true }).ClickAsync();
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
        await Expect(Forward).ToBeDisabledAsync();
        await ExpectToBeEnabledAsync(false);
        await Page.Locator("#send-data").FillAsync("anybody there?");
        await Page.Locator("#send-data").PressAsync("Control+Enter"); // which sends nothing
        await OpenServerAsync();
        await Expect(Forward).ToBeEnabledAsync();
        await ExpectToBeEnabledAsync(true);
        await Expect(Page.Locator("#send-result")).ToHaveTextAsync("");
        await Expect(Messages).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task A_taken_port_shows_the_reason()
    {
        using TcpListener other = new(IPAddress.Loopback, 0);
        other.Start();
        await OpenAsync("127.0.0.1", ((IPEndPoint)other.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture));
        await Expect(Error).ToContainTextAsync("already in use");
        await Screenshots.TakeAsync(Page, "server-port-taken");
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");

        await OpenServerAsync();
        await Expect(Error).ToBeHiddenAsync();
    }

    [Fact]
    public async Task An_address_or_a_port_that_cannot_be_shows_the_reason()
    {
        foreach ((string address, string port, string reason) in new[]
        {
            ("abc", "8080", "“abc” is no IP address"),
            ("8080", "8080", "“8080” is no IP address"),
            ("", "8080", "“” is no IP address"),
            ("192.0.2.1", "8080", "does not have that address"),
            ("127.0.0.1", "65536", "“65536” is no port"),
            ("127.0.0.1", "-1", "“-1” is no port"),
            ("127.0.0.1", "", "“” is no port"),
        })
        {
            await OpenAsync(address, port);
            await Expect(Error).ToContainTextAsync(reason);
        }

        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
    }

    [Fact]
    public async Task A_privileged_port_shows_the_reason()
    {
        Assert.SkipWhen(MayListenOn(port: 2), "This user may listen on every port.");
        await OpenAsync("127.0.0.1", "2");
        await Expect(Error).ToContainTextAsync("Ports below 1024 usually need special rights");
    }

    [Fact]
    public async Task Enter_in_the_port_field_opens()
    {
        await Page.GetByLabel("Port").FillAsync("0");
        await Page.GetByLabel("Port").PressAsync("Enter");
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Open");
    }

    [Fact]
    public async Task All_pages_see_the_same_server()
    {
        IPage second = await OpenPageAsync();
        await OpenServerAsync();
        await Expect(second.Locator("#url")).ToHaveTextAsync(ServedUrl);

        await second.GetByRole(AriaRole.Button, new() { Name = "Close", Exact = true }).ClickAsync();
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
    }

    private static bool MayListenOn(int port)
    {
        try
        {
            using TcpListener listener = new(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException problem)
        {
            return problem.SocketErrorCode != SocketError.AccessDenied;
        }
    }

    private ILocator Forward => Messages.GetByRole(AriaRole.Button, new() { Name = "Forward" });

    private async Task ExpectToBeEnabledAsync(bool enabled)
    {
        await Expect(Page.Locator("#send-form").GetByRole(AriaRole.Button, new() { Name = "Send" })).ToBeEnabledAsync(new() { Enabled = enabled });
        await Expect(Page.Locator("#send-to")).ToBeEnabledAsync(new() { Enabled = enabled });
        foreach (ILocator choice in await Page.Locator("#relay input").AllAsync())
            await Expect(choice).ToBeEnabledAsync(new() { Enabled = enabled });
    }

    private async Task OpenAsync(string address, string port)
    {
        await Page.GetByLabel("IP address").FillAsync(address);
        await Page.GetByLabel("Port").FillAsync(port);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Open", Exact = true }).ClickAsync();
    }
}
