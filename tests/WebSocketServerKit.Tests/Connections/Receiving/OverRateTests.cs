using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Watching;

namespace WebSocketServerKit.Connections.Receiving;

public sealed class OverRateTests
{
    [Fact]
    public void It_begins_again_only_after_a_second_within_the_limits()
    {
        var time = new FakeTimeProvider();
        using var heartbeat = new Heartbeat(time, TimeSpan.FromSeconds(1), _ => { });
        var over = new OverRate(RateLimitReaction.Drop, heartbeat);
        Assert.True(over.Begins());
        for (int second = 0; second < 5; second++)
        {
            Assert.False(over.Begins());
            time.Advance(TimeSpan.FromSeconds(1)); // each beat it is exceeded again
        }

        Assert.False(over.Begins());
        time.Advance(TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(over.Begins());
    }

    [Fact]
    public void A_state_that_lasts_counts_to_its_end()
    {
        var time = new FakeTimeProvider();
        using var heartbeat = new Heartbeat(time, TimeSpan.FromSeconds(1), _ => { });
        var over = new OverRate(RateLimitReaction.ReadSlower, heartbeat);
        Assert.True(over.Begins());
        time.Advance(TimeSpan.FromSeconds(10));
        over.Ends();
        Assert.False(over.Begins());
        over.Ends();
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(over.Begins());
    }

    [Fact]
    public void Only_reading_slower_refuses_nothing()
    {
        using var heartbeat = new Heartbeat(new FakeTimeProvider(), TimeSpan.FromSeconds(1), _ => { });
        Assert.False(new OverRate(RateLimitReaction.ReadSlower, heartbeat).Refuses);
        Assert.True(new OverRate(RateLimitReaction.Close, heartbeat).Refuses);
        var over = new OverRate(RateLimitReaction.Drop, heartbeat);
        Assert.True(over.Refuses);
        Assert.Equal(0, over.Refused);
        over.Refuse();
        over.Refuse();
        Assert.Equal(2, over.Refused);
    }
}
