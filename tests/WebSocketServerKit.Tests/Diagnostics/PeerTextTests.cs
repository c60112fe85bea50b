namespace WebSocketServerKit.Diagnostics;

public sealed class PeerTextTests
{
    [Theory]
    [InlineData("")]
    [InlineData("going away")]
    [InlineData("/b\u00FCcher \u20AC \U0001F600")]
    [InlineData("https://app.example.com:8443")]
    public void Stays_as_it_is_where_nothing_is_special(string text) => Assert.Same(text, new PeerText(text).ToString());

    [Theory]
    [InlineData("bye\r\nfail: forged", "bye\\u000D\\u000Afail: forged")]
    [InlineData("\0", "\\u0000")]
    [InlineData("a\tb", "a\\u0009b")]
    [InlineData("\u001B[31mred", "\\u001B[31mred")]
    [InlineData("\u007F", "\\u007F")]
    [InlineData("a\u0085b\u009Bc", "a\\u0085b\\u009Bc")]
    [InlineData("a\u2028b\u2029", "a\\u2028b\\u2029")]
    public void Has_no_line_break_and_no_other_control(string text, string logged) => Assert.Equal(logged, new PeerText(text).ToString());

    [Theory]
    [InlineData("say \"hi\"", "say \\\"hi\\\"")]
    [InlineData("C:\\new", "C:\\\\new")]
    [InlineData("\\u000A", "\\\\u000A")]
    public void Can_stand_in_a_string_literal_and_is_never_taken_for_another_text(string text, string logged) =>
        Assert.Equal(logged, new PeerText(text).ToString());
}
