using System.Diagnostics;
using Microsoft.Playwright;
using WebSocketServerKit.BrowserTests.TestKit;

namespace WebSocketServerKit.BrowserTests.Samples;

/// <summary>The page of a sample that runs in a process of its own. An error in its script fails the test.</summary>
internal sealed class SamplePage : IAsyncDisposable
{
    private readonly List<string> _errors = [];
    private readonly Process _process;
    private readonly IBrowserContext _context;

    private SamplePage(Process process, IBrowserContext context, IPage page)
    {
        (_process, _context, Page) = (process, context, page);
        page.PageError += (_, error) => _errors.Add(error);
    }

    public IPage Page { get; }

    /// <param name="chromium">The browser.</param>
    /// <param name="sample">Its name.</param>
    /// <param name="words">What stands before its address in its first line.</param>
    public static async Task<SamplePage> OpenAsync(Chromium chromium, string sample, string words)
    {
        IBrowserContext context = await chromium.NewContextAsync(new());
        Process process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, $"{sample}.dll"), "--url", "http://127.0.0.1:0"]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        string? line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith(words, line, StringComparison.Ordinal);
        SamplePage sampled = new(process, context, await context.NewPageAsync());
        await sampled.Page.GotoAsync(line![words.Length..]);
        return sampled;
    }

    /// <summary>Ends the sample.</summary>
    public async Task EndAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _process.Dispose();
        await _context.DisposeAsync();
        Assert.Empty(_errors);
    }
}
