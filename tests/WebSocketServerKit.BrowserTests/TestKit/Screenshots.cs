using Microsoft.Playwright;

namespace WebSocketServerKit.BrowserTests.TestKit;

/// <summary>Pictures of the page, for people to look at. They go to a folder that is not committed.</summary>
internal static class Screenshots
{
    public static async Task TakeAsync(IPage page, string name, bool fullPage = false)
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "WebSocketServerKit.sln")))
            folder = folder.Parent;
        string path = Path.Combine(folder?.FullName ?? AppContext.BaseDirectory, "artifacts", "screenshots", $"{name}.png");
        await page.ScreenshotAsync(new() { Path = path, FullPage = fullPage, Animations = ScreenshotAnimations.Disabled, Caret = ScreenshotCaret.Hide });
    }
}
