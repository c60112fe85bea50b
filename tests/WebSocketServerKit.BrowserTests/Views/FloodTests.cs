using System.Globalization;
using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class FloodTests(Chromium chromium) : DashboardTest(chromium)
{
    // About 24,000 messages per second, and fewer on a machine that does much else: nobody tries to make up for time that was lost.
    private const int Clients = 4;
    private const int Burst = 80;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    [Fact]
    public async Task In_a_flood_the_page_stays_usable_shows_samples_and_counts_exactly()
    {
        await OpenServerAsync();
        ClientWebSocket[] clients = new ClientWebSocket[Clients];
        for (int i = 0; i < Clients; i++)
            clients[i] = await ConnectAsync($"/flood/{i}");
        // The longest time for which the page did not draw, which is what somebody would feel.
        await Page.EvaluateAsync(
            """
            () => {
              window.longest = 0;
              let last = performance.now();
              const frame = now => { window.longest = Math.max(window.longest, now - last); last = now; requestAnimationFrame(frame); };
              requestAnimationFrame(frame);
            }
            """);

        // While it comes, what a person does at the page.
        long began = Environment.TickCount64;
        using CancellationTokenSource enough = new();
        Task<int[]> flood = Task.WhenAll(clients.Select(client => Task.Run(() => FloodAsync(client, enough.Token))));
        await Expect(Messages.Filter(new() { HasText = "messages not shown" })).Not.ToHaveCountAsync(0);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Resume" })).ToBeVisibleAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = "Resume" }).ClickAsync();
        await Page.GetByLabel("Filter messages").FillAsync("/flood/2");
        await Page.GetByLabel("Filter messages").FillAsync("");
        await Page.GetByRole(AriaRole.Tab, new() { Name = "Client" }).ClickAsync();
        await Page.GetByRole(AriaRole.Tab, new() { Name = "Server" }).ClickAsync();
        await Page.Locator("#send-data").FillAsync("Can you hear me?");
        await Page.Locator("#send-data").PressAsync("Control+Enter");
        await Expect(Page.Locator("#send-result")).ToHaveTextAsync($"Sent to {Clients} clients.");
        Assert.False(flood.IsCompleted);
        await enough.CancelAsync();
        int[] sent = await flood;
        long milliseconds = Environment.TickCount64 - began;

        await Expect(Page.Locator("#message-count")).ToHaveTextAsync(sent.Sum().ToString("N0", CultureInfo.InvariantCulture));
        await Expect(Rows.First.Locator("[data-label=In]")).ToContainTextAsync(sent[0].ToString("N0", CultureInfo.InvariantCulture));
        Assert.InRange(await Messages.CountAsync(), 1, 300);
        TestContext.Current.SendDiagnosticMessage(
            "{0:N0} messages/s; the page drew at least every {1:N0} ms", sent.Sum() * 1000L / milliseconds, await Page.EvaluateAsync<double>("window.longest"));
    }

    private static async Task<int> FloodAsync(ClientWebSocket client, CancellationToken enough)
    {
        byte[] payload = "{\"room\":\"kitchen\",\"celsius\":21.5}"u8.ToArray();
        int sent = 0;
        while (!enough.IsCancellationRequested)
        {
            for (int i = 0; i < Burst; i++, sent++)
                await client.SendAsync(payload.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
            await Task.Delay(Pause, CancellationToken.None);
        }

        return sent;
    }
}
