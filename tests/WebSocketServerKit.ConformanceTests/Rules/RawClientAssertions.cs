using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance.Rules;

/// <summary>The RFC's processes as a client sees them.</summary>
internal static class RawClientAssertions
{
    /// <summary>A Close frame is the next and last thing, and a FIN ends the connection although the client has not.</summary>
    public static async Task AssertClosedAsync(this RawClient client, int code, string? reason = null)
    {
        ServerFrame? close = await client.ReadAsync();
        Assert.Equal((ClientFrame.CloseOpcode, code), (close?.Opcode, close?.CloseCode));
        Assert.Equal(reason ?? close!.CloseReason, close!.CloseReason);
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
    }

    public static async Task AssertTextAsync(this RawClient client, string text)
    {
        ServerFrame? message = await client.ReadAsync();
        Assert.Equal((ClientFrame.TextOpcode, text), (message?.Opcode, message?.Text));
    }
}
