using System.Net;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientRegistryTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(string path = "/", string address = "203.0.113.7", int limit = 1024)
    {
        WebSocketClient client = _bench.Client(path, address, limit);
        _clients.Add(client);
        return client;
    }

    private static WebSocketClient[] ById(IEnumerable<WebSocketClient> clients) => [.. clients.OrderBy(client => client.Id)];

    [Fact]
    public void Clients_are_found_by_id_path_and_remote_address()
    {
        WebSocketClient first = Add("/chat", "203.0.113.1"), second = Add("/chat", "203.0.113.2"), third = Add("/news", "203.0.113.2");
        Assert.Same(second, _clients.Find(second.Id));
        Assert.Equal([first, second], ById(_clients.FindByPath("/chat")));
        Assert.Equal([second, third], ById(_clients.FindByRemoteAddress(IPAddress.Parse("203.0.113.2"))));
        Assert.Equal(3, _clients.Count);
        Assert.Null(_clients.Find(99));
        Assert.Empty(_clients.FindByPath("/CHAT"));
        Assert.Empty(_clients.FindByRemoteAddress(IPAddress.Loopback));
    }

    [Fact]
    public void An_IPv4_client_is_found_by_the_IPv6_form_of_its_address_too()
    {
        WebSocketClient client = Add(address: "203.0.113.1");
        Assert.Equal([client], _clients.FindByRemoteAddress(IPAddress.Parse("::ffff:203.0.113.1")));
    }

    [Fact]
    public void A_link_local_client_is_found_without_its_interface_and_with_the_right_one()
    {
        WebSocketClient first = Add(address: "fe80::1%2"), second = Add(address: "fe80::1%3"), other = Add(address: "fe80::2%2");
        Assert.Equal([first, second], ById(_clients.FindByRemoteAddress(IPAddress.Parse("fe80::1"))));
        Assert.Equal([second], _clients.FindByRemoteAddress(IPAddress.Parse("fe80::1%3")));
        Assert.Empty(_clients.FindByRemoteAddress(IPAddress.Parse("fe80::1%4")));
        Assert.Equal([other], _clients.FindByRemoteAddress(IPAddress.Parse("fe80::2")));
        _clients.Remove(first);
        Assert.Equal([second], _clients.FindByRemoteAddress(IPAddress.Parse("fe80::1")));
        _clients.Remove(second);
        Assert.Empty(_clients.FindByRemoteAddress(IPAddress.Parse("fe80::1")));
    }

    [Fact]
    public void Who_has_left_is_found_no_more()
    {
        WebSocketClient gone = Add("/chat"), stays = Add("/chat");
        _clients.Remove(gone);
        Assert.Null(_clients.Find(gone.Id));
        Assert.Equal([stays], _clients.FindByPath("/chat"));
        Assert.Equal([stays], _clients.FindByRemoteAddress(((IPEndPoint)gone.RemoteEndPoint).Address));
        Assert.Equal([stays], _clients);
        Assert.Single(_clients);
    }

    [Fact]
    public void Enumerating_goes_over_a_snapshot()
    {
        WebSocketClient first = Add(), second = Add();
        List<WebSocketClient> seen = [];
        foreach (WebSocketClient client in _clients)
        {
            seen.Add(client);
            _clients.Remove(client);
            if (seen.Count == 1)
                Add();
        }

        Assert.Equal([first, second], ById(seen));
        Assert.Single(_clients);
    }

    [Fact]
    public async Task Many_threads_add_remove_find_and_enumerate_at_once()
    {
        WebSocketClient[][] clients = [.. Enumerable.Range(0, 4).Select(_ => Enumerable.Range(0, 25).Select(_ => _bench.Client("/chat")).ToArray())];
        await Task.WhenAll(clients.Select(mine => Task.Run(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                Array.ForEach(mine, _clients.Add);
                Assert.All(mine, client => Assert.Same(client, _clients.Find(client.Id)));
                Assert.InRange(_clients.FindByPath("/chat").Count, 25, 100);
                Assert.Subset(_clients.ToHashSet(), mine.ToHashSet());
                Array.ForEach(mine, _clients.Remove);
            }
        }))).InTime();
        Assert.Empty(_clients);
        Assert.Empty(_clients.FindByPath("/chat"));
    }

    [Fact]
    public void A_text_goes_to_all()
    {
        WebSocketClient first = Add(), second = Add();
        Assert.Equal(new BroadcastResult { Sent = 2 }, _clients.Broadcast("grüße \ud800"));
        Assert.Equal("Text grüße \ufffd", _bench.SentTo(first));
        Assert.Equal("Text grüße \ufffd", _bench.SentTo(second));
        Assert.Equal((1, Encoding.UTF8.GetByteCount("grüße \ufffd")), (first.MessagesSent, first.BytesSent));
    }

    [Fact]
    public void Bytes_go_as_the_type_that_was_asked_for()
    {
        WebSocketClient client = Add();
        _clients.Broadcast("bytes"u8);
        _clients.Broadcast("text"u8, WebSocketMessageType.Text);
        Assert.Equal("Binary bytes\nText text", _bench.SentTo(client));
    }

    [Fact]
    public void A_text_that_is_not_UTF8_and_a_type_that_is_no_message_are_refused_before_anybody_gets_anything()
    {
        WebSocketClient client = Add();
        Assert.Throws<ArgumentException>(() => _clients.Broadcast([0xFF], WebSocketMessageType.Text));
        Assert.Throws<ArgumentOutOfRangeException>(() => _clients.Broadcast([1], WebSocketMessageType.Close));
        Assert.Throws<ArgumentNullException>(() => _clients.Broadcast((string)null!));
        Assert.Empty(_bench.SentTo(client));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65_536)]
    public void A_payload_of_any_length_arrives_whole(int length)
    {
        WebSocketClient client = Add();
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        Assert.Equal(1, _clients.Broadcast(payload).Sent);
        Assert.Equal(payload, Assert.Single(_bench.TransportOf(client).Frames).Payload);
    }

    [Fact]
    public void One_may_be_left_out_and_others_chosen()
    {
        WebSocketClient sender = Add("/chat"), chats = Add("/chat"), reads = Add("/news");
        List<WebSocketClient> asked = [];
        BroadcastResult result = _clients.Broadcast("hello", except: sender, where: client =>
        {
            asked.Add(client);
            return client.Path == "/chat";
        });
        Assert.Equal(new BroadcastResult { Sent = 1 }, result);
        Assert.Equal([chats, reads], ById(asked));
        Assert.Equal(["", "Text hello", ""], new[] { sender, chats, reads }.Select(_bench.SentTo).ToArray());
    }

    [Fact]
    public void The_choice_may_use_the_registry_and_may_throw()
    {
        Add();
        Assert.Equal(1, _clients.Broadcast("1", where: client => Task.Run(() => _clients.Find(client.Id)).Wait(TimeSpan.FromSeconds(30))).Sent);
        Assert.Throws<InvalidTimeZoneException>(() => _clients.Broadcast("2", where: _ => throw new InvalidTimeZoneException()));
        Assert.Equal(1, _clients.Broadcast("3").Sent);
    }

    [Fact]
    public void A_broadcast_waits_for_nobody_and_tells_what_happened()
    {
        WebSocketClient quick = Add(), slow = Add(limit: 1024), gone = Add();
        _bench.TransportOf(slow).HoldWrites();
        Assert.True(slow.TrySend(new string('x', 1000)).IsAccepted);
        gone.Abort();
        Assert.Equal(new BroadcastResult { Sent = 1, Full = 1, Closed = 1 }, _clients.Broadcast(new string('y', 100)));
        Assert.Equal((1, 1, 0), (quick.MessagesSent, slow.MessagesSent, gone.MessagesSent));
    }
}
