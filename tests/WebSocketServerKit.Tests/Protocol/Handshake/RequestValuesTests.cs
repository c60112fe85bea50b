namespace WebSocketServerKit.Protocol.Handshake;

public sealed class RequestValuesTests
{
    private readonly RequestValues _values = new([KeyValuePair.Create("a", "1"), KeyValuePair.Create("b", ""), KeyValuePair.Create("a", "2")]);

    [Fact]
    public void A_name_has_its_first_value_and_one_that_was_not_sent_has_none()
    {
        Assert.Equal("1", _values["a"]);
        Assert.Equal("", _values["b"]);
        Assert.Null(_values["A"]);
        Assert.Null(_values["c"]);
    }

    [Fact]
    public void All_values_of_a_name_come_in_their_order()
    {
        Assert.Equal(["1", "2"], _values.GetValues("a"));
        Assert.Empty(_values.GetValues("c"));
    }

    [Fact]
    public void All_pairs_come_in_their_order()
    {
        Assert.Equal(3, _values.Count);
        Assert.Equal(3, ((System.Collections.IEnumerable)_values).Cast<object>().Count());
        Assert.Equal("a=1 b= a=2", string.Join(' ', _values.Select(pair => $"{pair.Key}={pair.Value}")));
    }

    [Fact]
    public void Null_is_no_name()
    {
        Assert.Throws<ArgumentNullException>(() => _values[null!]);
        Assert.Throws<ArgumentNullException>(() => _values.GetValues(null!));
    }
}
