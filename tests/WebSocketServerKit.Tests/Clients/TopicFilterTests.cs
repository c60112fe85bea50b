namespace WebSocketServerKit.Clients;

public sealed class TopicFilterTests
{
    [Theory]
    [InlineData("prices")]
    [InlineData("prices/EURUSD")]
    [InlineData("#")]
    [InlineData("+")]
    [InlineData("/")]
    [InlineData("//")]
    [InlineData("+/+")]
    [InlineData("/+")]
    [InlineData("sport/tennis/#")]
    [InlineData("+/tennis/#")]
    [InlineData("sport/+/player1")]
    [InlineData("$SYS/monitor/+")]
    [InlineData("a b/Ä/😀")]
    public void Filters_of_the_specification_are_valid(string filter)
    {
        Assert.True(TopicFilter.IsValid(filter));
        TopicFilter.Check(filter);
    }

    [Theory]
    [InlineData("", "must not be empty")]
    [InlineData("a\0", "U+0000")]
    [InlineData("sport/tennis#", "level 2 has other text beside '#'")]
    [InlineData("sport+", "level 1 has other text beside '+'")]
    [InlineData("sport/+x/y", "level 2 has other text beside '+'")]
    [InlineData("##", "level 1 has other text beside '#'")]
    [InlineData("sport/tennis/#/ranking", "it is level 3, and more follow")]
    [InlineData("#/", "it is level 1, and more follow")]
    public void A_filter_that_is_not_valid_is_refused_with_what_is_wrong(string filter, string problem)
    {
        Assert.False(TopicFilter.IsValid(filter));
        Assert.Contains(problem, Assert.Throws<ArgumentException>(nameof(filter), () => TopicFilter.Check(filter)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Null_is_no_filter_and_no_topic()
    {
        Assert.False(TopicFilter.IsValid(null) || TopicFilter.IsValidTopic(null));
        Assert.Throws<ArgumentNullException>(() => TopicFilter.Check(null!));
        Assert.Throws<ArgumentNullException>(() => TopicFilter.CheckTopic(null!));
    }

    [Fact]
    public void The_length_of_filters_and_topics_and_the_levels_of_filters_are_limited()
    {
        Assert.True(TopicFilter.IsValid(new string('a', 1024)));
        Assert.False(TopicFilter.IsValid(new string('a', 1025)));
        Assert.Contains("at most 1024 characters; this one has 1025", Assert.Throws<ArgumentException>(() => TopicFilter.Check(new string('a', 1025))).Message, StringComparison.Ordinal);
        Assert.Contains("at most 1024 characters; this one has 1025", Assert.Throws<ArgumentException>(() => TopicFilter.CheckTopic(new string('a', 1025))).Message, StringComparison.Ordinal);

        Assert.True(TopicFilter.IsValid(new string('/', 31)));
        Assert.Contains("at most 32 levels; this one has 33", Assert.Throws<ArgumentException>(() => TopicFilter.Check(new string('/', 32))).Message, StringComparison.Ordinal);
        TopicFilter.CheckTopic(new string('/', 1024));
    }

    [Theory]
    [InlineData("", "must not be empty")]
    [InlineData("a\0b", "U+0000")]
    [InlineData("prices/+", "character 8 is '+'")]
    [InlineData("#", "character 1 is '#'")]
    [InlineData("a#b", "character 2 is '#'")]
    public void A_topic_that_cannot_be_sent_to_is_refused_with_what_is_wrong(string topic, string problem)
    {
        Assert.False(TopicFilter.IsValidTopic(topic));
        Assert.Contains(problem, Assert.Throws<ArgumentException>(nameof(topic), () => TopicFilter.CheckTopic(topic)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("prices/EURUSD")]
    [InlineData("$SYS")]
    public void Topics_without_wildcards_can_be_sent_to(string topic)
    {
        Assert.True(TopicFilter.IsValidTopic(topic));
        TopicFilter.CheckTopic(topic);
    }
}
