using System.IO.Compression;

namespace WebSocketServerKit.Conformance.Compression;

/// <summary>The judge of the server's windows is no judge unless it can say no.</summary>
public sealed class CheckingInflaterTests
{
    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void Inflates_every_kind_of_block_with_and_without_context_takeover(CompressionLevel level)
    {
        using var shared = new Deflater(contextTakeover: true, level);
        using var fresh = new Deflater(contextTakeover: false, level);
        CheckingInflater withContext = new(), withoutContext = new(contextTakeover: false);
        foreach (TestData data in TestData.All)
        {
            foreach (int size in (int[])[0, 1, 16, 1000, 40_000, 100_000])
            {
                byte[] message = data.Slice(7, size);
                Assert.Equal(message, withContext.Inflate(shared.Deflate(message)));
                Assert.Equal(message, withoutContext.Inflate(fresh.Deflate(message)));
            }
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(14)]
    public void Refuses_a_reference_beyond_the_window(int windowBits)
    {
        byte[] half = TestData.Random((1 << windowBits) + 1);
        using var deflater = new Deflater(contextTakeover: false);
        byte[] deflated = deflater.Deflate([.. half, .. half]);
        Assert.Equal((byte[])[.. half, .. half], new CheckingInflater(windowBits + 1).Inflate(deflated));
        Assert.Throws<InvalidDataException>(() => new CheckingInflater(windowBits).Inflate(deflated));
    }

    [Fact]
    public void Refuses_a_reference_to_an_earlier_message_without_context_takeover()
    {
        byte[] message = TestData.Random(1000);
        using var deflater = new Deflater(contextTakeover: true);
        byte[] first = deflater.Deflate(message), second = deflater.Deflate(message);
        CheckingInflater without = new(contextTakeover: false);
        Assert.Equal(message, without.Inflate(first));
        Assert.Throws<InvalidDataException>(() => without.Inflate(second));
    }

    [Theory]
    [InlineData("01 00 00 FF FF 00")] // a last block
    [InlineData("06")] // the third type of blocks, which there is not
    [InlineData("00 01 00 00 00 61 00")] // a length and another one
    [InlineData("F2 48")] // ends within a block
    public void Refuses_what_is_broken(string payload) =>
        Assert.Throws<InvalidDataException>(() => new CheckingInflater().Inflate(Convert.FromHexString(payload.Replace(" ", "", StringComparison.Ordinal))));
}
