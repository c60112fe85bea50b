using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class DurationHistogramTests
{
    private readonly DurationHistogram _histogram = new(turns: 3);

    [Fact]
    public void Nothing_has_no_percentile() => Assert.Null(_histogram.EndTurn(0.99));

    [Fact]
    public void The_99th_percentile_is_the_one_that_99_of_100_do_not_exceed()
    {
        for (int i = 1; i <= 99; i++)
            _histogram.Record(TimeSpan.FromMicroseconds(10));
        _histogram.Record(TimeSpan.FromSeconds(1));
        Assert.InRange(_histogram.EndTurn(0.99)!.Value, TimeSpan.FromMicroseconds(10), TimeSpan.FromMicroseconds(11.25));

        _histogram.Record(TimeSpan.FromSeconds(1)); // now it is 2 of 101
        Assert.InRange(_histogram.EndTurn(0.99)!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1.125));
    }

    [Fact]
    public void What_was_recorded_counts_for_as_many_turns_as_it_says()
    {
        _histogram.Record(TimeSpan.FromSeconds(1));
        for (int turn = 1; turn <= 3; turn++)
            Assert.InRange(_histogram.EndTurn(0.5)!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1.125));
        Assert.Null(_histogram.EndTurn(0.5));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(1_000_000_007)]
    [InlineData(long.MaxValue)]
    public void Every_duration_is_told_to_an_eighth(long ticks)
    {
        _histogram.Record(TimeSpan.FromTicks(ticks));
        long least = Math.Max(ticks, 0);
        long most = least > long.MaxValue / 9 * 8 ? long.MaxValue : least + (least / 8);
        Assert.InRange(_histogram.EndTurn(1)!.Value.Ticks, least, most);
    }
}
