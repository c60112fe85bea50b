namespace WebSocketServerKit.History;

public class HistoryOffsetTests
{
    [Theory]
    [InlineData("9f3c21d07be45a18-42", "9f3c21d07be45a18", 42)]
    [InlineData("A-0", "A", 0)]
    public void An_offset_is_text_and_back(string text, string epoch, long number)
    {
        HistoryOffset offset = HistoryOffset.Parse(text);
        Assert.Equal(new HistoryOffset(epoch, number), offset);
        Assert.Equal(text, offset.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("a")]
    [InlineData("a-")]
    [InlineData("a--1")]
    [InlineData("a- 1")]
    [InlineData("a-+1")]
    [InlineData("a-1-2")]
    [InlineData("a b-1")]
    [InlineData("a\n-1")]
    [InlineData("a-9007199254740993")]
    [InlineData("a-99999999999999999999")]
    public void Anything_else_is_none(string? text) => Assert.False(HistoryOffset.TryParse(text, out _));

    [Fact]
    public void A_long_epoch_is_none() => Assert.False(HistoryOffset.TryParse(new string('a', 65) + "-1", out _));

    [Fact]
    public void Parsing_what_is_none_throws() => Assert.Throws<FormatException>(() => HistoryOffset.Parse("a"));
}
