using System.Net.Security;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Views;

public sealed class TlsTests(Chromium chromium) : DashboardTest(chromium)
{
    private ILocator Error => Page.Locator("#endpoint-error");

    // What somebody does who accepts the certificate that was made.
    protected override BrowserNewContextOptions Window
    {
        get
        {
            BrowserNewContextOptions window = base.Window;
            window.IgnoreHTTPSErrors = true;
            return window;
        }
    }

    [Fact]
    public async Task A_wss_end_point_opens_with_a_certificate_that_is_made_and_serves_programs_and_pages()
    {
        await Expect(Page.GetByLabel("Certificate file")).ToBeHiddenAsync();
        await Page.GetByLabel("TLS (wss)").CheckAsync();
        await OpenServerAsync();
        Assert.StartsWith("wss://127.0.0.1:", ServedUrl, StringComparison.Ordinal);
        await Expect(Page.Locator("#no-clients")).ToContainTextAsync(ServedUrl);
        await Expect(Page.GetByLabel("Certificate file")).ToBeHiddenAsync();
        await Expect(Page.GetByLabel("TLS (wss)")).ToBeDisabledAsync();

        ClientWebSocket program = await ConnectAsync("/program", configure: options => options.RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            certificate!.Subject == "CN=localhost" && !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch));
        await Expect(Rows.Filter(new() { HasText = "/program" }).Locator(".tls")).ToHaveTextAsync("TLS 1.3");
        await Page.GetByLabel("to all others").CheckAsync();
        await WhenToldAsync();

        await Page.GetByRole(AriaRole.Tab, new() { Name = "Client" }).ClickAsync();
        ILocator card = Page.Locator(".client-card").First;
        await Expect(card.GetByLabel("URL")).ToHaveValueAsync($"{ServedUrl}/alice");
        await card.GetByRole(AriaRole.Button, new() { Name = "Connect", Exact = true }).ClickAsync();
        await Expect(card.Locator(".pill")).ToHaveTextAsync("Connected");
        await SendAsync(program, "hello page");
        await Expect(card.Locator(".log li").First).ToContainTextAsync("hello page");
        await card.GetByRole(AriaRole.Button, new() { Name = "Disconnect" }).ClickAsync();
        await Page.GetByRole(AriaRole.Tab, new() { Name = "Server" }).ClickAsync();
        await Screenshots.TakeAsync(Page, "server-tls");

        // Without TLS again.
        await Page.GetByRole(AriaRole.Button, new() { Name = "Close", Exact = true }).ClickAsync();
        await program.CloseOutputAsync(WebSocketCloseStatus.EndpointUnavailable, null, Timely);
        await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
        await Page.GetByLabel("TLS (wss)").UncheckAsync();
        await OpenServerAsync();
        Assert.StartsWith("ws://127.0.0.1:", ServedUrl, StringComparison.Ordinal);
        await ConnectAsync("/plain");
        await Expect(Rows.Locator(".tls")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_certificate_file_is_used_and_what_is_wrong_with_one_is_shown()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("wsk");
        try
        {
            string file = Path.Combine(folder.FullName, "server.pfx");
            using (ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
            {
                using X509Certificate2 made = new CertificateRequest("CN=of the file", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
                await File.WriteAllBytesAsync(file, made.Export(X509ContentType.Pfx, "geheim"), Timely);
            }

            await Page.GetByLabel("TLS (wss)").CheckAsync();
            foreach (int width in new[] { 320, 375, 700, 1101, 1360 })
            {
                await Page.SetViewportSizeAsync(width, 900);
                Assert.True(await Page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth") <= 0, $"At {width} pixels the page is too wide.");
                if (width == 375)
                    await Screenshots.TakeAsync(Page, "server-tls-phone");
            }

            foreach ((string certificate, string password, string reason) in new[]
            {
                (Path.Combine(folder.FullName, "none.pfx"), "", "Cannot read the certificate"),
                (file, "falsch", "the password may be incorrect"),
                ("", "geheim", "needs its certificate file"),
            })
            {
                await Page.GetByLabel("Certificate file").FillAsync(certificate);
                await Page.GetByLabel("Password").FillAsync(password);
                await Page.GetByRole(AriaRole.Button, new() { Name = "Open", Exact = true }).ClickAsync();
                await Expect(Error).ToContainTextAsync(reason);
                await Expect(Page.Locator("#state")).ToHaveTextAsync("Closed");
            }

            await Page.GetByLabel("Certificate file").FillAsync(file);
            await Page.GetByLabel("Ask clients for a certificate").CheckAsync(); // they may have none
            await OpenServerAsync();
            await Expect(Error).ToBeHiddenAsync();
            await ConnectAsync("/", listedAs: "#1", configure: options => options.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Subject == "CN=of the file");
            await Expect(Rows.Locator(".tls")).ToHaveTextAsync("TLS 1.3");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
