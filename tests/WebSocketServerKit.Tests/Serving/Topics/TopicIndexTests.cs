using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving.Topics;

public sealed class TopicIndexTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(params string[] filters)
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        Assert.All(filters, filter => Assert.True(client.Subscribe(filter)));
        return client;
    }

    private string[] Match(string topic)
    {
        List<ClientSet> found = [];
        _clients.ByTopic.Match(topic, found);
        return [.. found.Select(set => (string)set.Key).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public void A_filter_is_found_while_it_has_clients()
    {
        WebSocketClient first = Add("a/+", "a/b"), second = Add("a/+");
        Assert.Equal(["a/+", "a/b"], Match("a/b"));
        first.Unsubscribe("a/+");
        Assert.Equal(["a/+", "a/b"], Match("a/b"));
        _clients.Remove(first);
        Assert.Equal(["a/+"], Match("a/b"));
        second.Unsubscribe("a/+");
        Assert.Empty(Match("a/b"));
        Assert.Empty(_clients.ByTopic.Keys);
    }
}
