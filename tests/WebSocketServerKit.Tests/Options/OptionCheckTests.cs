namespace WebSocketServerKit.Options;

public sealed class OptionCheckTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void A_value_of_the_range_passes_its_ends_included(long value) => OptionCheck.Range("Some.Option", value, 2, 5);

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public void A_value_outside_is_named_with_the_range(long value) =>
        Assert.Equal($"Some.Option is {value}; it must be from 2 to 5.", Assert.Throws<ArgumentException>(() => OptionCheck.Range("Some.Option", value, 2, 5)).Message);

    [Fact]
    public void A_time_is_longer_than_zero_and_not_too_long_and_infinite_where_that_makes_sense()
    {
        OptionCheck.Time("Some.Option", TimeSpan.FromHours(2), mostHours: 2, mayBeInfinite: false);
        OptionCheck.Time("Some.Option", Timeout.InfiniteTimeSpan, mostHours: 2, mayBeInfinite: true);
        Assert.Equal(
            "Some.Option is -00:00:00.0010000; it must be longer than zero and at most 02:00:00.",
            Assert.Throws<ArgumentException>(() => OptionCheck.Time("Some.Option", Timeout.InfiniteTimeSpan, mostHours: 2, mayBeInfinite: false)).Message);
        Assert.EndsWith(
            "or Timeout.InfiniteTimeSpan. In a configuration \"3\" means 3 days: write \"00:00:03\" for 3 seconds.",
            Assert.Throws<ArgumentException>(() => OptionCheck.Time("Some.Option", TimeSpan.FromDays(3), mostHours: 2, mayBeInfinite: true)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_constant_has_to_exist_and_the_message_names_those_that_do()
    {
        OptionCheck.Defined("Some.Option", HandlerExceptionPolicy.KeepClient);
        Assert.Equal(
            "Some.Option is 9; it must be one of CloseClient, KeepClient.", Assert.Throws<ArgumentException>(() => OptionCheck.Defined("Some.Option", (HandlerExceptionPolicy)9)).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData(null)]
    public void What_is_no_token_is_no_subprotocol(string? name)
    {
        OptionCheck.Subprotocols("Some.Option", ["graphql-ws", "v2.example"]);
        Assert.StartsWith("Some.Option: \"", Assert.Throws<ArgumentException>(() => OptionCheck.Subprotocols("Some.Option", ["ok", name!])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://a.example/chat", "Some.Option: ")]
    [InlineData("https://*.example", "Some.Option: ")]
    [InlineData(null, "Some.Option has an entry that is null. ")]
    public void What_no_browser_sends_is_no_origin(string? origin, string message)
    {
        OptionCheck.Origins("Some.Option", ["https://a.example", "null", "*"]);
        Assert.StartsWith(message, Assert.Throws<ArgumentException>(() => OptionCheck.Origins("Some.Option", [origin!])).Message, StringComparison.Ordinal);
    }
}
