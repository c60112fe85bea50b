using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class ClientIndexTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly CountingIndex _index = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Several_clients_may_share_a_key_and_none_is_lost()
    {
        WebSocketClient first = _bench.Client(), second = _bench.Client(), other = _bench.Client();
        _index.Add("/chat", first);
        _index.Add("/chat", second);
        _index.Add("/other", other);
        Assert.Equal([first, second], Found("/chat"));
        Assert.Equal([other], Found("/other"));
        Assert.Equal(["/chat", "/other"], _index.Keys.Order(StringComparer.Ordinal), StringComparer.Ordinal);

        _index.Remove("/chat", first);
        Assert.Equal([second], Found("/chat"));
        _index.Remove("/chat", second);
        Assert.Null(_index.Find("/chat"));
        Assert.Equal(["/other"], _index.Keys);
        _index.Add("/chat", first);
        Assert.Equal([first], Found("/chat"));
    }

    [Fact]
    public void A_set_is_made_with_its_first_client_and_is_gone_with_its_last()
    {
        WebSocketClient first = _bench.Client(), second = _bench.Client();
        _index.Add("/chat", first);
        ClientSet set = _index.Find("/chat")!;
        _index.Add("/chat", second);
        Assert.Same(set, _index.Find("/chat"));
        _index.Remove("/chat", first);
        Assert.Equal((1, 0), (_index.Made, _index.Gone));
        _index.Remove("/chat", second);
        Assert.Equal((1, 1), (_index.Made, _index.Gone));
        _index.Add("/chat", first);
        Assert.Equal((2, 1), (_index.Made, _index.Gone));
        Assert.NotSame(set, _index.Find("/chat"));
    }

    [Fact]
    public void Nobody_is_found_under_an_unknown_key() => Assert.Null(_index.Find("/chat"));

    [Fact]
    public void Keys_are_compared_as_the_comparer_says()
    {
        var index = new ClientIndex<string>(ClientSetKind.Path, StringComparer.OrdinalIgnoreCase);
        WebSocketClient client = _bench.Client();
        index.Add("/Chat", client);
        Assert.Equal(1, index.Find("/chat")?.Count);
        index.Remove("/CHAT", client);
        Assert.Null(index.Find("/Chat"));
    }

    private WebSocketClient[] Found(string key) => [.. _index.Find(key)!.Clients.ToArray().OrderBy(client => client.Id)];

    private sealed class CountingIndex() : ClientIndex<string>(ClientSetKind.Path, StringComparer.Ordinal)
    {
        public int Made { get; private set; }

        public int Gone { get; private set; }

        protected override void Added(ClientSet set) => Made++;

        protected override void Removed(ClientSet set) => Gone++;
    }
}
