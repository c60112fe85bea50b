using System.Collections.Specialized;
using System.ComponentModel;
using CsCheck;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.ClientChangeKind;

namespace WebSocketServerKit.Serving.Changes;

public sealed class SortedClientsTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly SortedClients _sorted = [];
    private readonly List<string> _events = [];
    private readonly WebSocketClient[] _clients;

    public SortedClientsTests()
    {
        _clients = [.. Enumerable.Range(0, 6).Select(_ => _bench.Client())];
        ((INotifyPropertyChanged)_sorted).PropertyChanged += (_, e) => _events.Add(e.PropertyName!);
        _sorted.CollectionChanged += (_, e) => _events.Add(
            $"{e.Action} {(e.NewItems ?? e.OldItems)?.Cast<WebSocketClient>().Single().Id} at {Math.Max(e.NewStartingIndex, e.OldStartingIndex)} of {_sorted.Count}");
    }

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Each_change_raises_its_event_with_one_item_and_its_index_when_only_it_has_been_made()
    {
        _sorted.Apply(new(_clients[3], Connected));
        _sorted.Apply(new(_clients[1], Connected));
        _sorted.Apply(new(_clients[5], Connected));
        _sorted.Apply(new(_clients[3], Disconnected));
        Assert.Equal(
            [
                "Count", "Item[]", "Add 4 at 0 of 1",
                "Count", "Item[]", "Add 2 at 0 of 2",
                "Count", "Item[]", "Add 6 at 2 of 3",
                "Count", "Item[]", "Remove 4 at 1 of 2",
            ],
            _events, StringComparer.Ordinal);
        Assert.Equal([_clients[1], _clients[5]], _sorted);
    }

    [Fact]
    public void A_change_that_is_made_already_or_does_not_concern_the_list_raises_nothing()
    {
        _sorted.Apply(new(_clients[0], Connected));
        _events.Clear();
        _sorted.Apply(new(_clients[0], Connected));
        _sorted.Apply(new(_clients[0], Changed));
        _sorted.Apply(new(_clients[1], Disconnected));
        _sorted.Apply(new(_clients[1], Changed));
        Assert.Empty(_events);
        Assert.Equal([_clients[0]], _sorted);
    }

    [Fact]
    public void Many_changes_at_once_raise_one_reset()
    {
        _sorted.Apply(new(_clients[2], Connected));
        _events.Clear();
        _sorted.ApplyAll([new(_clients[4], Connected), new(_clients[0], Connected), new(_clients[2], Disconnected), new(_clients[0], Changed)]);
        Assert.Equal(["Count", "Item[]", "Reset  at -1 of 2"], _events, StringComparer.Ordinal);
        Assert.Equal([_clients[0], _clients[4]], _sorted);
    }

    // What a view does with the events gives the list.
    [Fact]
    public void A_view_that_follows_the_events_has_the_same_clients_in_the_same_order() =>
        Gen.Select(Gen.Int[0, 5], Gen.Bool, Gen.Bool).Array[0, 40].Sample(steps =>
        {
            var sorted = new SortedClients();
            List<WebSocketClient> view = [];
            sorted.CollectionChanged += (_, e) =>
            {
                if (e.Action == NotifyCollectionChangedAction.Add)
                    view.Insert(e.NewStartingIndex, (WebSocketClient)e.NewItems![0]!);
                else if (e.Action == NotifyCollectionChangedAction.Remove)
                    view.RemoveAt(e.OldStartingIndex);
                else
                    view = [.. sorted];
                Assert.Equal(sorted, view);
            };
            HashSet<WebSocketClient> there = [];
            foreach ((int who, bool comes, bool atOnce) in steps)
            {
                ClientChange change = new(_clients[who], comes ? Connected : Disconnected);
                _ = comes ? there.Add(change.Client) : there.Remove(change.Client);
                if (atOnce)
                    sorted.ApplyAll([change]);
                else
                    sorted.Apply(change);
                Assert.Equal(there.OrderBy(client => client.Id), sorted);
            }

            Assert.Equal(sorted, view);
        }, threads: 1);
}
