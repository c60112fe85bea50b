using System.IO.Compression;
using WebSocketServerKit.Benchmarks;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>JSON messages of one size, ready to be sent.</summary>
internal sealed class JsonMessageSet
{
    public JsonMessageSet(int size, int maxBatch)
    {
        Size = size;
        byte[][] messages = JsonMessages.Create(size);
        Plain = new JsonFrames(messages, message => MaskedFrame.Of(0x81, message), maxBatch);
        Compressed = new JsonFrames(messages, message => MaskedFrame.Of(0xC1, Deflated(message)), maxBatch);
    }

    public int Size { get; }

    public JsonFrames Plain { get; }

    public JsonFrames Compressed { get; }

    // RFC 7692 7.2.1
    private static byte[] Deflated(byte[] message)
    {
        using MemoryStream compressed = new();
        using DeflateStream deflating = new(compressed, CompressionLevel.Fastest);
        deflating.Write(message);
        deflating.Flush();
        return compressed.ToArray()[..^4];
    }
}
