using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance.Rules;

/// <summary>The RFC's processes as a client sees them.</summary>
internal static class RawClientAssertions
{
    /// <summary>A Close frame is the next and last thing, and a FIN ends the connection although the client has not.</summary>
    public static async Task AssertClosedAsync(this RawClient client, int code, string? reason = null)
    {
        ServerFrame? close = await client.ReadFrameAsync();
        Assert.Equal((ClientFrame.CloseOpcode, code), (close?.Opcode, close?.CloseCode));
        Assert.Equal(reason ?? close!.CloseReason, close!.CloseReason);
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
    }

    /// <summary>
    /// The server, which has sent its FIN, reads away what still comes: more than the system's buffers hold. Had it closed its socket, a
    /// reset would end the writing.
    /// </summary>
    public static async Task AssertReadsAwayAsync(this RawClient client)
    {
        byte[] piece = new byte[64 * 1024];
        for (int sent = 0; sent < 32 * 1024 * 1024; sent += piece.Length)
            await client.WriteAsync(piece);
    }

    public static async Task AssertTextAsync(this RawClient client, string text)
    {
        ServerFrame? message = await client.ReadAsync();
        Assert.Equal((ClientFrame.TextOpcode, text), (message?.Opcode, message?.Text));
    }
}
