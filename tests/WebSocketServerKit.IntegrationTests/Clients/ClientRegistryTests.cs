using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public class ClientRegistryTests
{
    [Fact]
    public async Task Clients_are_found_by_id_path_and_remote_address()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw1, WebSocketClient room1) = await server.ConnectAsync("/room?user=1");
        (TestClient raw2, WebSocketClient room2) = await server.ConnectAsync("/room?user=2");
        (TestClient raw3, WebSocketClient other) = await server.ConnectAsync("/Room");

        Assert.Equal(3, server.Clients.Count);
        Assert.Equal([room1, room2, other], server.Clients.OrderBy(client => client.Id));
        Assert.Same(room2, server.Clients.Find(room2.Id));
        Assert.Null(server.Clients.Find(4711));
        Assert.Equal([room1, room2], server.Clients.WithPath("/room").OrderBy(client => client.Id));
        Assert.Equal([other], server.Clients.WithPath("/Room"));
        Assert.Empty(server.Clients.WithPath("/nowhere"));
        Assert.Equal(3, server.Clients.WithRemoteAddress(IPAddress.Loopback).Count);
        Assert.Empty(server.Clients.WithRemoteAddress(IPAddress.Parse("192.0.2.1")));

        await raw1.LeaveAsync();
        await server.NextEndAsync();
        Assert.Equal([room2], server.Clients.WithPath("/room"));
        Assert.Null(server.Clients.Find(room1.Id));
        Assert.Equal([room2, other], server.Clients.OrderBy(client => client.Id));
        raw2.Dispose();
        raw3.Dispose();
    }

    [Fact]
    public async Task A_snapshot_is_not_disturbed_by_those_who_come_and_leave()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient first) = await server.ConnectAsync();
        using IEnumerator<WebSocketClient> clients = server.Clients.GetEnumerator();
        (TestClient raw2, _) = await server.ConnectAsync();
        await raw.LeaveAsync();
        await server.NextEndAsync();

        Assert.True(clients.MoveNext());
        Assert.Same(first, clients.Current);
        Assert.False(clients.MoveNext());
        Assert.Single(server.Clients);
        raw2.Dispose();
    }

    [Fact]
    public async Task A_broadcast_reaches_all_or_some_and_says_how_many()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        var raws = new List<TestClient>();
        var clients = new List<WebSocketClient>();
        for (int i = 0; i < 5; i++)
        {
            (TestClient raw, WebSocketClient client) = await server.ConnectAsync($"/{i % 2}");
            raws.Add(raw);
            clients.Add(client);
        }

        byte[] three = [1, 2, 3];
        Assert.Equal(5, server.Clients.Broadcast("to all").Accepted);
        Assert.Equal(4, server.Clients.Except(clients[0]).Broadcast("to all but one").Accepted);
        Assert.Equal(3, server.Clients.Where(client => client.Path == "/0").Broadcast("to some").Accepted);
        Assert.Equal(2, server.Clients.WithPath("/0").Except(clients[2]).Broadcast("to some but one").Accepted);
        Assert.Equal(5, server.Clients.Broadcast(three).Accepted);
        Assert.Equal(5, server.Clients.Broadcast("text"u8.ToArray(), WebSocketMessageType.Text).Accepted);
        Assert.Throws<ArgumentException>(() => server.Clients.Broadcast([0xFF], WebSocketMessageType.Text));
        Assert.Throws<InvalidDataException>(() => server.Clients.Where(_ => throw new InvalidDataException()).Broadcast("x"));

        for (int i = 0; i < 5; i++)
        {
            var expected = new List<string> { "to all" };
            if (i != 0)
                expected.Add("to all but one");
            if (i % 2 == 0)
                expected.Add("to some");
            if (i is 0 or 4)
                expected.Add("to some but one");
            foreach (string text in expected)
                Assert.Equal(text, await raws[i].ReadTextAsync());
            ReceivedFrame binary = await raws[i].ReadFrameAsync();
            Assert.Equal(Opcode.Binary, binary.Opcode);
            Assert.Equal(three, binary.Payload);
            Assert.Equal("text", await raws[i].ReadTextAsync());
            raws[i].Dispose();
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65_536)]
    [InlineData(2_000_000)]
    public async Task A_broadcast_of_any_size_arrives_whole(int size)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        byte[] payload = [.. Enumerable.Range(0, size).Select(i => (byte)i)];
        Assert.Equal(1, server.Clients.Broadcast(payload).Accepted);
        ReceivedFrame frame = await raw.ReadFrameAsync();
        Assert.True(payload.AsSpan().SequenceEqual(frame.Payload));
        Assert.Equal((1, size), (client.MessagesSent, client.BytesSent));
        raw.Dispose();
    }

    [Fact]
    public async Task Clients_that_are_leaving_do_not_get_a_broadcast()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient stays, _) = await server.ConnectAsync();
        (TestClient leaves, WebSocketClient leaving) = await server.ConnectAsync();
        Task close = leaving.CloseAsync(TestServer.Timely);

        BroadcastResult result = server.Clients.Broadcast("x");
        Assert.Equal((1, 0, 1), (result.Accepted, result.Dropped, result.Closed));
        Assert.Equal("x", await stays.ReadTextAsync());
        Assert.Equal(Opcode.Close, (await leaves.ReadFrameAsync()).Opcode);
        await leaves.SendCloseAsync(1000);
        await close.Timely();
        leaves.Dispose();
        stays.Dispose();
    }

    [Fact]
    public async Task Broadcasts_while_clients_come_and_leave_reach_those_who_stay_in_order()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient stays = await server.OpenAsync();
        await server.NextClientAsync();
        Task coming = Task.Run(
            async () =>
            {
                for (int i = 0; i < 50; i++)
                    (await server.OpenAsync("/guest")).Reset();
            },
            TestServer.Timely);
        int sent = 0;
        while (!coming.IsCompleted && sent < 10_000)
        {
            server.Clients.WithPath("/").Broadcast($"{sent}");
            Assert.Equal($"{sent++}", await stays.ReadTextAsync());
        }

        await coming.Timely();
        await Polling.UntilAsync(() => server.Clients.Count == 1);
    }
}
