using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

[assembly: AssemblyFixture(typeof(Chromium))]
[assembly: Xunit.v3.Parallelization(MaxThreads = 2)]

namespace WebSocketServerKit.BrowserTests.TestKit;

/// <summary>The one browser of the run: Debian's Chromium. Without it browser tests are skipped, or fail where everything is required.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private const string Program = "/usr/bin/chromium";

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout(10_000); // for machines that do much else
        if (!File.Exists(Program))
            return;

        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Program,
            Args =
            [
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            ],
        });
    }

    /// <summary>A browser window with nothing in it from other tests.</summary>
    public async Task<IBrowserContext> NewContextAsync(BrowserNewContextOptions options)
    {
        if (_browser is null)
        {
            const string Missing = $"These tests need {Program}: apt-get install chromium";
            if (Environment.GetEnvironmentVariable("WSK_REQUIRE_EVERYTHING") == "1")
                Assert.Fail(Missing);
            Assert.Skip(Missing);
        }

        return await _browser.NewContextAsync(options);
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
    }
}
