using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class DurationHistogramTests
{
    private readonly DurationHistogram _histogram = new();

    [Fact]
    public void Nothing_has_no_percentile() => Assert.Null(_histogram.Take(0.99));

    [Fact]
    public void The_99th_percentile_is_the_one_that_99_of_100_do_not_exceed()
    {
        for (int i = 1; i <= 99; i++)
            _histogram.Record(TimeSpan.FromMicroseconds(10));
        _histogram.Record(TimeSpan.FromSeconds(1));
        Assert.InRange(_histogram.Take(0.99)!.Value, TimeSpan.FromMicroseconds(10), TimeSpan.FromMicroseconds(11.25));

        _histogram.Record(TimeSpan.FromMicroseconds(10));
        _histogram.Record(TimeSpan.FromSeconds(1));
        Assert.InRange(_histogram.Take(0.99)!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1.125));
    }

    [Fact]
    public void It_begins_anew_when_it_is_taken()
    {
        _histogram.Record(TimeSpan.FromSeconds(1));
        Assert.NotNull(_histogram.Take(0.5));
        Assert.Null(_histogram.Take(0.5));
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
        Assert.InRange(_histogram.Take(1)!.Value.Ticks, least, most);
    }
}
