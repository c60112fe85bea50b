using System.Diagnostics;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Samples;

/// <summary>The page of a sample that runs in a process of its own. An error in its script fails the test.</summary>
internal sealed class SamplePage : IAsyncDisposable
{
    private readonly List<string> _errors = [];
    private Process _process;
    private readonly IBrowserContext _context;

    private SamplePage(Process process, string url, IBrowserContext context, IPage page)
    {
        (_process, Url, _context, Page) = (process, url, context, page);
        page.PageError += (_, error) => _errors.Add(error);
    }

    public IPage Page { get; }

    /// <summary>Its address.</summary>
    public string Url { get; }

    /// <param name="chromium">The browser.</param>
    /// <param name="sample">Its name.</param>
    /// <param name="words">What stands before its address in its first line.</param>
    /// <param name="arguments">More of its options.</param>
    public static async Task<SamplePage> OpenAsync(Chromium chromium, string sample, string words, params string[] arguments)
    {
        IBrowserContext context = await chromium.NewContextAsync(new());
        (Process process, string url) = await StartAsync(sample, words, "http://127.0.0.1:0", arguments);
        SamplePage sampled = new(process, url, context, await context.NewPageAsync());
        await sampled.Page.GotoAsync(url);
        return sampled;
    }

    /// <summary>A second window.</summary>
    public async Task<IPage> OpenAnotherAsync()
    {
        IPage page = await _context.NewPageAsync();
        page.PageError += (_, error) => _errors.Add(error);
        await page.GotoAsync(Url);
        return page;
    }

    /// <summary>Starts the sample again at the same address.</summary>
    public async Task RestartAsync(string sample, string words, params string[] arguments)
    {
        _process.Dispose();
        (_process, _) = await StartAsync(sample, words, Url, arguments);
    }

    /// <summary>Ends the sample.</summary>
    public async Task EndAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    private static async Task<(Process Process, string Url)> StartAsync(string sample, string words, string url, string[] arguments)
    {
        Process process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, $"{sample}.dll"), "--url", url, .. arguments]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        string? line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith(words, line, StringComparison.Ordinal);
        return (process, line![words.Length..]);
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _process.Dispose();
        await _context.DisposeAsync();
        Assert.Empty(_errors);
    }
}
