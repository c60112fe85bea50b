using System.Collections;

namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HeaderFieldsTests
{
    private static readonly HeaderFields Fields = new() { { "Host", "a" }, { "Cookie", "b=1" }, { "cookie", "c=2" }, { "Empty", "" } };

    [Fact]
    public void Counts_lines() => Assert.Equal(4, Fields.Count);

    [Theory]
    [InlineData("Host", "a")]
    [InlineData("hOST", "a")]
    [InlineData("Empty", "")]
    [InlineData("Cookie", "b=1, c=2")]
    [InlineData("Origin", null)]
    public void Finds_a_header_in_any_case_and_joins_repeated_lines(string name, string? value) => Assert.Equal(value, Fields[name]);

    [Fact]
    public void Gives_one_value_per_line()
    {
        Assert.Equal(["b=1", "c=2"], Fields.GetValues("COOKIE"));
        Assert.Equal(["a"], Fields.GetValues("host"));
        Assert.Empty(Fields.GetValues("Origin"));
    }

    [Theory]
    [InlineData("Host", 1)]
    [InlineData("cookie", 2)]
    [InlineData("Origin", 0)]
    public void Counts_the_lines_of_a_name(string name, int count) => Assert.Equal(count, Fields.CountOf(name));

    [Fact]
    public void Keeps_the_order_and_case_in_which_lines_were_sent()
    {
        const string expected = "[Host, a] [Cookie, b=1] [cookie, c=2] [Empty, ]";
        Assert.Equal(expected, string.Join(' ', Fields));
        Assert.Equal(expected, string.Join(' ', ((IEnumerable)Fields).Cast<object>()));
    }
}
