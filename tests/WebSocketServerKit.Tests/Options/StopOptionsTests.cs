using System.Text;
using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit.Options;

public sealed class StopOptionsTests
{
    public static TheoryData<StopOptions, string> Impossible => new()
    {
        { new StopOptions { Code = 1005 }, "must not be sent" },
        { new StopOptions { Reason = null! }, "StopOptions.Reason is null" },
        { new StopOptions { Reason = new string('x', 124) }, "Shorten it" },
        { new StopOptions { ReadinessDelay = TimeSpan.FromTicks(-1) }, "StopOptions.ReadinessDelay" },
        { new StopOptions { ReadinessDelay = Timeout.InfiniteTimeSpan }, "StopOptions.ReadinessDelay" },
        { new StopOptions { Spread = TimeSpan.FromTicks(-1) }, "StopOptions.Spread" },
        { new StopOptions { Spread = TimeSpan.FromHours(13) }, "StopOptions.Spread" },
        { new StopOptions { RetryAfter = TimeSpan.FromMilliseconds(999) }, "StopOptions.RetryAfter" },
        { new StopOptions { RetryAfter = TimeSpan.FromHours(25) }, "StopOptions.RetryAfter" },
        { new StopOptions { Timeout = TimeSpan.Zero }, "StopOptions.Timeout" },
        { new StopOptions { Timeout = TimeSpan.FromDays(10) }, "StopOptions.Timeout" },
    };

    [Fact]
    public void The_defaults_are_a_stop_without_options()
    {
        var options = new StopOptions();
        options.Validate();
        Assert.Equal((CloseCode.GoingAway, "server is stopping", TimeSpan.Zero, TimeSpan.Zero), (options.Code, options.Reason, options.ReadinessDelay, options.Spread));
        Assert.Null(options.RetryAfter);
        Assert.Null(options.Timeout);
        Assert.Null(options.RetrySeconds);
    }

    [Theory]
    [MemberData(nameof(Impossible))]
    public void An_impossible_value_is_refused_and_named(StopOptions options, string named) =>
        Assert.Contains(named, Assert.ThrowsAny<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData('x', 1)]
    [InlineData('é', 2)]
    public void A_reason_may_be_as_long_as_the_retry_hint_leaves_room_and_one_byte_more_is_refused_with_the_number(char filler, int width)
    {
        // At most 20 s: "; retry after 20 s" takes 18 of the 123 bytes.
        var options = new StopOptions { RetryAfter = TimeSpan.FromSeconds(9.5), Reason = "." + new string(filler, 104 / width) };
        options.Validate();
        Assert.Equal((10, 20), options.RetrySeconds);
        Assert.Equal(CloseFrame.MaxReasonBytes, Encoding.UTF8.GetByteCount(StopOptions.Hint(options.Reason, 20)));

        options.Reason += ".";
        ArgumentException refused = Assert.Throws<ArgumentException>(options.Validate);
        Assert.Equal("StopOptions.Reason takes 106 bytes as UTF-8, which leaves no room for \"; retry after 20 s\": with this RetryAfter it may take 105. Shorten it.", refused.Message);
        options.RetryAfter = null;
        options.Validate();
    }

    [Fact]
    public void The_retry_hint_is_jittered_over_the_spread_or_over_its_own_time_if_that_is_longer()
    {
        Assert.Equal((30, 60), new StopOptions { RetryAfter = TimeSpan.FromSeconds(30) }.RetrySeconds);
        Assert.Equal((30, 60), new StopOptions { RetryAfter = TimeSpan.FromSeconds(30), Spread = TimeSpan.FromSeconds(20) }.RetrySeconds);
        Assert.Equal((30, 120), new StopOptions { RetryAfter = TimeSpan.FromSeconds(30), Spread = TimeSpan.FromSeconds(90) }.RetrySeconds);
        Assert.Equal((24 * 3600, 48 * 3600), new StopOptions { RetryAfter = TimeSpan.FromHours(24) }.RetrySeconds);
    }

    [Fact]
    public void A_hint_without_a_reason_stands_alone()
    {
        Assert.Equal("retry after 7 s", StopOptions.Hint("", 7));
        Assert.Equal("bye; retry after 7 s", StopOptions.Hint("bye", 7));
    }
}
