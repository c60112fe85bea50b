namespace WebSocketServerKit.Connections.Watching;

public sealed class SessionExpiryTests
{
    private static readonly DateTimeOffset Noon = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly SessionExpiry _expiry = new();

    private ExpiryAction Beat(double minutesFromNoon, double notice = 1) => _expiry.Beat(Noon + Minute * minutesFromNoon, Minute * notice, out _);

    [Fact]
    public void Without_a_date_nothing_expires()
    {
        Assert.Null(_expiry.At);
        Assert.Equal(ExpiryAction.None, _expiry.Beat(DateTimeOffset.MaxValue, Minute, out _));
        _expiry.At = Noon;
        _expiry.At = null;
        Assert.Null(_expiry.At);
        Assert.Equal(ExpiryAction.None, Beat(0));
    }

    [Fact]
    public void It_is_told_once_before_the_end_and_closed_once()
    {
        _expiry.At = Noon.ToOffset(TimeSpan.FromHours(5));
        Assert.Equal(ExpiryAction.None, Beat(-1.1));
        Assert.Equal(ExpiryAction.Notify, _expiry.Beat(Noon - Minute, Minute, out DateTimeOffset at));
        Assert.Equal(Noon, at);
        Assert.Equal(ExpiryAction.None, Beat(-0.1));
        Assert.Equal(ExpiryAction.Close, Beat(0));
        Assert.Equal(ExpiryAction.None, Beat(0));
        Assert.Equal(Noon, _expiry.At);
    }

    [Fact]
    public void A_renewal_is_a_new_date_which_is_told_again()
    {
        _expiry.At = Noon;
        Assert.Equal(ExpiryAction.Notify, Beat(-0.5));
        _expiry.At = Noon;
        Assert.Equal(ExpiryAction.None, Beat(-0.4));
        _expiry.At = Noon + Minute * 5;
        Assert.Equal(ExpiryAction.None, Beat(0));
        Assert.Equal(ExpiryAction.Notify, Beat(4.5));
        Assert.Equal(ExpiryAction.Close, Beat(5));
    }

    [Fact]
    public void A_session_that_has_expired_cannot_be_renewed()
    {
        _expiry.At = Noon;
        Assert.Equal(ExpiryAction.Close, Beat(0));
        _expiry.At = Noon + Minute;
        _expiry.At = null;
        Assert.Equal(Noon, _expiry.At);
        Assert.Equal(ExpiryAction.None, Beat(2));
    }

    [Fact]
    public void A_clock_that_is_set_forward_closes_without_a_notice_and_one_that_is_set_back_waits()
    {
        _expiry.At = Noon;
        Assert.Equal(ExpiryAction.None, Beat(-1000));
        Assert.Equal(ExpiryAction.None, Beat(-2000));
        Assert.Equal(ExpiryAction.Close, Beat(1000));
    }

    [Fact]
    public void Without_a_notice_time_nothing_is_told()
    {
        _expiry.At = Noon;
        Assert.Equal(ExpiryAction.None, Beat(-0.0001, notice: 0));
        Assert.Equal(ExpiryAction.Close, Beat(0, notice: 0));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_first_and_the_last_date_that_there_are_can_be_set(bool isLast)
    {
        _expiry.At = isLast ? DateTimeOffset.MaxValue : DateTimeOffset.MinValue;
        Assert.Equal(isLast ? DateTimeOffset.MaxValue : DateTimeOffset.MinValue, _expiry.At);
        Assert.Equal(isLast ? ExpiryAction.None : ExpiryAction.Close, Beat(0));
    }

    [Fact]
    public async Task A_renewal_either_counts_or_comes_after_the_end()
    {
        for (int i = 0; i < 1000; i++)
        {
            var expiry = new SessionExpiry { At = Noon };
            Task renewing = Task.Run(() => expiry.At = Noon + Minute, TestContext.Current.CancellationToken);
            ExpiryAction action = expiry.Beat(Noon, Minute, out _);
            await renewing;
            Assert.Equal(action == ExpiryAction.Close ? Noon : Noon + Minute, expiry.At);
        }
    }
}
