using CsCheck;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.ClientChangeKind;

namespace WebSocketServerKit.Serving.Changes;

public sealed class PendingChangesTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly PendingChanges _pending = new();
    private readonly WebSocketClient _client;

    public PendingChangesTests() => _client = _bench.Client();

    public void Dispose() => _bench.Dispose();

    private List<ClientChange> TakeAll()
    {
        List<ClientChange> taken = [];
        while (_pending.TryTake(out ClientChange change))
            taken.Add(change);
        return taken;
    }

    [Theory]
    [InlineData(Connected, Changed, Connected)]
    [InlineData(Connected, Disconnected, null)]
    [InlineData(Changed, Changed, Changed)]
    [InlineData(Changed, Disconnected, Disconnected)]
    [InlineData(Disconnected, Changed, Disconnected)]
    public void Two_changes_of_a_client_become_one_or_none(ClientChangeKind first, ClientChangeKind second, ClientChangeKind? one)
    {
        _pending.Add(_client, first);
        _pending.Add(_client, second);
        Assert.Equal(one is null ? 0 : 1, _pending.Count);
        Assert.Equal(one is { } kind ? [new ClientChange(_client, kind)] : [], TakeAll());
    }

    [Fact]
    public void Changes_are_taken_in_the_order_in_which_the_clients_first_had_one()
    {
        WebSocketClient second = _bench.Client(), third = _bench.Client(), brief = _bench.Client();
        _pending.Add(third, Changed);
        _pending.Add(brief, Connected);
        _pending.Add(second, Connected);
        _pending.Add(_client, Disconnected);
        _pending.Add(brief, Disconnected);
        _pending.Add(second, Changed);
        _pending.Add(third, Disconnected);
        Assert.Equal([new(third, Disconnected), new(second, Connected), new(_client, Disconnected)], TakeAll());
        Assert.False(_pending.TryTake(out ClientChange none));
        Assert.Equal(default, none);
    }

    [Fact]
    public void A_change_that_comes_after_the_last_was_taken_is_a_new_one()
    {
        _pending.Add(_client, Connected);
        Assert.Equal([new(_client, Connected)], TakeAll());
        _pending.Add(_client, Changed);
        Assert.Equal([new(_client, Changed)], TakeAll());
        _pending.Add(_client, Disconnected);
        Assert.Equal([new(_client, Disconnected)], TakeAll());
    }

    [Fact]
    public void A_reader_who_stops_for_long_has_one_change_per_client_to_read()
    {
        WebSocketClient[] clients = [.. Enumerable.Range(0, 300).Select(_ => _bench.Client())];
        foreach (WebSocketClient client in clients)
            _pending.Add(client, Connected);
        for (int i = 0; i < 10; i++)
        {
            foreach (WebSocketClient client in clients)
                _pending.Add(client, Changed);
        }

        Assert.Equal(clients.Length, _pending.Count);
        foreach (WebSocketClient client in clients)
            _pending.Add(client, Disconnected);
        Assert.Equal(0, _pending.Count);
    }

    // Whatever is changed and read in whatever order, who has read all knows exactly who is there.
    [Fact]
    public void A_reader_knows_who_is_there_whenever_nothing_is_pending()
    {
        WebSocketClient[] clients = [.. Enumerable.Range(0, 6).Select(_ => _bench.Client())];
        Gen.Int[0, 17].Array[0, 60].Sample(steps =>
        {
            var pending = new PendingChanges();
            HashSet<WebSocketClient> there = [], gone = [], told = [];
            foreach (int step in steps)
            {
                WebSocketClient client = clients[step % 6];
                if (step < 6 && !gone.Contains(client))
                {
                    bool leaves = there.Remove(client);
                    pending.Add(client, leaves ? Disconnected : Connected);
                    if (leaves)
                        gone.Add(client); // A client does not come back: the next one is another.
                    else
                        there.Add(client);
                }
                else if (step is >= 6 and < 12 && there.Contains(client))
                {
                    pending.Add(client, Changed);
                }
                else if (step >= 12)
                {
                    Take();
                }

                Assert.True(pending.Count <= there.Union(told).Count());
            }

            while (Take())
            {
            }

            Assert.Equal(there.OrderBy(client => client.Id), told.OrderBy(client => client.Id));

            bool Take()
            {
                if (!pending.TryTake(out ClientChange change))
                    return false;
                switch (change.Kind)
                {
                    case Connected:
                        Assert.True(told.Add(change.Client), "It was told twice that a client has connected.");
                        break;
                    case Changed:
                        Assert.Contains(change.Client, told);
                        break;
                    default:
                        Assert.True(told.Remove(change.Client), "A client left of which nobody had been told.");
                        break;
                }

                return true;
            }
        });
    }
}
