using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving.Topics;

public sealed class TopicSelectionTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void The_sets_are_looked_up_anew_at_each_use()
    {
        var selection = new TopicSelection(_clients, _clients.ByTopic, "a/b");
        Assert.Equal(0, selection.Find());
        WebSocketClient client = _bench.Client(), other = _bench.Client();
        _clients.Add(client);
        _clients.Add(other);
        client.Subscribe("a/#");
        client.Subscribe("+/b");
        other.Subscribe("a");
        Assert.Equal(2, selection.Find()); // at most: one client is in both
        Assert.Equal(2, selection.Sets.Length);
        Assert.Equal((true, false), (selection.Has(client), selection.Has(other)));
        client.Unsubscribe("a/#");
        client.Unsubscribe("+/b");
        Assert.Equal(0, selection.Find());
        Assert.False(selection.Has(client));
    }
}
