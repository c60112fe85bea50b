using System.Buffers;

namespace WebSocketServerKit.Serving.Backplanes;

public class Leb128Tests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(127, 1)]
    [InlineData(128, 2)]
    [InlineData(16_383, 2)]
    [InlineData(16_384, 3)]
    [InlineData(ulong.MaxValue, 10)]
    public void A_number_takes_the_bytes_that_it_says_and_is_read_back(ulong value, int size)
    {
        Assert.Equal(size, Leb128.SizeOf(value));
        ArrayBufferWriter<byte> bytes = new();
        Leb128.Write(bytes, value);
        Assert.Equal(size, bytes.WrittenCount);
        ReadOnlyMemory<byte> left = bytes.WrittenMemory;
        Assert.True(Leb128.TryRead(ref left, out ulong read));
        Assert.Equal((value, 0), (read, left.Length));
        for (int cut = 0; cut < size; cut++)
        {
            left = bytes.WrittenMemory[..cut];
            Assert.False(Leb128.TryRead(ref left, out _));
        }
    }

    [Fact]
    public void A_number_without_end_is_refused()
    {
        ReadOnlyMemory<byte> endless = Enumerable.Repeat((byte)0x80, 20).ToArray();
        Assert.False(Leb128.TryRead(ref endless, out _));
    }

    [Fact]
    public void A_part_is_read_if_all_of_it_is_there()
    {
        ReadOnlyMemory<byte> bytes = new byte[] { 2, 7, 8, 3, 9 };
        Assert.True(Leb128.TryReadPart(ref bytes, out ReadOnlyMemory<byte> part));
        Assert.Equal([7, 8], part.ToArray());
        Assert.False(Leb128.TryReadPart(ref bytes, out _));
    }
}
