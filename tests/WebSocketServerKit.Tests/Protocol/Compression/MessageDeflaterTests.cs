using System.IO.Compression;
using System.Text;
using CsCheck;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Protocol.Compression;

public sealed class MessageDeflaterTests
{
    private readonly LeakCheckingPool _pool = new();

    private byte[] Deflate(MessageDeflater deflater, ReadOnlySpan<byte> message, string before = "")
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append(Encoding.ASCII.GetBytes(before));
        deflater.Deflate(message, ref buffer);
        byte[] compressed = buffer.Written.ToArray();
        buffer.Release();
        return compressed;
    }

    // RFC 7692 7.2.3.1 to 7.2.3.3
    [Fact]
    public void Compresses_the_examples_of_the_RFC_byte_for_byte()
    {
        using var deflater = new MessageDeflater(CompressionLevel.Optimal, contextTakeover: true, windowBits: 15);
        Assert.Equal([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], Deflate(deflater, "Hello"u8));
        Assert.Equal([0xF2, 0x00, 0x11, 0x00, 0x00], Deflate(deflater, "Hello"u8));

        using var stored = new MessageDeflater(CompressionLevel.NoCompression, contextTakeover: false, windowBits: 15);
        Assert.Equal([0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], Deflate(stored, "Hello"u8));
    }

    // 7.2.3.6
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_empty_message_is_one_octet(bool contextTakeover)
    {
        using var deflater = new MessageDeflater(CompressionLevel.Fastest, contextTakeover, windowBits: 15);
        Assert.Equal([0x00], Deflate(deflater, []));
        byte[] hello = Deflate(deflater, "Hello"u8);
        Assert.Equal([0x00], Deflate(deflater, []));
        Assert.Equal([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], hello);
    }

    [Fact]
    public void Without_context_takeover_each_message_stands_for_itself()
    {
        using var deflater = new MessageDeflater(CompressionLevel.Fastest, contextTakeover: false, windowBits: 15);
        Assert.Equal(Deflate(deflater, "Hello, hello"u8), Deflate(deflater, "Hello, hello"u8));
    }

    [Fact]
    public void After_a_reset_a_message_does_not_refer_to_earlier_ones()
    {
        using var deflater = new MessageDeflater(CompressionLevel.Fastest, contextTakeover: true, windowBits: 15);
        byte[] first = Deflate(deflater, "Hello, hello"u8);
        Assert.NotEqual(first, Deflate(deflater, "Hello, hello"u8));
        deflater.Reset();
        Assert.Equal(first, Deflate(deflater, "Hello, hello"u8));
    }

    [Fact]
    public void Appends_to_what_is_there()
    {
        using var deflater = new MessageDeflater(CompressionLevel.Fastest, contextTakeover: false, windowBits: 15);
        Assert.Equal([.. "head"u8, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], Deflate(deflater, "Hello"u8, before: "head"));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(12)]
    [InlineData(14)]
    public void Never_refers_back_further_than_the_window(int windowBits)
    {
        int window = 1 << windowBits;
        // The second half repeats the first from just as far away as is too far.
        byte[] noise = new byte[window];
        new Random(windowBits).NextBytes(noise);
        byte[] message = [.. noise, .. noise];
        using var small = new MessageDeflater(CompressionLevel.SmallestSize, contextTakeover: false, windowBits);
        using var large = new MessageDeflater(CompressionLevel.SmallestSize, contextTakeover: false, windowBits: 15);
        byte[] compressed = Deflate(small, message);
        Assert.True(compressed.Length >= message.Length);
        Assert.True(Deflate(large, message).Length < message.Length);
        Assert.Equal(message, new Zlib().Inflate(compressed));
    }

    [Fact]
    public void Any_messages_come_out_as_they_went_in_whatever_the_parameters() =>
        Gen.Select(
            Gen.OneOf(CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize, CompressionLevel.NoCompression),
            Gen.Bool,
            Gen.Int[8, 15],
            Gen.Frequency((4, Gen.Byte[0, 3].Array[0, 600]), (1, Gen.Byte.Array[0, 5_000])).Array[1, 6]).Sample(
            (level, contextTakeover, windowBits, messages) =>
            {
                contextTakeover &= windowBits == 15;
                using var deflater = new MessageDeflater(level, contextTakeover, windowBits);
                using var client = new Zlib(contextTakeover);
                foreach (byte[] message in messages)
                    Assert.Equal(message, client.Inflate(Deflate(deflater, message)));
            },
            iter: 300);

    [Fact]
    public void A_thousand_messages_with_context_takeover_come_out_as_they_went_in()
    {
        using var deflater = new MessageDeflater(CompressionLevel.Fastest, contextTakeover: true, windowBits: 15);
        using var client = new Zlib(contextTakeover: true);
        for (int i = 0; i < 1_000; i++)
        {
            byte[] message = Encoding.UTF8.GetBytes($"{{\"tick\":{i},\"price\":{i * 7919 % 1000},\"pad\":\"{new string('x', i % 300)}\"}}");
            byte[] compressed = Deflate(deflater, message);
            Assert.Equal(message, client.Inflate(compressed));
        }
    }

    // Each part is written by itself; every one but the last may be flushed, and then the client must be able to read all so far.
    [Fact]
    public void A_message_in_parts_comes_out_whole_and_after_a_flush_as_far_as_it_was_written() =>
        Gen.Select(Gen.Bool, Gen.Int[8, 15], Gen.Select(Gen.Byte[0, 3].Array[0, 700], Gen.Bool).Array[0, 6].Array[1, 4]).Sample(
            (contextTakeover, windowBits, messages) =>
            {
                contextTakeover &= windowBits == 15;
                using var deflater = new MessageDeflater(CompressionLevel.Fastest, contextTakeover, windowBits);
                using var client = new Zlib(contextTakeover);
                foreach ((byte[] Bytes, bool Flush)[] parts in messages)
                {
                    var buffer = new PooledBuffer(_pool);
                    List<byte> message = [];
                    foreach ((byte[] bytes, bool flush) in parts)
                    {
                        deflater.Write(bytes, ref buffer);
                        message.AddRange(bytes);
                        if (!flush)
                            continue;
                        deflater.Flush(ref buffer);
                        if (message.Count > 0)
                            Assert.Equal([0x00, 0x00, 0xFF, 0xFF], buffer.Written[^MessageDeflater.TailSize..].ToArray());
                        if (!contextTakeover)
                            Assert.Equal(message, new Zlib().Inflate(buffer.Written.Span));
                    }

                    deflater.End(ref buffer);
                    Assert.Equal(message, client.Inflate(buffer.Written.Span));
                    buffer.Release();
                }
            },
            iter: 300);

    [Fact]
    public void After_a_reset_amid_a_message_the_next_one_begins_anew()
    {
        using var deflater = new MessageDeflater(CompressionLevel.Fastest, contextTakeover: true, windowBits: 15);
        byte[] first = Deflate(deflater, "Hello, hello"u8);
        deflater.Reset();
        var buffer = new PooledBuffer(_pool);
        deflater.Write("Hello, hello, hello"u8, ref buffer);
        deflater.Reset();
        buffer.Release();
        Assert.Equal([0x00], Deflate(deflater, []));
        Assert.Equal(first, Deflate(deflater, "Hello, hello"u8));
    }
}
