using Microsoft.Playwright;

namespace WebSocketServerKit.BrowserTests.TestKit;

/// <summary>Pictures of pages, for people to look at. They go to a folder that is not committed, and those of the guides to docs/images if UPDATE_PICTURES is 1.</summary>
internal static class Screenshots
{
    public static Task TakeAsync(IPage page, string name, bool fullPage = false) => TakeAsync(page, Path.Combine("artifacts", "screenshots"), name, fullPage);

    /// <summary>A picture of docs/samples.md.</summary>
    public static async Task TakeForGuideAsync(IPage page, string name, bool fullPage = false)
    {
        await TakeAsync(page, name, fullPage);
        if (Environment.GetEnvironmentVariable("UPDATE_PICTURES") == "1")
            await TakeAsync(page, Path.Combine("docs", "images"), name, fullPage);
    }

    private static async Task TakeAsync(IPage page, string folder, string name, bool fullPage)
    {
        DirectoryInfo? root = new(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "WebSocketServerKit.sln")))
            root = root.Parent;
        string path = Path.Combine(root?.FullName ?? AppContext.BaseDirectory, folder, $"{name}.png");
        await page.ScreenshotAsync(new() { Path = path, FullPage = fullPage, Animations = ScreenshotAnimations.Disabled, Caret = ScreenshotCaret.Hide });
    }
}
