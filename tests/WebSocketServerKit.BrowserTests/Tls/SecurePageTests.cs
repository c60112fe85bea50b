using System.Net;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Tls;

/// <summary>A browser over wss, from an https page that the same server serves.</summary>
public sealed class SecurePageTests(Chromium chromium)
{
    // Resolves to what came back, and how it ended.
    private const string Exchange =
        """
        url => new Promise((resolve, reject) => {
          const socket = new WebSocket(url);
          let received = '';
          socket.onopen = () => { socket.send('zü€😀'); socket.send('x'.repeat(100000)); };
          socket.onmessage = e => {
            if (received === '') received = e.data;
            else socket.close(4000, `${e.data.length}`);
          };
          socket.onclose = e => resolve(`${received} ${e.code} ${e.reason} ${e.wasClean}`);
        })
        """;

    [Fact]
    public async Task Messages_of_an_https_page_come_back_over_wss()
    {
        TaskCompletionSource<string?> origin = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using WebSocketServer server = new(new WebSocketServerOptions().Listen("https://127.0.0.1:0", TlsOptions.SelfSigned()));
        server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, "<!doctype html><title>Empty</title>"u8.ToArray(), "text/html; charset=utf-8");
        server.Handshaking += (_, e) => origin.TrySetResult(e.Request.Origin);
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await server.StartAsync(TestContext.Current.CancellationToken);

        await using IBrowserContext context = await chromium.NewContextAsync(new() { IgnoreHTTPSErrors = true });
        IPage page = await context.NewPageAsync();
        // The origin is checked: it has to be the server's own, with https.
        await page.GotoAsync($"https://{server.EndPoints[0]}/");
        Assert.Equal("zü€😀 4000 100000 true", await page.EvaluateAsync<string>(Exchange, $"wss://{server.EndPoints[0]}/"));
        Assert.Equal($"https://{server.EndPoints[0]}", await origin.Task.WaitAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_certificate_that_nobody_has_issued_is_refused_by_the_browser()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions().Listen("https://127.0.0.1:0", TlsOptions.SelfSigned()));
        int handshakes = 0;
        server.Handshaking += (_, _) => handshakes++;
        await server.StartAsync(TestContext.Current.CancellationToken);

        await using IBrowserContext context = await chromium.NewContextAsync(new());
        IPage page = await context.NewPageAsync();
        Assert.Equal(" 1006  false", await page.EvaluateAsync<string>(Exchange, $"wss://{server.EndPoints[0]}/"));
        Assert.Equal(0, handshakes);
    }
}
