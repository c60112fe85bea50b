namespace WebSocketServerKit.Connections.Receiving;

public sealed class RateLimitTests
{
    private const long Second = 1000;

    [Fact]
    public void Is_reached_with_what_a_second_gives_and_not_before()
    {
        var limit = new RateLimit(10, Second);
        limit.Count(9, now: 5000);
        Assert.False(limit.IsReached(5000));
        limit.Count(1, now: 5000);
        Assert.True(limit.IsReached(5000));
    }

    [Fact]
    public void What_was_sent_is_worked_off_as_time_goes_by()
    {
        var limit = new RateLimit(10, Second);
        limit.Count(10, now: 5000);
        Assert.False(limit.IsReached(5100));
        limit.Count(1, now: 5100);
        Assert.True(limit.IsReached(5100));
    }

    [Fact]
    public void Who_sent_three_seconds_worth_at_once_waits_for_more_than_two()
    {
        var limit = new RateLimit(10, Second);
        limit.Count(30, now: 5000);
        Assert.True(limit.IsReached(7000));
        Assert.False(limit.IsReached(7001));
    }

    [Fact]
    public void Who_was_silent_for_long_has_saved_up_no_more_than_a_second()
    {
        var limit = new RateLimit(10, Second);
        limit.Count(1, now: 5000);
        limit.Count(10, now: 900_000);
        Assert.True(limit.IsReached(900_000));
    }
}
