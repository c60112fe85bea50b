using System.Buffers;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class SelectedClientsTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void An_array_of_the_pool_is_returned_without_clients_and_one_of_a_set_is_left_alone()
    {
        WebSocketClient client = _bench.Client();
        WebSocketClient[] rented = ArrayPool<WebSocketClient>.Shared.Rent(1);
        rented[0] = client;
        var selected = new SelectedClients(rented, 1, isRented: true);
        Assert.Equal((1, client), (selected.Count, selected[0]));
        selected.Dispose();
        Assert.Null(rented[0]);

        WebSocketClient[] shared = [client];
        new SelectedClients(shared, 1).Dispose();
        Assert.Same(client, shared[0]);
    }
}
