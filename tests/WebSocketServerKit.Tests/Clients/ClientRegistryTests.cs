using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientRegistryTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(string path = "/", string address = "203.0.113.7")
    {
        WebSocketClient client = _bench.Client(path, address);
        _clients.Add(client);
        return client;
    }

    private static WebSocketClient[] ById(IEnumerable<WebSocketClient> clients) => [.. clients.OrderBy(client => client.Id)];

    [Fact]
    public void Clients_are_found_by_id_path_and_remote_address()
    {
        WebSocketClient first = Add("/chat", "203.0.113.1"), second = Add("/chat", "203.0.113.2"), third = Add("/news", "203.0.113.2");
        Assert.Same(second, _clients.Find(second.Id));
        Assert.Equal([first, second], ById(_clients.WithPath("/chat")));
        Assert.Equal([second, third], ById(_clients.WithRemoteAddress(IPAddress.Parse("203.0.113.2"))));
        Assert.Equal(3, _clients.Count);
        Assert.Null(_clients.Find(99));
        Assert.Empty(_clients.WithPath("/CHAT"));
        Assert.Empty(_clients.WithRemoteAddress(IPAddress.Loopback));
    }

    [Fact]
    public void An_index_that_is_asked_late_knows_those_who_have_come_and_follows_who_comes_and_leaves()
    {
        WebSocketClient left = Add("/chat"), first = Add("/chat"), other = Add("/news", "203.0.113.8");
        _clients.Remove(left);
        ClientSelection chat = _clients.WithPath("/chat"), near = _clients.WithRemoteAddress(IPAddress.Parse("203.0.113.7"));
        Assert.Equal([first], chat);
        Assert.Equal([first], near);
        Assert.Same(first, _clients.Find(first.Id));
        Assert.Null(_clients.Find(left.Id));
        WebSocketClient late = Add("/chat");
        _clients.Remove(first);
        Assert.Equal([late], chat);
        Assert.Equal([late], near);
        Assert.Same(late, _clients.Find(late.Id));
        Assert.Null(_clients.Find(first.Id));
        Assert.Equal([other, late], ById(_clients));
    }

    [Fact]
    public void An_IPv4_client_is_found_by_the_IPv6_form_of_its_address_too()
    {
        WebSocketClient client = Add(address: "203.0.113.1");
        Assert.Equal([client], _clients.WithRemoteAddress(IPAddress.Parse("::ffff:203.0.113.1")));
    }

    [Fact]
    public void A_link_local_client_is_found_without_its_interface_and_with_the_right_one()
    {
        WebSocketClient first = Add(address: "fe80::1%2"), second = Add(address: "fe80::1%3"), other = Add(address: "fe80::2%2");
        Assert.Equal([first, second], ById(_clients.WithRemoteAddress(IPAddress.Parse("fe80::1"))));
        Assert.Equal([second], _clients.WithRemoteAddress(IPAddress.Parse("fe80::1%3")));
        Assert.Empty(_clients.WithRemoteAddress(IPAddress.Parse("fe80::1%4")));
        Assert.Equal([other], _clients.WithRemoteAddress(IPAddress.Parse("fe80::2")));
        _clients.Remove(first);
        Assert.Equal([second], _clients.WithRemoteAddress(IPAddress.Parse("fe80::1")));
        _clients.Remove(second);
        Assert.Empty(_clients.WithRemoteAddress(IPAddress.Parse("fe80::1")));
    }

    [Fact]
    public void A_client_keeps_its_place_although_the_host_changes_its_end_point()
    {
        WebSocketClient client = Add(address: "203.0.113.1"), other = Add(address: "203.0.113.2");
        IPAddress address = IPAddress.Parse("203.0.113.1");
        ((IPEndPoint)client.RemoteEndPoint).Address = IPAddress.Parse("203.0.113.2");
        client.Join("a");
        Assert.Equal([client], _clients.WithRemoteAddress(address));
        Assert.Equal([client], _clients.InGroup("a").WithRemoteAddress(address));
        _clients.Remove(client);
        Assert.Empty(_clients.WithRemoteAddress(address));
        Assert.Equal([other], _clients.WithRemoteAddress(IPAddress.Parse("203.0.113.2")));
        Assert.Empty(_clients.Groups);
    }

    [Fact]
    public void Who_has_left_is_found_no_more()
    {
        WebSocketClient gone = Add("/chat"), stays = Add("/chat");
        _clients.Remove(gone);
        Assert.Null(_clients.Find(gone.Id));
        Assert.Equal([stays], _clients.WithPath("/chat"));
        Assert.Equal([stays], _clients.WithRemoteAddress(((IPEndPoint)gone.RemoteEndPoint).Address));
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
                Assert.InRange(_clients.WithPath("/chat").Count, 25, 100);
                Assert.Subset(_clients.ToHashSet(), mine.ToHashSet());
                Array.ForEach(mine, _clients.Remove);
            }
        }))).InTime();
        Assert.Empty(_clients);
        Assert.Empty(_clients.WithPath("/chat"));
    }

    [Fact]
    public void The_groups_are_those_that_have_a_member()
    {
        WebSocketClient first = Add(), second = Add();
        Assert.Empty(_clients.Groups);
        first.Join("a");
        first.Join("b");
        second.Join("b");
        IReadOnlyList<string> groups = _clients.Groups;
        Assert.Equal(["a", "b"], groups.Order(StringComparer.Ordinal), StringComparer.Ordinal);
        first.Leave("a");
        _clients.Remove(first);
        Assert.Equal(["b"], _clients.Groups);
        _clients.Remove(second);
        Assert.Empty(_clients.Groups);
        Assert.Equal(2, groups.Count);
    }

    [Fact]
    public async Task Many_threads_join_leave_select_and_disconnect_at_once_and_nothing_stays_behind()
    {
        WebSocketClient[] clients = [.. Enumerable.Range(0, 40).Select(_ => _bench.Client("/chat"))];
        int removed = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
        {
            var random = new Random(thread);
            if (thread < 4)
            {
                // Connects and disconnects ten of the clients.
                WebSocketClient[] mine = clients[(thread * 10)..((thread + 1) * 10)];
                for (int i = 0; i < 100; i++)
                {
                    Array.ForEach(mine, _clients.Add);
                    foreach (WebSocketClient client in mine)
                    {
                        client.Join($"own {client.Id}");
                        _clients.Remove(client);
                        Assert.Contains($"own {client.Id}", client.LeftGroups, StringComparer.Ordinal);
                        Assert.False(client.Join("late"));
                        Interlocked.Increment(ref removed);
                    }
                }

                return;
            }

            // Joins and leaves with all of them, whether they are connected or not, and uses selections meanwhile.
            ClientSelection any = _clients.InAnyGroup("0", "1", "2"), tagged = _clients.InGroup("0").WithTag("1"), but = _clients.InGroup("1").Except(_clients.InGroup("2"));
            while (Volatile.Read(ref removed) < 4_000)
            {
                WebSocketClient client = clients[random.Next(clients.Length)];
                string name = $"{random.Next(3)}";
                _ = random.Next(4) switch
                {
                    0 => client.Join(name),
                    1 => client.Leave(name),
                    2 => client.AddTag(name),
                    _ => client.RemoveTag(name),
                };
                Assert.Distinct(any.Select(found => found.Id));
                Assert.InRange(tagged.Count + but.ToArray().Length, 0, 80);
            }
        }))).InTime();
        Assert.Empty(_clients);
        Assert.Empty(_clients.Groups);
        Assert.Empty(_clients.ByTag.Keys);
        Assert.Empty(_clients.ByPath.Keys);
        Assert.Empty(_clients.ByRemoteAddress.Keys);
        Assert.All(clients, client => Assert.Empty(client.Memberships!.Places));
    }
}
