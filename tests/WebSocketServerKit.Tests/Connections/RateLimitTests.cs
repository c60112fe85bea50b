namespace WebSocketServerKit.Connections;

public sealed class RateLimitTests
{
    [Fact]
    public void Is_reached_with_the_amount_that_a_beat_gives_and_not_before()
    {
        var limit = new RateLimit(10);
        Assert.False(limit.IsReached(4, beat: 1));
        Assert.False(limit.IsReached(5, beat: 1));
        Assert.True(limit.IsReached(1, beat: 1));
        Assert.True(limit.IsReached(1, beat: 1));
    }

    [Fact]
    public void Begins_anew_with_each_beat()
    {
        var limit = new RateLimit(10);
        Assert.True(limit.IsReached(1000, beat: 1));
        Assert.False(limit.IsReached(9, beat: 2));
        Assert.False(limit.IsReached(9, beat: 3));
        Assert.True(limit.IsReached(1, beat: 3));
    }

    [Fact]
    public void Without_a_limit_it_is_never_reached()
    {
        var limit = new RateLimit(long.MaxValue);
        Assert.False(limit.IsReached(long.MaxValue, beat: 1));
        Assert.False(limit.IsReached(long.MaxValue, beat: 1));
    }
}
