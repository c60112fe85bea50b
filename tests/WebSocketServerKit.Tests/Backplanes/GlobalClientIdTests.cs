namespace WebSocketServerKit.Backplanes;

public class GlobalClientIdTests
{
    [Fact]
    public void What_it_writes_it_reads()
    {
        GlobalClientId id = new("a1b2", 17);
        Assert.Equal("a1b2.17", id.ToString());
        Assert.Equal(id, GlobalClientId.Parse("a1b2.17"));
        Assert.True(GlobalClientId.TryParse("with.dots.9223372036854775807", out id));
        Assert.Equal(new GlobalClientId("with.dots", long.MaxValue), id);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("17")]
    [InlineData(".17")]
    [InlineData("node.")]
    [InlineData("node.x")]
    [InlineData("node.-1")]
    [InlineData("node.9223372036854775808")]
    public void Anything_else_is_refused(string? text)
    {
        Assert.False(GlobalClientId.TryParse(text, out _));
        if (text is not null)
            Assert.Contains("<node>.<number>", Assert.Throws<FormatException>(() => GlobalClientId.Parse(text)).Message, StringComparison.Ordinal);
    }
}
