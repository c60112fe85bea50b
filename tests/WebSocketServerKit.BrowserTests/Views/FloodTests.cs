using System.Globalization;
using System.Net.WebSockets;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class FloodTests(Chromium chromium) : DashboardTest(chromium)
{
    private const int Clients = 4;
    private const int MessagesPerClient = 25_000;

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

        // Half of it, then what a person does meanwhile, while the other half comes.
        long began = Environment.TickCount64;
        TaskCompletionSource half = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task flood = Task.WhenAll(clients.Select(client => Task.Run(() => FloodAsync(client, half))));
        await half.Task;
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
        await flood;
        long milliseconds = Environment.TickCount64 - began;

        await Expect(Page.Locator("#message-count")).ToHaveTextAsync((Clients * MessagesPerClient).ToString("N0", CultureInfo.InvariantCulture));
        await Expect(Rows.First.Locator("[data-label=In]")).ToContainTextAsync("25,000");
        await Expect(Messages.Filter(new() { HasText = "messages not shown" })).Not.ToHaveCountAsync(0);
        Assert.InRange(await Messages.CountAsync(), 1, 300);
        TestContext.Current.SendDiagnosticMessage(
            "{0:N0} messages/s; the page drew at least every {1:N0} ms", Clients * MessagesPerClient * 1000L / milliseconds, await Page.EvaluateAsync<double>("window.longest"));
    }

    private static async Task FloodAsync(ClientWebSocket client, TaskCompletionSource half)
    {
        byte[] payload = "{\"device\":\"kitchen\",\"celsius\":21.5}"u8.ToArray();
        for (int i = 0; i < MessagesPerClient; i++)
        {
            await client.SendAsync(payload.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, Timely);
            if (i == MessagesPerClient / 2)
                half.TrySetResult();
        }
    }
}
