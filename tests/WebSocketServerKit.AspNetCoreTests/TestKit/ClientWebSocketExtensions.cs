using System.Net.WebSockets;
using System.Text;

namespace WebSocketServerKit.TestKit;

/// <summary>Whole messages of the platform's client.</summary>
internal static class ClientWebSocketExtensions
{
    public static Task SendAsync(this ClientWebSocket client, string text) =>
        client.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, MappedHost.Timely);

    public static async Task<(WebSocketMessageType Type, byte[] Payload)> ReceiveMessageAsync(this ClientWebSocket client)
    {
        using MemoryStream message = new();
        byte[] buffer = new byte[16 * 1024];
        WebSocketReceiveResult received;
        do
        {
            received = await client.ReceiveAsync(buffer, MappedHost.Timely);
            message.Write(buffer, 0, received.Count);
        }
        while (!received.EndOfMessage);
        return (received.MessageType, message.ToArray());
    }

    public static async Task<string> ReceiveTextAsync(this ClientWebSocket client)
    {
        (WebSocketMessageType type, byte[] payload) = await client.ReceiveMessageAsync();
        Assert.Equal(WebSocketMessageType.Text, type);
        return Encoding.UTF8.GetString(payload);
    }

    /// <summary>The server's Close frame comes, and is answered.</summary>
    public static async Task AssertClosedAsync(this ClientWebSocket client, int code, string reason)
    {
        Assert.Equal(WebSocketMessageType.Close, (await client.ReceiveMessageAsync()).Type);
        Assert.Equal((code, reason), ((int)client.CloseStatus!, client.CloseStatusDescription));
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, null, MappedHost.Timely);
    }

    public static Task LeaveAsync(this ClientWebSocket client) => client.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", MappedHost.Timely);
}
