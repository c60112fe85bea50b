using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class FilteredSelectionTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void The_host_decides()
    {
        WebSocketClient client = _bench.Client("/a"), other = _bench.Client("/b");
        var selection = new FilteredSelection(_clients, asked => asked.Path == "/a");
        Assert.Equal((true, false), (selection.Accepts(client), selection.Accepts(other)));
        Assert.Equal((true, 0), (selection.IsFiltered, selection.IndexUses));
    }

    [Fact]
    public void One_client_or_several_are_left_out()
    {
        WebSocketClient a = _bench.Client(), b = _bench.Client(), c = _bench.Client();
        Assert.Equal([b, c], Accepted(new SelectionExceptClients(_clients, [a])));
        Assert.Equal([c], Accepted(new SelectionExceptClients(_clients, [a, b, a])));

        WebSocketClient[] Accepted(SelectionExceptClients selection) => [.. ((WebSocketClient[])[a, b, c]).Where(selection.Accepts)];
    }

    [Fact]
    public void Another_selection_is_left_out_by_the_indexes_if_they_can_decide_and_else_when_the_turn_of_a_client_comes()
    {
        WebSocketClient a = _bench.Client(), b = _bench.Client();
        _clients.Add(a);
        _clients.Add(b);
        a.Join("g");

        var byIndex = new SelectionExceptSelection(_clients, _clients.InGroup("g"));
        Assert.Equal((1, false), (byIndex.IndexUses, byIndex.IsFiltered));
        byIndex.Find();
        Assert.Equal((false, true), (byIndex.Has(a), byIndex.Has(b)));
        Assert.True(byIndex.Accepts(a));

        var byHost = new SelectionExceptSelection(_clients, _clients.InGroup("g").Where(_ => true));
        Assert.Equal((0, true), (byHost.IndexUses, byHost.IsFiltered));
        byHost.Find();
        Assert.Equal((true, true), (byHost.Has(a), byHost.Has(b)));
        Assert.Equal((false, true), (byHost.Accepts(a), byHost.Accepts(b)));
    }
}
