using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientRegistryTopicsTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();
    private readonly WebSocketClient _client;

    public ClientRegistryTopicsTests()
    {
        _client = _bench.Client();
        _clients.Add(_client);
    }

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_client_has_as_many_subscriptions_as_it_may_and_no_more()
    {
        Assert.True(_clients.Subscribe("a", _client, limit: 2));
        Assert.True(_client.Join("a") && _client.Join("b") && _client.AddTag("c"));
        Assert.True(_clients.Subscribe("b", _client, limit: 2));
        string message = Assert.Throws<InvalidOperationException>(() => _clients.Subscribe("c", _client, limit: 2)).Message;
        Assert.Contains("has 2 subscriptions, and MaxSubscriptionsPerClient allows no more", message, StringComparison.Ordinal);
        Assert.Equal(2, _client.Subscriptions.Count);
        Assert.Empty(_clients.SubscribedTo("c"));

        // One that it has is no further one.
        Assert.False(_clients.Subscribe("a", _client, limit: 2));
        Assert.True(_clients.Unsubscribe("a", _client));
        Assert.False(_clients.Unsubscribe("a", _client));
        Assert.True(_clients.Subscribe("c", _client, limit: 2));
        Assert.Throws<InvalidOperationException>(() => _clients.Subscribe("a", _client, limit: 2));
    }

    [Fact]
    public void The_limit_is_that_of_each_client_and_null_is_none()
    {
        WebSocketClient other = _bench.Client();
        _clients.Add(other);
        for (int i = 0; i < 2_000; i++)
            Assert.True(_clients.Subscribe($"{i}", _client, limit: null));
        Assert.True(_clients.Subscribe("0", other, limit: 1));
        Assert.Throws<InvalidOperationException>(() => _clients.Subscribe("1", other, limit: 1));
    }

    [Fact]
    public void Who_has_left_is_refused_without_an_exception()
    {
        _clients.Subscribe("a", _client, limit: 1);
        _clients.Remove(_client);
        Assert.False(_clients.Subscribe("b", _client, limit: 1));
        Assert.False(_clients.Unsubscribe("a", _client));
    }
}
