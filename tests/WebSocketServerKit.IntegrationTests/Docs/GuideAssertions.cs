using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

internal static class GuideAssertions
{
    /// <summary>The server closes the client, which answers, and then the connection ends.</summary>
    public static async Task AssertClosesAsync(this TestClient client, int code, string reason)
    {
        ReceivedFrame close = await client.ReadFrameAsync();
        Assert.Equal((code, reason), (close.CloseCode, close.CloseReason));
        await client.SendCloseAsync(code);
        await client.AssertEndAsync();
    }
}
