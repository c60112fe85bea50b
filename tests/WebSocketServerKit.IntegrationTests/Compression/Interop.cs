using System.Buffers;
using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Compression;

/// <summary>What both ends of the interoperability tests need.</summary>
internal static class Interop
{
    /// <summary>Everything that the server can agree on, at the price of its memory.</summary>
    public static PerMessageDeflateOptions Everything => new() { ServerContextTakeover = true, ClientContextTakeover = true, MinMessageSize = 0 };

    /// <summary>A server that sends every message back: every second one while it is being written, in pieces of which some are flushed.</summary>
    public static Task<TestServer> StartPiecewiseEchoAsync(PerMessageDeflateOptions? deflate) => TestServer.StartAsync(
        server => server.MessageReceived += async (_, e) =>
        {
            if (e.Client.MessagesReceived % 2 == 0)
                await e.Client.SendAsync(e.Payload, e.MessageType);
            else
                await WriteInPiecesAsync(e.Client, e.PayloadMemory, e.MessageType);
        },
        options => options.PerMessageDeflate = deflate);

    private static ValueTask WriteInPiecesAsync(WebSocketClient client, ReadOnlyMemory<byte> payload, WebSocketMessageType type) => client.SendAsync(
        async message =>
        {
            int pieceSize = payload.Length / 3 + 1;
            for (int i = 0; i < payload.Length; i += pieceSize)
            {
                await message.WriteAsync(payload[i..Math.Min(i + pieceSize, payload.Length)]);
                if (i % 2 == 0)
                    await message.FlushAsync();
            }
        },
        type);

    /// <summary>Some text of about so many bytes, with characters of one to four bytes and parts that come again.</summary>
    public static byte[] Text(int size, int seed)
    {
        Random random = new(seed);
        StringBuilder text = new();
        while (text.Length < size / 2)
            text.Append(CultureInfo.InvariantCulture, $"{{\"id\":{random.Next(1000)},\"name\":\"z\u00FC\u20AC\U0001F600{random.Next(10)}\"}}\n");
        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        int end = Math.Min(size, bytes.Length);
        while (end > 0 && end < bytes.Length && (bytes[end] & 0xC0) == 0x80)
            end--;
        return bytes[..end];
    }

    public static byte[] Binary(int size, int seed)
    {
        byte[] bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static async Task<(WebSocketMessageType Type, byte[] Payload)> ReceiveAsync(this WebSocket client)
    {
        ArrayBufferWriter<byte> message = new();
        while (true)
        {
            ValueWebSocketReceiveResult result = await client.ReceiveAsync(message.GetMemory(16 * 1024), TestServer.Timely);
            message.Advance(result.Count);
            if (result.EndOfMessage)
                return (result.MessageType, message.WrittenSpan.ToArray());
        }
    }
}
