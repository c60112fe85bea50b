namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HeaderTokensTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("!#$%&'*+-.^_`|~09AZaz")]
    public void Knows_a_token(string text) => Assert.True(HeaderTokens.IsToken(text));

    [Theory]
    [InlineData("")]
    [InlineData(" a")]
    [InlineData("a b")]
    [InlineData("a\t")]
    [InlineData("\0")]
    [InlineData("\u007F")]
    [InlineData("\u00E9")]
    [InlineData("\u0141")]
    public void Knows_what_is_no_token(string text) => Assert.False(HeaderTokens.IsToken(text));

    [Fact]
    public void Has_no_separator_of_RFC_9110_in_tokens()
    {
        foreach (char separator in "(),/:;<=>?@[\\]{}\"")
            Assert.False(HeaderTokens.IsToken(separator.ToString()));
    }

    [Fact]
    public void Has_the_same_characters_as_bytes()
    {
        for (int value = 0; value < 256; value++)
            Assert.Equal(HeaderTokens.IsToken(((char)value).ToString()), HeaderTokens.Bytes.Contains((byte)value));
    }

    [Theory]
    [InlineData("Upgrade")]
    [InlineData("uPGRADE")]
    [InlineData("keep-alive, Upgrade")]
    [InlineData("keep-alive,upgrade,close")]
    [InlineData(",, \tUpgrade\t ,")]
    public void Finds_a_token_in_a_list(string list) => Assert.True(HeaderTokens.Contains(list, "Upgrade"));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("keep-alive")]
    [InlineData("Upgrades")]
    [InlineData("no Upgrade")]
    [InlineData("\u00A0Upgrade")]
    public void Finds_no_token_that_is_not_in_the_list(string? list) => Assert.False(HeaderTokens.Contains(list, "Upgrade"));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" , ,\t,")]
    [InlineData("a", "a")]
    [InlineData(" a,b ,, c d,\"e\"", "a", "b", "c d", "\"e\"")]
    public void Gives_the_elements_in_order_without_whitespace_and_empty_ones(string? list, params string[] elements) =>
        Assert.Equal(elements, HeaderTokens.Parse(list));
}
