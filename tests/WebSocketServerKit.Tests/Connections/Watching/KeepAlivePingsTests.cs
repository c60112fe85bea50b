namespace WebSocketServerKit.Connections.Watching;

public sealed class KeepAlivePingsTests
{
    private const long Interval = 20;
    private const long Timeout = 15;

    private KeepAlivePings _keepAlive = new(now: 100);
    private int _writes;

    private KeepAliveAction Beat(long now, bool holdingBack = false, bool draining = false, bool wrote = false)
    {
        if (wrote)
            _writes++;
        return _keepAlive.Beat(now, Interval, Timeout, holdingBack, draining, _writes);
    }

    private void AssertNothing(long from, long to, Func<long, KeepAliveAction> beat)
    {
        for (long now = from; now <= to; now++)
            Assert.Equal((now, KeepAliveAction.None), (now, beat(now)));
    }

    [Fact]
    public void Pings_when_the_interval_has_passed_in_silence_and_then_once()
    {
        AssertNothing(101, 119, now => Beat(now));
        Assert.Equal(KeepAliveAction.Ping, Beat(120));
        AssertNothing(121, 134, now => Beat(now));
    }

    [Fact]
    public void A_ping_without_any_answer_in_time_is_the_end()
    {
        Assert.Equal(KeepAliveAction.Ping, Beat(120));
        Assert.Equal(KeepAliveAction.None, Beat(134));
        Assert.Equal(KeepAliveAction.PingTimeout, Beat(135));
    }

    [Fact]
    public void Any_received_byte_is_a_sign_of_life_and_an_answer()
    {
        _keepAlive.Heard(110);
        AssertNothing(111, 129, now => Beat(now));
        Assert.Equal(KeepAliveAction.Ping, Beat(130));
        _keepAlive.Heard(144);
        AssertNothing(144, 163, now => Beat(now));
        Assert.Equal(KeepAliveAction.Ping, Beat(164));
    }

    [Fact]
    public void While_our_side_does_not_read_silence_is_not_the_peers_fault()
    {
        AssertNothing(101, 300, now => Beat(now, holdingBack: true));
        AssertNothing(301, 319, now => Beat(now));
        Assert.Equal(KeepAliveAction.Ping, Beat(320));
    }

    [Fact]
    public void A_ping_that_is_under_way_when_our_side_stops_reading_does_not_count_against_the_peer()
    {
        Assert.Equal(KeepAliveAction.Ping, Beat(120));
        Assert.Equal(KeepAliveAction.None, Beat(121, holdingBack: true));
        AssertNothing(122, 140, now => Beat(now));
        Assert.Equal(KeepAliveAction.Ping, Beat(141));
    }

    [Fact]
    public void A_write_that_had_to_wait_and_got_on_is_a_sign_of_life()
    {
        AssertNothing(101, 118, now => Beat(now));
        Assert.Equal(KeepAliveAction.None, Beat(119, draining: true));
        Assert.Equal(KeepAliveAction.None, Beat(120, draining: true, wrote: true));
        AssertNothing(121, 139, now => Beat(now));
        Assert.Equal(KeepAliveAction.Ping, Beat(140));
    }

    [Fact]
    public void A_write_that_the_system_took_at_once_tells_nothing_about_the_peer()
    {
        AssertNothing(101, 119, now => Beat(now, wrote: true));
        Assert.Equal(KeepAliveAction.Ping, Beat(120, wrote: true));
    }

    [Fact]
    public void A_peer_that_talks_and_takes_nothing_is_given_as_long_as_a_silent_one()
    {
        // The first beat sees the write, the second sees that it did not get on.
        Assert.Equal(KeepAliveAction.None, Beat(101, draining: true));
        for (long now = 102; now < 102 + Interval + Timeout; now++)
        {
            _keepAlive.Heard(now);
            Assert.Equal(KeepAliveAction.None, Beat(now, draining: true));
        }

        Assert.Equal(KeepAliveAction.SendTimeout, Beat(102 + Interval + Timeout, draining: true));
    }

    [Fact]
    public void Each_write_that_gets_on_starts_that_time_anew()
    {
        for (long now = 101; now < 400; now++)
        {
            _keepAlive.Heard(now);
            Assert.NotEqual(KeepAliveAction.SendTimeout, Beat(now, draining: true, wrote: now % 30 == 0));
        }
    }

    [Fact]
    public void Infinite_times_never_pass()
    {
        const long Never = long.MaxValue / 8;
        Assert.Equal(KeepAliveAction.None, _keepAlive.Beat(long.MaxValue / 16, Never, Never, holdingBack: false, draining: true, taken: 0));
        Assert.Equal(KeepAliveAction.None, _keepAlive.Beat(long.MaxValue / 16, Never, Never, holdingBack: false, draining: true, taken: 0));
    }
}
