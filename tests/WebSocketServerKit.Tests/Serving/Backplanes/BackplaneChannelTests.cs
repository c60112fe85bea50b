using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving.Backplanes;

public sealed class BackplaneChannelTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_server_needs_the_channels_of_the_keys_that_its_clients_have()
    {
        ClientRegistry clients = new();
        WebSocketClient client = _bench.Client("/", "203.0.113.7");
        clients.Add(client);
        BackplaneChannel group = BackplaneChannel.Of(ClientSetKind.Group, "a"), topics = BackplaneChannel.Of(ClientSetKind.Topic, "prices/#");
        Assert.False(group.IsNeededBy(clients));
        client.Join("a");
        Assert.True(group.IsNeededBy(clients));
        Assert.False(BackplaneChannel.Group("A").IsNeededBy(clients));
        Assert.False(BackplaneChannel.User("a").IsNeededBy(clients));
        Assert.False(topics.IsNeededBy(clients));
        client.Subscribe("anything");
        Assert.True(topics.IsNeededBy(clients));
        clients.Remove(client);
        Assert.False(group.IsNeededBy(clients) || topics.IsNeededBy(clients));
    }

    [Fact]
    public void Names_of_different_kinds_never_meet() => Assert.Equal(
        5, new[] { BackplaneChannel.All, BackplaneChannel.Topics, BackplaneChannel.Group("all"), BackplaneChannel.User("all"), BackplaneChannel.Node("all") }.Distinct().Count());
}
