namespace WebSocketServerKit.Clients;

public sealed class PathValuesTests
{
    private readonly PathValues _values = new("/{a}/{b}", ["a", "b"], ["1", "2"]);

    [Fact]
    public void A_value_is_found_by_its_name()
    {
        Assert.Equal(("1", "2", 2), (_values["a"], _values["b"], _values.Count));
        Assert.True(_values.TryGetValue("b", out string? value));
        Assert.Equal("2", value);
        Assert.True(_values.ContainsKey("a"));
        Assert.False(_values.ContainsKey("A"));
        Assert.False(_values.TryGetValue("c", out value));
        Assert.Null(value);
    }

    [Fact]
    public void A_name_that_the_template_does_not_have_is_told_with_those_that_it_has()
    {
        Assert.Equal("There is no value \"room\": the parameters of \"/{a}/{b}\" are a, b.", Assert.Throws<KeyNotFoundException>(() => _values["room"]).Message);
        Assert.Equal(
            "There is no value \"room\": the client's path matches no template with parameters. Add one: server.Path(\"/chat/{room}\").",
            Assert.Throws<KeyNotFoundException>(() => PathValues.None["room"]).Message);
        Assert.Throws<ArgumentNullException>(() => _values[null!]);
    }

    [Fact]
    public void It_lists_its_parameters_in_the_order_of_the_template()
    {
        Assert.Equal([new("a", "1"), new("b", "2")], _values.ToArray());
        Assert.Equal(["a", "b"], _values.Keys, StringComparer.Ordinal);
        Assert.Equal(["1", "2"], _values.Values, StringComparer.Ordinal);
        Assert.Equal(2, ((System.Collections.IEnumerable)_values).Cast<object>().Count());
        Assert.Empty(PathValues.None);
    }
}
