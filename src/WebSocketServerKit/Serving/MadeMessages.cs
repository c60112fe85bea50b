using System.Net.WebSockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Serving;

/// <summary>
/// Messages that no client has sent: WebSocketServerKit.Testing makes them for the unit test of a handler. Each has a negative run, which no event of a connection has, and stays valid as long as
/// its client exists. Thread-safe.
/// </summary>
internal static class MadeMessages
{
    private static readonly ConditionalWeakTable<WebSocketClient, List<ReadOnlyMemory<byte>>> All = [];

    /// <summary>Makes a message. The payload must not change.</summary>
    public static MessageReceivedEventArgs Add(WebSocketClient client, WebSocketMessageType messageType, ReadOnlyMemory<byte> payload)
    {
        List<ReadOnlyMemory<byte>> messages = All.GetOrCreateValue(client);
        lock (messages)
        {
            messages.Add(payload);
            return new MessageReceivedEventArgs(client, messageType, -messages.Count);
        }
    }

    /// <summary>The payload of a message that was made for the client.</summary>
    public static bool TryGet(WebSocketClient client, long run, out ReadOnlyMemory<byte> payload)
    {
        payload = default;
        if (run >= 0 || !All.TryGetValue(client, out List<ReadOnlyMemory<byte>>? messages))
            return false;
        lock (messages)
            payload = messages[(int)(-run - 1)];
        return true;
    }
}
