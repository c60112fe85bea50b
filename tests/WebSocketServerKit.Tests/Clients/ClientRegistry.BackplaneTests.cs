using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Backplanes;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientRegistryBackplaneTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task A_node_learns_the_keys_that_are_there_and_those_that_come()
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        client.Join("before");
        ScriptedBackplane backplane = new();
        await using ServerNode node = await ServerNode.ConnectAsync(
            backplane, _clients, new ServerLog(NullLogger.Instance), TimeProvider.System, TestContext.Current.CancellationToken);
        client.Join("after");
        await Polling.UntilAsync(() => backplane.Calls.Length == 4);
        Assert.Equal(["+group:after", "+group:before"], backplane.Calls[2..].Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Same(node, _clients.Node);
        await node.DisposeAsync();
        Assert.Null(_clients.Node);
    }

    [Fact]
    public void A_key_is_there_while_a_client_has_it()
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        Assert.False(_clients.HasKey(ClientSetKind.Group, "a"));
        client.Join("a");
        Assert.True(_clients.HasKey(ClientSetKind.Group, "a"));
        Assert.True(_clients.HasKey(ClientSetKind.Group, null));
        Assert.False(_clients.HasKey(ClientSetKind.Topic, null));
        client.Leave("a");
        Assert.False(_clients.HasKey(ClientSetKind.Group, "a"));
    }
}
