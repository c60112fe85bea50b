using System.Collections;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Serving.Changes;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.ClientChangeKind;

namespace WebSocketServerKit.Clients;

public sealed class LiveClientListTests : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly ClientBench _bench = new();
    private readonly PumpedContext _window = new();
    private readonly PauseRecorder _time = new();
    private readonly Lock _gate = new();
    private readonly ClientFeeds _feeds;
    private readonly List<string> _events = [];

    public LiveClientListTests() => _feeds = new ClientFeeds(_gate);

    public void Dispose() => _bench.Dispose();

    private LiveClientList Show(params WebSocketClient[] present)
    {
        ClientFeed feed;
        lock (_gate)
            feed = _feeds.Open(present);
        var list = new LiveClientList(feed, _window, Interval, _time);
        list.PropertyChanged += (_, e) => _events.Add(e.PropertyName!);
        list.CollectionChanged += (_, e) => _events.Add($"{e.Action} {(e.NewItems ?? e.OldItems)?.Cast<WebSocketClient>().Single().Id}");
        return list;
    }

    private void Tell(ClientChangeKind kind, params WebSocketClient[] clients)
    {
        foreach (WebSocketClient client in clients)
        {
            lock (_gate)
                _feeds.Add(client, kind);
        }
    }

    // The pause after an update is over.
    private async Task PassPauseAsync()
    {
        Assert.Equal(Interval, await _time.Pauses.Reader.ReadAsync(TestContext.Current.CancellationToken).InTime());
        _time.Advance(Interval);
    }

    private WebSocketClient[] Clients(int count) => [.. Enumerable.Range(0, count).Select(_ => _bench.Client())];

    [Fact]
    public void The_present_clients_are_in_the_list_when_it_is_made()
    {
        WebSocketClient[] clients = Clients(3);
        using LiveClientList list = Show(clients[2], clients[0], clients[1]);
        Assert.Equal(clients, list);
        Assert.Same(clients[1], list[1]);
        Assert.Equal(3, list.Count);
        Assert.Equal(0, _window.Waiting);
    }

    // Avalonia refuses a list that raises CollectionChanged and is no IList.
    [Fact]
    public void A_view_gets_a_list_that_it_can_only_read()
    {
        using LiveClientList list = Show(Clients(1));
        Assert.True(Assert.IsType<IList>(list, exactMatch: false).IsReadOnly);
    }

    [Fact]
    public async Task The_list_changes_on_its_context_alone_and_once_per_interval()
    {
        WebSocketClient[] clients = Clients(4);
        using LiveClientList list = Show(clients[0]);
        Tell(Connected, clients[1], clients[2]);
        Assert.Equal([clients[0]], list);

        await _window.RunNextAsync();
        Assert.Equal(clients[..3], list);
        Assert.Equal(["Count", "Item[]", "Add 2", "Count", "Item[]", "Add 3"], _events, StringComparer.Ordinal);

        Tell(Disconnected, clients[1]);
        Tell(Connected, clients[3]);
        Assert.Equal(Interval, await _time.Pauses.Reader.ReadAsync(TestContext.Current.CancellationToken).InTime());
        _time.Advance(Interval - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, _window.Waiting);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await _window.RunNextAsync();
        Assert.Equal([clients[0], clients[2], clients[3]], list);
        Assert.Equal(["Count", "Item[]", "Remove 2", "Count", "Item[]", "Add 4"], _events[6..], StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_window_that_is_busy_finds_one_update_however_much_has_changed()
    {
        WebSocketClient[] clients = Clients(LiveClientList.MaxSingleChanges + 1);
        using LiveClientList list = Show();
        for (int i = 0; i < 100; i++)
            Tell(i % 2 == 0 ? Connected : Disconnected, clients[0]);
        Tell(Connected, clients);
        await _window.RunNextAsync();
        Assert.Equal(0, _window.Waiting);
        Assert.Equal(["Count", "Item[]", "Reset "], _events, StringComparer.Ordinal);
        Assert.Equal(clients, list);
    }

    [Fact]
    public async Task Up_to_fifty_changes_raise_an_event_each()
    {
        WebSocketClient[] clients = Clients(LiveClientList.MaxSingleChanges);
        using LiveClientList list = Show();
        Tell(Connected, clients);
        Tell(Changed, clients);
        await _window.RunNextAsync();
        Assert.Equal(clients.Select(client => $"Add {client.Id}"), _events.Where(name => name.StartsWith("Add", StringComparison.Ordinal)), StringComparer.Ordinal);
        Assert.Equal(3 * clients.Length, _events.Count);
    }

    [Fact]
    public async Task A_client_that_has_changed_raises_its_own_event_on_the_context_also_beside_a_reset()
    {
        WebSocketClient[] clients = Clients(LiveClientList.MaxSingleChanges + 3);
        using LiveClientList list = Show(clients[0], clients[1]);
        foreach (WebSocketClient client in clients[..2])
            client.PropertyChanged += (sender, e) => _events.Add($"changed {((WebSocketClient)sender!).Id} '{e.PropertyName}'");

        Tell(Changed, clients[1], clients[0]);
        await _window.RunNextAsync();
        Assert.Equal(["changed 2 ''", "changed 1 ''"], _events, StringComparer.Ordinal);

        Tell(Changed, clients[0]);
        Tell(Disconnected, clients[1]);
        Tell(Connected, clients[2..]);
        await PassPauseAsync();
        await _window.RunNextAsync();
        Assert.Equal(["Count", "Item[]", "Reset ", "changed 1 ''"], _events[2..], StringComparer.Ordinal);
    }

    [Fact]
    public async Task What_a_handler_throws_goes_to_the_context_and_no_change_is_lost()
    {
        WebSocketClient[] clients = Clients(3);
        using LiveClientList list = Show();
        bool throws = true;
        list.CollectionChanged += (_, _) =>
        {
            if (throws)
                throw new InvalidDataException("A handler.");
        };
        Tell(Connected, clients);
        await Assert.ThrowsAsync<InvalidDataException>(_window.RunNextAsync);
        Assert.Equal(clients[..1], list);

        throws = false;
        await PassPauseAsync();
        await _window.RunNextAsync();
        Assert.Equal(clients, list);
    }

    [Fact]
    public async Task Behind_a_handler_that_always_throws_no_more_than_one_change_of_each_client_waits()
    {
        WebSocketClient[] clients = Clients(3);
        using LiveClientList list = Show(clients);
        bool throws = true;
        int raised = 0;
        foreach (WebSocketClient client in clients)
        {
            client.PropertyChanged += (_, _) =>
            {
                raised++;
                if (throws)
                    throw new InvalidDataException("A handler.");
            };
        }

        Tell(Changed, clients);
        for (int i = 0; i < 10; i++)
        {
            await Assert.ThrowsAsync<InvalidDataException>(_window.RunNextAsync);
            Tell(Changed, clients);
            await PassPauseAsync();
        }

        (throws, raised) = (false, 0);
        await _window.RunNextAsync();
        Assert.InRange(raised, 1, clients.Length);
        await PassPauseAsync();
        await _window.RunNextAsync();
        Assert.InRange(raised, clients.Length, 2 * clients.Length - 1);
    }

    [Fact]
    public async Task Disposed_of_in_a_handler_it_raises_nothing_more()
    {
        WebSocketClient[] clients = Clients(3);
        LiveClientList list = Show();
        list.CollectionChanged += (_, _) => list.Dispose();
        Tell(Connected, clients);
        await _window.RunNextAsync();
        await list.Loop.InTime();
        Assert.Equal(clients[..1], list);
        Assert.False(_feeds.Any);
        Assert.Equal(0, _window.Waiting);
    }

    [Fact]
    public async Task Disposed_of_on_any_thread_it_ends_whatever_it_waits_for()
    {
        WebSocketClient[] clients = Clients(2);
        LiveClientList waitsForChange = Show(clients[0]);
        await Task.Run(waitsForChange.Dispose, TestContext.Current.CancellationToken).InTime();
        await waitsForChange.Loop.InTime();
        Assert.False(_feeds.Any);

        LiveClientList waitsForWindow = Show();
        Tell(Connected, clients[0]);
        await Polling.UntilAsync(() => _window.Waiting == 1);
        await Task.Run(waitsForWindow.Dispose, TestContext.Current.CancellationToken).InTime();
        await waitsForWindow.Loop.InTime();
        Assert.False(_feeds.Any);
        // The window comes to it later: nothing happens.
        await _window.RunNextAsync();
        Assert.Empty(waitsForWindow);
        Assert.Empty(_events);

        LiveClientList waitsForPause = Show();
        Tell(Connected, clients[1]);
        await _window.RunNextAsync();
        await _time.Pauses.Reader.ReadAsync(TestContext.Current.CancellationToken).InTime();
        await Task.Run(waitsForPause.Dispose, TestContext.Current.CancellationToken).InTime();
        await waitsForPause.Loop.InTime();
        Assert.False(_feeds.Any);
        waitsForPause.Dispose();
    }

    [Fact]
    public async Task A_window_that_is_gone_and_throws_ends_the_list()
    {
        WebSocketClient client = _bench.Client();
        var list = new LiveClientList(_feeds.Open([]), new ThrowingContext(), Interval, _time);
        Tell(Connected, client);
        await list.Loop.InTime();
        Assert.False(_feeds.Any);
        Assert.Empty(list);
    }

    [Fact]
    public async Task A_window_that_is_gone_and_drops_what_is_posted_ends_the_list()
    {
        WeakReference list = Drop();
        // That a context has dropped something is seen when it is collected.
        await Polling.UntilAsync(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return !_feeds.Any && !list.IsAlive;
        });
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference Drop()
    {
        var list = new LiveClientList(_feeds.Open([]), new DroppingContext(), Interval, _time);
        Tell(Connected, _bench.Client());
        return new WeakReference(list);
    }

    [Fact]
    public async Task It_ends_with_the_server_after_the_last_change()
    {
        WebSocketClient client = _bench.Client();
        LiveClientList list = Show(client);
        Tell(Disconnected, client);
        _feeds.End();
        await _window.RunNextAsync();
        await PassPauseAsync();
        await list.Loop.InTime();
        Assert.Empty(list);
        list.Dispose();
    }

    [Fact]
    public async Task With_an_interval_of_zero_it_does_not_pause()
    {
        WebSocketClient[] clients = Clients(2);
        using var list = new LiveClientList(_feeds.Open([]), _window, TimeSpan.Zero, _time);
        foreach (WebSocketClient client in clients)
        {
            Tell(Connected, client);
            await _window.RunNextAsync();
        }

        Assert.Equal(clients, list);
        Assert.Equal(0, _time.Pauses.Reader.Count);
    }

    private sealed class ThrowingContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) => throw new InvalidOperationException("The window is gone.");
    }

    private sealed class DroppingContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
            // As a dispatcher that has shut down.
        }
    }

    /// <summary>A clock that tells of every pause, so that a test moves it only when the list pauses.</summary>
    private sealed class PauseRecorder : FakeTimeProvider
    {
        public Channel<TimeSpan> Pauses { get; } = Channel.CreateUnbounded<TimeSpan>();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            Pauses.Writer.TryWrite(dueTime);
            return timer;
        }
    }
}
