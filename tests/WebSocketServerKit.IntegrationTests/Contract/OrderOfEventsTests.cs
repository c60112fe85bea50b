using System.Collections.Concurrent;
using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

public class OrderOfEventsTests
{
    [Fact]
    public async Task Each_client_gets_its_events_in_the_promised_order_and_is_listed_just_between()
    {
        var events = new ConcurrentQueue<string>();
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            bool Listed(WebSocketClient client) =>
                server.Clients.Find(client.Id) == client && server.Clients.Contains(client)
                && server.Clients.WithPath(client.Path).Contains(client) && server.Clients.WithRemoteAddress(((IPEndPoint)client.RemoteEndPoint).Address).Contains(client);
            bool Unlisted(WebSocketClient client) =>
                server.Clients.Find(client.Id) is null && !server.Clients.Contains(client)
                && !server.Clients.WithPath(client.Path).Contains(client) && !server.Clients.WithRemoteAddress(((IPEndPoint)client.RemoteEndPoint).Address).Contains(client);

            server.Handshaking += (_, _) => events.Enqueue($"handshaking, {server.Clients.Count} listed");
            server.ClientConnected += (_, e) => events.Enqueue($"connected, listed {Listed(e.Client)}, open {e.Client.IsOpen}");
            server.MessageReceived += (_, e) => events.Enqueue($"message {e.Text}, listed {Listed(e.Client)}");
            server.ClientDisconnected += (_, e) =>
                events.Enqueue($"disconnected, unlisted {Unlisted(e.Client)}, open {e.Client.IsOpen}, left {e.Client.ConnectionClosed.IsCancellationRequested}");
        });
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        byte[] everything = [.. TestClient.Request("/x"), .. TestClient.Text("1"), .. TestClient.Text("2"), .. TestClient.Close(1000), .. TestClient.Text("after Close")];
        await client.WriteAsync(everything);
        await client.ReadAnswerAsync();
        await client.AssertClosedAsync(1000);
        client.Dispose();
        await server.NextEndAsync();
        await server.Server.StopAsync(TestServer.Timely);

        Assert.Equal(
            [
                "handshaking, 0 listed", "connected, listed True, open True", "message 1, listed True", "message 2, listed True",
                "disconnected, unlisted True, open False, left True",
            ],
            events.ToArray());
    }

    [Fact]
    public async Task The_first_message_waits_until_async_handlers_of_ClientConnected_have_ended()
    {
        TaskCompletionSource gate = Async.Gate();
        var events = new ConcurrentQueue<string>();
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.ClientConnected += async (_, _) =>
            {
                await gate.Task;
                events.Enqueue("connected");
            };
            server.MessageReceived += (_, e) =>
            {
                events.Enqueue(e.Text);
                e.Client.TrySend("got it");
            };
        });
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("message");
        Assert.Empty(events);
        gate.SetResult();

        Assert.Equal("got it", await client.ReadTextAsync());
        Assert.Equal(["connected", "message"], events.ToArray());
    }

    [Fact]
    public async Task One_client_has_one_message_at_a_time_in_the_order_of_the_wire()
    {
        const int Count = 2_000;
        int inside = 0;
        int next = 0;
        bool broken = false;
        TaskCompletionSource done = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            broken |= Interlocked.Increment(ref inside) != 1;
            broken |= e.Text != $"{next}";
            if (next % 3 == 0)
                await Task.Yield();
            next++;
            broken |= Interlocked.Decrement(ref inside) != 0;
            if (next == Count)
                done.SetResult();
        });
        using TestClient client = await server.OpenAsync();

        await client.WriteAsync(Enumerable.Range(0, Count).SelectMany(i => TestClient.Text($"{i}")).ToArray());
        await done.Task.Timely();
        Assert.False(broken);
        Assert.Equal(Count, next);
    }

    [Fact]
    public async Task Different_clients_are_served_at_the_same_time()
    {
        // Each handler waits for the other's client: one after the other they would never end.
        using var both = new Barrier(2);
        TaskCompletionSource met = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, _) =>
        {
            if (both.SignalAndWait(TimeSpan.FromSeconds(30)))
                met.TrySetResult();
        });
        using TestClient first = await server.OpenAsync();
        using TestClient second = await server.OpenAsync();
        await first.SendAsync("x");
        await second.SendAsync("x");
        await met.Task.Timely();
    }

    [Fact]
    public async Task Every_connected_client_is_disconnected_exactly_once_when_everybody_ends_it_at_once()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        for (int round = 0; round < 200; round++)
        {
            (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
            await Task.WhenAll(
                Task.Run(() => client.CloseAsync(cancellationToken: TestServer.Timely), TestServer.Timely),
                Task.Run(raw.Reset, TestServer.Timely),
                Task.Run(client.Abort, TestServer.Timely),
                Task.Run(() => client.CloseAsync(cancellationToken: TestServer.Timely), TestServer.Timely)).Timely();
            Assert.Same(client, (await server.NextEndAsync()).Client);
        }

        Assert.Empty(server.Clients);
        server.AssertNoMoreEnds();
    }
}
