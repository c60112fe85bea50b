namespace WebSocketServerKit.Protocol.Handshake;

public sealed class SubprotocolSelectionTests
{
    [Theory]
    [InlineData("b,a", "a,b", "b")]
    [InlineData("x,a", "a,b", "a")]
    [InlineData("a", "a", "a")]
    public void Picks_what_the_client_prefers_among_what_the_server_supports(string requested, string supported, string selected) =>
        Assert.Equal(selected, SubprotocolSelection.Select(requested.Split(','), supported.Split(',')));

    [Theory]
    [InlineData("a", "b")]
    [InlineData("Chat", "chat")]
    public void Picks_none_if_there_is_none_in_common(string requested, string supported) =>
        Assert.Null(SubprotocolSelection.Select(requested.Split(','), supported.Split(',')));

    [Fact]
    public void Picks_none_if_one_side_names_none()
    {
        Assert.Null(SubprotocolSelection.Select([], ["a"]));
        Assert.Null(SubprotocolSelection.Select(["a"], []));
    }

    [Fact]
    public void Compares_case_even_if_the_set_of_supported_ones_does_not() =>
        Assert.Null(SubprotocolSelection.Select(["Chat"], new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "chat" }));
}
