using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

[assembly: AssemblyFixture(typeof(Chromium))]
[assembly: Xunit.v3.Parallelization(MaxThreads = 2)]

namespace WebSocketServerKit.BrowserTests.TestKit;

/// <summary>The one browser of the run: Debian's Chromium without windows, or else with them. Without it browser tests are skipped, or fail where everything is required.</summary>
public sealed class Chromium : IAsyncLifetime
{
    // The shell first: its pages share the processor with no toolbars, so that all tests take half as long.
    private static readonly string[] Programs = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout(10_000); // for machines that do much else
        if (Programs.FirstOrDefault(File.Exists) is not { } program)
            return;

        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = program,
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
            const string Missing = "These tests need Chromium: apt-get install chromium-headless-shell";
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
