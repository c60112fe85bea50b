using System.Security.Claims;
using WebSocketServerKit.Serving;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientSelectionTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(string groups = "", string tags = "", string path = "/", string address = "203.0.113.7", string? user = null)
    {
        WebSocketClient client = _bench.Client(path, address, user: user is null ? null : new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", user)])));
        _clients.Add(client);
        Assert.All(groups.Split(' ', StringSplitOptions.RemoveEmptyEntries), group => Assert.True(client.Join(group)));
        Assert.All(tags.Split(' ', StringSplitOptions.RemoveEmptyEntries), tag => Assert.True(client.AddTag(tag)));
        return client;
    }

    private static void AssertSelects(ClientSelection selection, params WebSocketClient[] expected)
    {
        Assert.Equal(expected, selection.OrderBy(client => client.Id));
        Assert.Equal(expected.Length, selection.Count);
        Assert.All(expected, client => Assert.True(selection.Contains(client)));
    }

    [Fact]
    public void Each_call_narrows_in_whatever_order_they_stand()
    {
        WebSocketClient all = Add("a", "x", "/p", user: "u"), noTag = Add("a", "", "/p", user: "u"), noGroup = Add("", "x", "/p", user: "u");
        WebSocketClient otherPath = Add("a", "x", "/q", user: "u"), otherUser = Add("a", "x", "/p", user: "v"), otherAddress = Add("a", "x", "/p", "203.0.113.8", "u");
        Func<ClientSelection, ClientSelection>[] steps = [
            s => s.InGroup("a"), s => s.WithTag("x"), s => s.WithPath("/p"), s => s.WithUser("u"), s => s.WithRemoteAddress(System.Net.IPAddress.Parse("203.0.113.7"))];
        for (int first = 0; first < steps.Length; first++)
        {
            ClientSelection selection = _clients;
            for (int i = 0; i < steps.Length; i++)
                selection = steps[(first + i) % steps.Length](selection);
            AssertSelects(selection, all);
        }

        AssertSelects(_clients.InGroup("a").WithTag("x"), all, otherPath, otherUser, otherAddress);
        AssertSelects(_clients.WithUser("u"), all, noTag, noGroup, otherPath, otherAddress);
        AssertSelects(_clients.WithTag("x").WithTag("x").InGroup("a").WithPath("/q"), otherPath);
        AssertSelects(_clients.WithTag("x").WithPath("/none"));
        Assert.DoesNotContain(noGroup, _clients.InGroup("a"));
    }

    [Fact]
    public void In_any_of_several_groups_nobody_is_selected_twice()
    {
        WebSocketClient a = Add("a"), b = Add("b"), both = Add("a b"), c = Add("c", "x"), all = Add("a b c", "x");
        Add();
        AssertSelects(_clients.InAnyGroup("a", "b"), a, b, both, all);
        AssertSelects(_clients.InAnyGroup("a", "b", "c", "nobody"), a, b, both, c, all);
        AssertSelects(_clients.InAnyGroup("a", "a"), a, both, all);
        AssertSelects(_clients.InAnyGroup("c"), c, all);
        AssertSelects(_clients.InAnyGroup());
        AssertSelects(_clients.InAnyGroup("a", "c").InAnyGroup("b", "c"), both, c, all);
        AssertSelects(_clients.InAnyGroup("a", "b").WithTag("x"), all);
        AssertSelects(_clients.WithTag("x").InAnyGroup("a", "b", "c"), c, all);
        Assert.Equal(new BroadcastResult { Sent = 4 }, _clients.InAnyGroup("a", "b").Broadcast("once"));
        Assert.Equal("Text once", _bench.SentTo(both));
    }

    [Fact]
    public void Clients_and_selections_are_left_out()
    {
        WebSocketClient a = Add("g", "x"), b = Add("g"), c = Add("g", "x y"), d = Add();
        AssertSelects(_clients.Except(a), b, c, d);
        AssertSelects(_clients.InGroup("g").Except(a, d), b, c);
        AssertSelects(_clients.InGroup("g").Except(), a, b, c);
        AssertSelects(_clients.InGroup("g").Except(_clients.WithTag("x")), b);
        AssertSelects(_clients.Except(_clients.InGroup("g")), d);
        AssertSelects(_clients.Except(_clients));
        AssertSelects(_clients.InGroup("g").Except(_clients.InGroup("nobody")), a, b, c);
        AssertSelects(_clients.InGroup("g").Except(_clients.WithTag("x").WithTag("y")), a, b);
        AssertSelects(_clients.InGroup("g").Except(_clients.InAnyGroup("g", "h").Except(_clients.WithTag("y"))), c);
        AssertSelects(_clients.InGroup("g").Except(_clients.WithTag("x").Where(client => client != c)), b, c);
        AssertSelects(_clients.InGroup("g").Except(_clients.WithTag("x").Except(a)), a, b);
        AssertSelects(_clients.InGroup("g").Except(new ClientRegistry()), a, b, c);
    }

    [Fact]
    public void A_function_is_asked_after_the_indexes_and_in_the_order_of_writing()
    {
        WebSocketClient a = Add("g", "x"), b = Add("g");
        Add("", "x");
        a.State = 1;
        List<WebSocketClient> asked = [];
        ClientSelection selection = _clients
            .Where(client =>
            {
                asked.Add(client);
                return client.State is int;
            })
            .Where(client => client.GetState<int>() == 1)
            .InGroup("g")
            .WithTag("x");
        Assert.Equal([a], selection);
        Assert.Equal([a], asked);
        Assert.False(selection.Contains(b));
        Assert.Equal([a], asked);
    }

    [Fact]
    public void A_function_may_use_the_registry_from_another_thread()
    {
        WebSocketClient client = Add("g");
        Assert.Equal([client], _clients.InGroup("g").Where(asked => Task.Run(() => asked.IsIn("g") && asked.Join("h")).WaitAsync(TimeSpan.FromSeconds(30)).GetAwaiter().GetResult()));
        Assert.True(client.IsIn("h"));
    }

    [Fact]
    public void A_selection_is_a_description_and_every_use_takes_the_clients_of_that_moment()
    {
        ClientSelection selection = _clients.InGroup("g").WithTag("x");
        AssertSelects(selection);
        WebSocketClient client = Add("g", "x");
        AssertSelects(selection, client);
        using IEnumerator<WebSocketClient> clients = selection.GetEnumerator();
        client.Leave("g");
        AssertSelects(selection);
        Assert.False(selection.Contains(client));
        Assert.True(clients.MoveNext());
        Assert.Same(client, clients.Current);
        client.Join("g");
        AssertSelects(selection, client);
        _clients.Remove(client);
        AssertSelects(selection);
        Assert.False(selection.Contains(client));
    }

    [Fact]
    public async Task Several_indexes_are_asked_at_one_moment()
    {
        // It is in "a" only while it is in "b", and never in "b" and "c".
        WebSocketClient moving = Add();
        Add("a b");
        Add("c");
        ClientSelection never = _clients.InGroup("a").Except(_clients.InGroup("b")), neither = _clients.InGroup("c").InAnyGroup("a", "b");
        Task moves = Task.Run(
            () =>
            {
                for (int i = 0; i < 20_000; i++)
                {
                    Assert.True(moving.Join("b") && moving.Join("a") && moving.Leave("a") && moving.Leave("b"));
                    Assert.True(moving.Join("c") && moving.Leave("c"));
                }
            },
            TestContext.Current.CancellationToken);
        do
        {
            Assert.Empty(never);
            Assert.Equal((0, 0), (never.Count, neither.Count));
            Assert.False(never.Contains(moving) || neither.Contains(moving));
        }
        while (!moves.IsCompleted);
        await moves;
    }

    [Fact]
    public void Names_are_ordinal()
    {
        WebSocketClient client = Add("Straße", "É");
        AssertSelects(_clients.InGroup("Straße"), client);
        AssertSelects(_clients.InGroup("STRASSE"));
        AssertSelects(_clients.InGroup("straße"));
        AssertSelects(_clients.WithTag("É"), client);
        AssertSelects(_clients.WithTag("E\u0301"));
    }

    [Fact]
    public void What_no_client_can_have_is_refused_at_once()
    {
        WebSocketClient client = Add();
        Func<ClientSelection>[] calls = [
            () => _clients.InGroup(""), () => _clients.InGroup(null!), () => _clients.InAnyGroup("a", ""), () => _clients.InAnyGroup("a", null!), () => _clients.WithTag(""),
            () => _clients.WithPath(""), () => _clients.WithUser(""), () => _clients.WithRemoteAddress(null!), () => _clients.Where(null!),
            () => _clients.Except((ClientSelection)null!), () => _clients.Except(client, null!)];
        Assert.Equal(
            ["group", "group", "groups", "groups", "tag", "path", "userId", "address", "predicate", "clients", "clients"],
            calls.Select(call => Assert.ThrowsAny<ArgumentException>(call).ParamName), StringComparer.Ordinal);
        Assert.Throws<ArgumentNullException>(() => _clients.Contains(null!));
    }

    [Fact]
    public void Counting_and_sending_to_a_kept_selection_allocate_nothing_for_the_selection()
    {
        for (int i = 0; i < 20; i++)
            Add(i % 2 == 0 ? "a" : "a b", i % 3 == 0 ? "x" : "");
        ClientSelection[] selections = [
            _clients.InGroup("a"), _clients.InAnyGroup("a", "b"), _clients.InGroup("a").WithTag("x"), _clients.Except(_clients.WithTag("x")), _clients.InGroup("b").Where(static _ => true), _clients];
        // Other threads use the same pool, and a garbage collection may empty it. So one round of many without an allocation is enough.
        int[] sums = new int[100];
        long[] allocated = new long[sums.Length];
        for (int i = 0; i < sums.Length; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (ClientSelection selection in selections)
            {
                sums[i] += selection.Count;
                using SelectedClients clients = _clients.Select(selection);
                sums[i] += clients.Count;
            }

            allocated[i] = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.All(sums, sum => Assert.Equal(sums[0], sum));
        Assert.Contains(0, allocated);
    }

    [Fact]
    public void Everybody_in_a_selection_can_be_reset()
    {
        WebSocketClient a = Add("g"), b = Add("g"), other = Add();
        _clients.InGroup("g").Except(b).Abort();
        Assert.Equal((true, false, false), (IsReset(a), IsReset(b), IsReset(other)));
    }

    private bool IsReset(WebSocketClient client) => _bench.TransportOf(client).WhenAborted.IsCompleted;

    [Fact]
    public async Task A_code_that_must_not_be_sent_is_refused_even_if_nobody_is_selected()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        await Assert.ThrowsAnyAsync<ArgumentException>(() => _clients.CloseAsync(1005, "", token));
        await Assert.ThrowsAsync<ArgumentNullException>(() => _clients.CloseAsync(1000, null!, token));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => _clients.CloseAsync(1000, new string('x', 124), token));
        await _clients.CloseAsync(token);
        await _clients.InGroup("g").CloseAsync(1000, "", token);
    }
}
