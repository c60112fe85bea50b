using Dashboard.Control;
using Dashboard.Served;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

/// <summary>The charts, of a past that the test makes up.</summary>
public sealed class ChartTests(Chromium chromium) : DashboardTest(chromium)
{
    private ILocator HandlerTime => Page.Locator(".chart").Filter(new() { HasText = "Handler time" });

    [Fact]
    public async Task The_handler_time_stays_to_be_seen_while_no_message_comes()
    {
        // Two minutes in which messages came twice: at first ones that took 5 ms, later ones that took 50 µs.
        await ShowAsync([.. Enumerable.Range(0, 120).Select(second => (double?)(second switch { < 10 => null, < 20 => 5000, < 60 => null, < 70 => 50, _ => null }))]);
        await Expect(HandlerTime.Locator(".value")).ToHaveTextAsync("50 µs");
        await Expect(HandlerTime.Locator(".peak")).ToHaveTextAsync("peak 5.0 ms");
        // From the first message on, to the right edge: drawn where it was measured, dotted where it is what it was.
        Assert.InRange(await EdgeAsync(".stroke", "x"), 15, 25);
        Assert.InRange(await EdgeAsync(".held", "right"), 236, 241);
        // A hundredth of the peak is not on the ground yet.
        Assert.InRange(await EdgeAsync(".stroke", "bottom"), 10, 50);
    }

    [Fact]
    public async Task A_handler_that_never_ran_has_no_time()
    {
        await ShowAsync([.. Enumerable.Repeat((double?)null, 120)]);
        await Expect(HandlerTime.Locator(".value")).ToHaveTextAsync("–");
        await Expect(HandlerTime.Locator(".peak")).ToHaveTextAsync("");
    }

    private async Task ShowAsync(double?[] handlerTimes)
    {
        Second[] seconds = [.. handlerTimes.Select((time, second) => new Second(1000 * (second + 1), 0, 0, 0, 0, Clients: 1, time))];
        Report report = new(
            "whole",
            Now: 1000 * seconds.Length,
            new EndpointState(EndpointStatus.Open, "127.0.0.1:8080"),
            new Relay(RelayMode.Off),
            new Totals(0, 0, 0, 0, 0, 0, 0),
            ClientCount: 0,
            new ClientsReport(0, 0, 0, [], [], [], []),
            FirstKept: 1,
            [],
            [],
            seconds);
        string json = System.Text.Encoding.UTF8.GetString(Json.Write(report));
        await Page.RouteWebSocketAsync("**/control", connection => connection.Send(json));
        await Page.ReloadAsync();
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Open");
    }

    // In the units of the drawing, which is 240 wide and 60 high.
    private Task<double> EdgeAsync(string line, string edge) => HandlerTime.Locator(line).EvaluateAsync<double>(
        "(line, edge) => { const box = line.getBBox(); return { x: box.x, right: box.x + box.width, bottom: box.y + box.height }[edge]; }", edge);
}
