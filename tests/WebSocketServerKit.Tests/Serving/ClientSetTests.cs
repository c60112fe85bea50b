using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class ClientSetTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    // The kind decides where the place of a client is kept.
    public static TheoryData<int> Kinds => [.. Enum.GetValues<ClientSetKind>().Select(kind => (int)kind)];

    private static ClientSet Empty(int kind) => new((ClientSetKind)kind, "x");

    private WebSocketClient[] Clients(int count) => [.. Enumerable.Range(0, count).Select(_ =>
    {
        WebSocketClient client = _bench.Client();
        client.Memberships = new ClientMemberships(_clients);
        return client;
    })];

    private static WebSocketClient[] ById(ReadOnlySpan<WebSocketClient> clients) => [.. clients.ToArray().OrderBy(client => client.Id)];

    private static WebSocketClient[] Of(SelectedClients snapshot) => [.. Enumerable.Range(0, snapshot.Count).Select(i => snapshot[i])];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Clients_leave_in_any_order(int kind)
    {
        WebSocketClient[] clients = Clients(40);
        foreach (bool isShared in (bool[])[false, true])
        {
            ClientSet set = Empty(kind);
            foreach (WebSocketClient client in clients)
                set.Add(client);
            List<WebSocketClient> left = [.. clients];
            var random = new Random(14);
            while (left.Count > 0)
            {
                if (isShared)
                    set.Snapshot();
                WebSocketClient leaving = left[random.Next(left.Count)];
                set.Remove(leaving);
                left.Remove(leaving);
                Assert.Equal(left, ById(set.Clients));
                Assert.Equal(left.Count, set.Count);
            }
        }

        Assert.All(clients, client => Assert.Empty(client.Memberships!.Places));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_snapshot_never_changes_whoever_comes_and_leaves(int kind)
    {
        ClientSet set = Empty(kind);
        WebSocketClient[] clients = Clients(20);
        List<WebSocketClient> left = [];
        List<(SelectedClients Snapshot, WebSocketClient[] Expected)> snapshots = [];
        var random = new Random(14);
        for (int i = 0; i < 1_000; i++)
        {
            WebSocketClient client = clients[random.Next(clients.Length)];
            if (left.Remove(client))
            {
                set.Remove(client);
            }
            else
            {
                set.Add(client);
                left.Add(client);
            }

            if (random.Next(3) == 0)
                snapshots.Add((set.Snapshot(), [.. left.OrderBy(client => client.Id)]));
        }

        Assert.All(snapshots, pair => Assert.Equal(pair.Expected, ById(Of(pair.Snapshot))));
    }

    [Fact]
    public void A_snapshot_of_a_set_that_does_not_change_or_only_grows_allocates_nothing()
    {
        ClientSet set = Empty((int)ClientSetKind.Path);
        WebSocketClient[] clients = Clients(1_000);
        foreach (WebSocketClient client in clients)
            set.Add(client);
        _ = set.Snapshot();
        WebSocketClient another = Clients(1)[0];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            _ = set.Snapshot();
        set.Add(another);
        SelectedClients last = set.Snapshot();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1_001, last.Count);
    }

    [Fact]
    public void A_set_that_has_shrunk_does_not_keep_the_memory_of_its_best_times()
    {
        ClientSet set = Empty((int)ClientSetKind.Path);
        WebSocketClient[] clients = Clients(1_000);
        foreach (WebSocketClient client in clients)
            set.Add(client);
        foreach (WebSocketClient client in clients[..990])
            set.Remove(client);
        // A set with room for more adds one without a new array; 40 more do not fit.
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (WebSocketClient client in clients[..40])
            set.Add(client);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 4_000);
        Assert.Equal(50, set.Count);
    }

    [Fact]
    public void Knows_who_is_in_it_by_what_they_have_in_common()
    {
        WebSocketClient client = _bench.Client("/chat", "203.0.113.1"), other = _bench.Client("/news", "fe80::1%2");
        _clients.Add(client);
        _clients.Add(other);
        client.Join("g");
        client.AddTag("t");
        ClientSet?[] sets = [
            _clients.ByPath.Find("/chat"), _clients.ByRemoteAddress.Find(System.Net.IPAddress.Parse("203.0.113.1")), _clients.ByGroup.Find("g"), _clients.ByTag.Find("t")];
        Assert.All(sets, set => Assert.Equal((true, false), (set!.Contains(client), set.Contains(other))));
        Assert.True(_clients.ByRemoteAddress.Find(System.Net.IPAddress.Parse("fe80::1"))!.Contains(other));
        Assert.Equal([ClientSetKind.Path, ClientSetKind.RemoteAddress, ClientSetKind.Group, ClientSetKind.Tag], sets.Select(set => set!.Kind));
        Assert.Equal("g", sets[2]!.Key);
    }
}
