namespace WebSocketServerKit.Connections.Sending;

public sealed class CompressionLimitsTests
{
    [Fact]
    public void Lets_as_many_compress_as_allowed_and_others_when_they_have_ended()
    {
        var limits = new CompressionLimits(maxConcurrentCompressions: 2, maxContexts: 0);
        Assert.True(limits.TryBeginCompression());
        Assert.True(limits.TryBeginCompression());
        Assert.False(limits.TryBeginCompression());
        Assert.False(limits.TryBeginCompression());
        limits.EndCompression();
        Assert.True(limits.TryBeginCompression());
        Assert.False(limits.TryBeginCompression());
    }

    [Fact]
    public void Counts_contexts_by_themselves()
    {
        var limits = new CompressionLimits(maxConcurrentCompressions: 1, maxContexts: 1);
        Assert.True(limits.TryTakeContext());
        Assert.False(limits.TryTakeContext());
        Assert.True(limits.TryBeginCompression());
        limits.ReleaseContext();
        Assert.True(limits.TryTakeContext());
    }
}
