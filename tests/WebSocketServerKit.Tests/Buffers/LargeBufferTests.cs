namespace WebSocketServerKit.Buffers;

public sealed class LargeBufferTests
{
    private const int MiB = 1024 * 1024;

    private static byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(MiB)]
    [InlineData(MiB + 1)]
    [InlineData(20 * MiB + 12_345)]
    public void Gathers_what_is_appended_in_an_array_of_exactly_its_size(int length)
    {
        var buffer = new LargeBuffer();
        byte[] bytes = Bytes(length);
        foreach (byte[] piece in bytes.Chunk(300_001))
            buffer.Append(piece);
        Assert.Equal(length, buffer.Length);
        int steps = 1;
        while (!buffer.Gather())
            steps++;
        Assert.Equal(Math.Max(1, (length + LargeBuffer.StepSize - 1) / LargeBuffer.StepSize), steps);
        Assert.True(buffer.Gathered.Span.SequenceEqual(bytes));
        buffer.Release();
    }

    [Fact]
    public void Never_holds_much_more_than_what_was_appended()
    {
        var buffer = new LargeBuffer();
        const int Length = 100 * MiB;
        for (int appended = MiB; appended <= Length; appended += MiB)
        {
            buffer.Append(new byte[MiB]);
            Assert.InRange(buffer.HeldBytes, appended, appended * 1.125 + MiB);
        }

        bool isGathered;
        do
        {
            isGathered = buffer.Gather();
            Assert.InRange(buffer.HeldBytes, Length, Length * 1.25);
        }
        while (!isGathered);
        Assert.Equal(Length, buffer.HeldBytes);
        buffer.Release();
    }

    [Fact]
    public void What_is_taken_comes_in_order_and_its_memory_is_freed()
    {
        var buffer = new LargeBuffer();
        byte[] bytes = Bytes(5 * MiB + 7);
        buffer.Append(bytes);
        List<byte> taken = [];
        byte[] piece = new byte[300_001];
        for (int count = buffer.Take(piece); count > 0; count = buffer.Take(piece))
        {
            taken.AddRange(piece.AsSpan(0, count));
            Assert.Equal(bytes.Length - taken.Count, buffer.Length);
            Assert.InRange(buffer.HeldBytes, buffer.Length, buffer.Length + 2 * MiB);
        }

        Assert.Equal(bytes, taken);
        Assert.Equal(0, buffer.HeldBytes);
        buffer.Release();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Holds_nothing_once_it_is_released_before_and_while_it_gathers(bool gathers)
    {
        var buffer = new LargeBuffer();
        buffer.Append(new byte[5 * MiB]);
        if (gathers)
            Assert.False(buffer.Gather());
        buffer.Release();
        Assert.Equal((0, 0L), (buffer.Length, buffer.HeldBytes));
        Assert.True(buffer.Gathered.IsEmpty);
        buffer.Release();
    }
}
