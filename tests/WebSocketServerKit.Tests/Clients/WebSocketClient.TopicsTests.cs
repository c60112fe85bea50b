using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientTopicsTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add()
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        return client;
    }

    [Fact]
    public void A_client_subscribes_and_unsubscribes_and_is_told_whether_that_changed_anything()
    {
        WebSocketClient client = Add();
        Assert.True(client.Subscribe("prices/#"));
        Assert.False(client.Subscribe("prices/#"));
        Assert.True(client.Subscribe("prices/EURUSD"));
        Assert.Equal(["prices/#", "prices/EURUSD"], client.Subscriptions.Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.True(client.Unsubscribe("prices/#"));
        Assert.False(client.Unsubscribe("prices/#"));
        Assert.False(client.Unsubscribe("prices/GBPUSD"));
        Assert.Equal(["prices/EURUSD"], client.Subscriptions);
    }

    [Fact]
    public void Subscriptions_groups_and_tags_of_one_name_are_different_things()
    {
        WebSocketClient client = Add();
        Assert.True(client.Join("x") && client.AddTag("x") && client.Subscribe("x"));
        Assert.True(client.Leave("x"));
        Assert.Equal((0, 1, 1), (client.Groups.Count, client.Tags.Count, client.Subscriptions.Count));
        Assert.True(client.Unsubscribe("x"));
        Assert.True(client.HasTag("x"));
    }

    [Fact]
    public void Who_is_not_registered_yet_or_has_left_has_no_subscriptions_and_gets_none()
    {
        WebSocketClient early = _bench.Client(), client = Add();
        Assert.False(early.Subscribe("a") || early.Unsubscribe("a"));
        Assert.Empty(early.Subscriptions);
        Assert.Empty(client.Subscriptions);
        client.Subscribe("a/+");
        client.Subscribe("#");
        _clients.Remove(client);
        Assert.Empty(client.Subscriptions);
        Assert.False(client.Subscribe("b") || client.Subscribe("a/+") || client.Unsubscribe("a/+"));
        Assert.Empty(_clients.SubscribedTo("a/b"));
        Assert.Empty(_clients.ByTopic.Keys);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/#/b")]
    [InlineData("a+")]
    public void A_filter_that_is_not_valid_is_refused(string filter)
    {
        WebSocketClient client = Add();
        Assert.Throws<ArgumentException>(nameof(filter), () => client.Subscribe(filter));
        Assert.Throws<ArgumentException>(nameof(filter), () => client.Unsubscribe(filter));
        Assert.Empty(client.Subscriptions);
    }
}
