using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientBackplaneTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_client_has_an_id_among_all_servers_when_it_is_connected()
    {
        WebSocketClient client = _bench.Client();
        Assert.Contains("ClientConnected", Assert.Throws<InvalidOperationException>(() => client.GlobalId).Message, StringComparison.Ordinal);
        ClientRegistry one = new(), other = new();
        one.Add(client);
        Assert.Equal(new GlobalClientId(one.NodeId, client.Id), client.GlobalId);
        Assert.NotEqual(one.NodeId, other.NodeId, StringComparer.Ordinal);
        one.Remove(client);
        Assert.Equal(new GlobalClientId(one.NodeId, client.Id), client.GlobalId);
    }

    [Fact]
    public void Without_a_backplane_a_join_is_complete_at_once()
    {
        WebSocketClient client = _bench.Client();
        ClientRegistry clients = new();
        clients.Add(client);
        ValueTask<bool> first = client.JoinAsync("a", TestContext.Current.CancellationToken), second = client.JoinAsync("a", TestContext.Current.CancellationToken);
        Assert.True(first is { IsCompletedSuccessfully: true, Result: true });
        Assert.True(second is { IsCompletedSuccessfully: true, Result: false });
    }
}
