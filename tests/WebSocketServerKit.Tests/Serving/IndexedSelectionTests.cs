using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class IndexedSelectionTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_key_is_looked_up_anew_at_each_use()
    {
        var selection = new KeySelection<string>(_clients, _clients.ByGroup, "a");
        Assert.Equal(0, selection.Find());
        Assert.Empty(selection.Sets.ToArray());
        WebSocketClient member = Add("a"), other = Add("b");
        Assert.Equal(1, selection.Find());
        Assert.Equal((true, false), (selection.Has(member), selection.Has(other)));
        member.Leave("a");
        Assert.Equal(0, selection.Find());
        Assert.False(selection.Has(member));
        other.Join("a");
        Assert.Equal(1, selection.Find());
        Assert.True(selection.Has(other));
    }

    [Fact]
    public void Of_several_keys_those_that_exist_are_found_and_one_is_enough()
    {
        WebSocketClient a = Add("a"), both = Add("a", "b"), c = Add("c");
        var selection = new AnyKeySelection(_clients, _clients.ByGroup, ["a", "b", "nobody"]);
        Assert.Equal(3, selection.Find()); // at most: one is in two of them
        Assert.Equal(2, selection.Sets.Length);
        Assert.Equal((true, true, false), (selection.Has(a), selection.Has(both), selection.Has(c)));
        both.Leave("b");
        Assert.Equal(2, selection.Find());
        Assert.Equal(1, selection.Sets.Length);
    }

    private WebSocketClient Add(params string[] groups)
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        Assert.All(groups, group => Assert.True(client.Join(group)));
        return client;
    }
}
