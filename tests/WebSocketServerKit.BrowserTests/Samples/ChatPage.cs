using Microsoft.Playwright;

namespace WebSocketServerKit.BrowserTests.Samples;

/// <summary>What a person does on the page of <c>samples/Chat</c>.</summary>
internal static class ChatPage
{
    public static ILocator Text(IPage page) => page.GetByPlaceholder("Say something");

    public static async Task EnterAsync(IPage page, string name)
    {
        await page.GetByPlaceholder("Your name").FillAsync(name);
        await page.GetByText("Come in").ClickAsync();
    }

    public static async Task SayAsync(IPage page, string text)
    {
        await Text(page).FillAsync(text);
        await Text(page).PressAsync("Enter");
    }
}
