using System.Net;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Compression;

/// <summary>permessage-deflate with a browser.</summary>
public sealed class PerMessageDeflateTests(Chromium chromium)
{
    // Resolves to what was agreed on when every message has come back as it went.
    private const string Exchange =
        """
        url => new Promise((resolve, reject) => {
          const socket = new WebSocket(url), count = 1000;
          socket.binaryType = 'arraybuffer';
          const isText = i => i % 10 < 9;
          const message = i => isText(i) ? JSON.stringify({ i, text: 'zü€😀'.repeat(i * 7 % 500) }) : new Uint8Array(i * 97).fill(i);
          const isSame = (i, data) => isText(i)
            ? data === message(i)
            : data instanceof ArrayBuffer && data.byteLength === i * 97 && new Uint8Array(data).every(octet => octet === i % 256);
          let received = 0;
          socket.onopen = () => { for (let i = 0; i < count; i++) socket.send(message(i)); };
          socket.onmessage = e => {
            if (!isSame(received, e.data)) reject(new Error(`message ${received} came back changed`));
            if (++received === count) socket.close(1000);
          };
          socket.onclose = e => e.code === 1000 && received === count ? resolve(socket.extensions) : reject(new Error(`closed with ${e.code} after ${received}`));
        })
        """;

    [Theory]
    [InlineData(true, 15, "permessage-deflate")]
    [InlineData(false, 15, "permessage-deflate; server_no_context_takeover; client_no_context_takeover")]
    [InlineData(true, 10, "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=10")]
    [InlineData(null, 15, "")]
    public async Task A_thousand_messages_come_back_as_they_went(bool? contextTakeover, int windowBits, string agreed)
    {
        WebSocketServerOptions options = new() { Urls = ["http://127.0.0.1:0"] };
        if (contextTakeover is { } takeover)
        {
            options.PerMessageDeflate = new()
            {
                ServerContextTakeover = takeover,
                ClientContextTakeover = takeover,
                ServerMaxWindowBits = windowBits,
                ClientMaxWindowBits = windowBits,
            };
        }

        await using WebSocketServer server = new(options);
        server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, "<!doctype html><title>Empty</title>"u8.ToArray(), "text/html; charset=utf-8");
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await server.StartAsync(TestContext.Current.CancellationToken);

        await using IBrowserContext context = await chromium.NewContextAsync(new());
        IPage page = await context.NewPageAsync();
        // From a page of its own, because its origin is checked.
        await page.GotoAsync($"http://{server.EndPoints[0]}/");
        Assert.Equal(agreed, await page.EvaluateAsync<string>(Exchange, $"ws://{server.EndPoints[0]}/"));
    }
}
