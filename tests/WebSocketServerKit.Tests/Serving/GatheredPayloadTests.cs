using System.Buffers;
using System.IO.Pipelines;

namespace WebSocketServerKit.Serving;

public sealed class GatheredPayloadTests
{
    [Fact]
    public void One_segment_is_not_copied()
    {
        byte[] bytes = [1, 2, 3];
        using GatheredPayload gathered = new(new ReadOnlySequence<byte>(bytes, 1, 2));
        Assert.True(gathered.Span == bytes.AsSpan(1));
    }

    [Fact]
    public async Task Several_segments_become_one_piece()
    {
        Pipe pipe = new(new PipeOptions(minimumSegmentSize: 16));
        byte[] bytes = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];
        foreach (byte[] part in bytes.Chunk(10))
            await pipe.Writer.WriteAsync(part, TestContext.Current.CancellationToken);
        ReadOnlySequence<byte> received = (await pipe.Reader.ReadAsync(TestContext.Current.CancellationToken)).Buffer;
        Assert.False(received.IsSingleSegment);
        using (GatheredPayload gathered = new(received))
            Assert.Equal(bytes, gathered.Span);
        await pipe.Reader.CompleteAsync();
    }

    [Fact]
    public void Nothing_is_a_payload_too()
    {
        using GatheredPayload gathered = new(ReadOnlySequence<byte>.Empty);
        Assert.True(gathered.Span.IsEmpty);
    }
}
