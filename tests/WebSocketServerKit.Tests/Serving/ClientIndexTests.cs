using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class ClientIndexTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientIndex<string> _index = new(client => ref client.PlaceByPath, StringComparer.Ordinal);

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Several_clients_may_share_a_key_and_none_is_lost()
    {
        WebSocketClient first = _bench.Client(), second = _bench.Client(), other = _bench.Client();
        _index.Add("/chat", first);
        _index.Add("/chat", second);
        _index.Add("/other", other);
        Assert.Equal([first, second], _index.Find("/chat").OrderBy(client => client.Id));
        Assert.Equal([other], _index.Find("/other"));

        _index.Remove("/chat", first);
        Assert.Equal([second], _index.Find("/chat"));
        _index.Remove("/chat", second);
        Assert.Empty(_index.Find("/chat"));
        _index.Add("/chat", first);
        Assert.Equal([first], _index.Find("/chat"));
    }

    [Fact]
    public void Clients_leave_in_any_order()
    {
        WebSocketClient[] clients = [.. Enumerable.Range(0, 5).Select(_ => _bench.Client())];
        foreach (WebSocketClient client in clients)
            _index.Add("/chat", client);

        List<WebSocketClient> left = [.. clients];
        foreach (int leaving in (int[])[1, 4, 0, 3, 2])
        {
            _index.Remove("/chat", clients[leaving]);
            left.Remove(clients[leaving]);
            Assert.Equal(left, _index.Find("/chat").OrderBy(client => client.Id));
        }
    }

    [Fact]
    public void Nobody_is_found_under_an_unknown_key() => Assert.Empty(_index.Find("/chat"));

    [Fact]
    public void Keys_are_compared_as_the_comparer_says()
    {
        var index = new ClientIndex<string>(client => ref client.PlaceByPath, StringComparer.OrdinalIgnoreCase);
        WebSocketClient client = _bench.Client();
        index.Add("/Chat", client);
        Assert.Equal([client], index.Find("/chat"));
        index.Remove("/CHAT", client);
        Assert.Empty(index.Find("/Chat"));
    }

    [Fact]
    public void What_was_found_does_not_change_when_clients_leave()
    {
        WebSocketClient client = _bench.Client();
        _index.Add("/chat", client);
        IReadOnlyList<WebSocketClient> found = _index.Find("/chat");
        _index.Remove("/chat", client);
        Assert.Equal([client], found);
    }
}
