using System.Collections.Specialized;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>A window that shows the clients: its thread is busy, blocked or gone.</summary>
public class LiveListTests
{
    private static Task<T> OnAsync<T>(SingleThread window, Func<T> action)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        window.Post(
            _ =>
            {
                try
                {
                    done.SetResult(action());
                }
                catch (Exception exception)
                {
                    done.SetException(exception);
                }
            },
            null);
        return done.Task.Timely();
    }

    // What a view does with the events: it relies on each being true when it is raised.
    private sealed class View
    {
        private readonly LiveClientList _list;
        private readonly SingleThread _window;

        public View(LiveClientList list, SingleThread window)
        {
            _list = list;
            _window = window;
            Rows = [.. list];
            list.CollectionChanged += (_, e) => Follow(e);
        }

        public List<WebSocketClient> Rows { get; private set; }

        public List<string> Faults { get; } = [];

        private void Follow(NotifyCollectionChangedEventArgs e)
        {
            if (!_window.IsCurrent)
                Faults.Add("An event on another thread.");
            switch (e.Action)
            {
                case NotifyCollectionChangedAction.Add when e.NewItems is [WebSocketClient added]:
                    Rows.Insert(e.NewStartingIndex, added);
                    break;
                case NotifyCollectionChangedAction.Remove when e.OldItems is [WebSocketClient removed]:
                    if (Rows[e.OldStartingIndex] != removed)
                        Faults.Add($"{removed} was not at {e.OldStartingIndex}.");
                    Rows.RemoveAt(e.OldStartingIndex);
                    break;
                case NotifyCollectionChangedAction.Reset:
                    Rows = [.. _list];
                    break;
                default:
                    Faults.Add($"A view cannot follow {e.Action} of {e.NewItems?.Count} and {e.OldItems?.Count}.");
                    break;
            }

            if (!Rows.SequenceEqual(_list))
                Faults.Add($"The list was already ahead at {e.Action}.");
        }
    }

    [Fact]
    public async Task A_window_shows_who_is_connected_in_order_whatever_comes_and_goes()
    {
        using var window = new SingleThread();
        await using TestServer server = await TestServer.StartEchoAsync(options => options.EventContext = null);
        TestClient[] stay = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => server.OpenAsync()));
        (LiveClientList list, View view) = await OnAsync(window, () =>
        {
            LiveClientList list = server.Clients.ToLiveList(window, TimeSpan.Zero);
            return (list, new View(list, window));
        });
        await Parallel.ForAsync(0, 150, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestServer.Timely }, async (i, _) =>
        {
            TestClient client = await server.OpenAsync();
            client.Reset();
            client.Dispose();
        });
        await Polling.UntilAsync(() => server.Clients.Count == stay.Length);
        // What has been posted, and what follows it.
        await UntilAsync(window, () => list.Count == stay.Length && list.SequenceEqual(server.Clients.OrderBy(client => client.Id)));
        Assert.Empty(await OnAsync(window, () => view.Faults.ToArray()));
        Assert.Equal(server.Clients.OrderBy(client => client.Id), await OnAsync(window, () => view.Rows.ToArray()));
        list.Dispose();
        await list.Loop.Timely();
        Assert.False(server.Clients.IsWatched);
        Array.ForEach(stay, client => client.Dispose());
    }

    [Fact]
    public async Task A_window_that_was_blocked_while_many_came_and_left_is_up_to_date_after_one_update()
    {
        using var window = new SingleThread();
        await using TestServer server = await TestServer.StartEchoAsync();
        int updates = 0;
        LiveClientList list = await OnAsync(window, () => server.Clients.ToLiveList(window));
        ((System.ComponentModel.INotifyPropertyChanged)list).PropertyChanged += (_, e) => updates += e.PropertyName == "Count" ? 1 : 0;
        using var gate = new ManualResetEventSlim();
        window.Post(_ => gate.Wait(TimeSpan.FromSeconds(30)), null);

        TestClient[] clients = await Task.WhenAll(Enumerable.Range(0, 80).Select(_ => server.OpenAsync()));
        for (int i = 0; i < clients.Length; i++)
            await server.NextClientAsync();
        for (int i = 0; i < 20; i++)
        {
            await clients[i].LeaveAsync();
            await server.NextEndAsync();
        }

        Assert.Empty(list);
        gate.Set();
        await UntilAsync(window, () => list.Count > 0);
        Assert.Equal(server.Clients.OrderBy(client => client.Id), await OnAsync(window, () => list.ToArray()));
        Assert.Equal(1, await OnAsync(window, () => updates));
        list.Dispose();
        Array.ForEach(clients, client => client.Dispose());
    }

    [Fact]
    public async Task Disposed_of_on_another_thread_while_the_window_is_blocked_it_raises_nothing_more()
    {
        using var window = new SingleThread();
        await using TestServer server = await TestServer.StartEchoAsync();
        int raised = 0;
        LiveClientList list = await OnAsync(window, () => server.Clients.ToLiveList(window, TimeSpan.Zero));
        list.CollectionChanged += (_, _) => raised++;
        using var gate = new ManualResetEventSlim();
        window.Post(_ => gate.Wait(TimeSpan.FromSeconds(30)), null);
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();
        list.Dispose();
        await list.Loop.Timely();
        gate.Set();
        Assert.Equal(0, await OnAsync(window, () => raised));
        Assert.Empty(list);
    }

    [Fact]
    public async Task A_window_that_has_closed_ends_its_list_and_the_server_goes_on()
    {
        using var window = new SingleThread();
        await using TestServer server = await TestServer.StartEchoAsync();
        LiveClientList list = await OnAsync(window, () => server.Clients.ToLiveList(window));
        window.Close();
        using TestClient client = await server.OpenAsync();
        await list.Loop.Timely();
        Assert.False(server.Clients.IsWatched);
        await client.SendAsync("still served");
        Assert.Equal("still served", await client.ReadTextAsync());
    }

    [Fact]
    public async Task Made_in_a_handler_it_uses_the_context_of_the_events()
    {
        using var window = new SingleThread();
        TaskCompletionSource<LiveClientList> made = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(
            server => server.ClientConnected += (_, _) => made.TrySetResult(server.Clients.ToLiveList(interval: TimeSpan.Zero)),
            options => options.EventContext = window);
        using TestClient first = await server.OpenAsync();
        using LiveClientList list = await made.Task.Timely();
        View view = await OnAsync(window, () => new View(list, window));
        using TestClient second = await server.OpenAsync();
        await UntilAsync(window, () => list.Count == 2);
        Assert.Empty(await OnAsync(window, () => view.Faults.ToArray()));
    }

    [Fact]
    public async Task A_row_is_told_on_the_window_when_its_client_joins_a_group_or_gets_another_state()
    {
        using var window = new SingleThread();
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        List<string> seen = [];
        using LiveClientList list = await OnAsync(window, () => server.Clients.ToLiveList(window, TimeSpan.Zero));
        client.PropertyChanged += (sender, e) => seen.Add($"{window.IsCurrent} '{e.PropertyName}' {string.Join(' ', client.Groups)} {client.State}");
        client.Join("lobby");
        await UntilAsync(window, () => seen.Count == 1);
        client.State = "Ada";
        await UntilAsync(window, () => seen.Count == 2);
        Assert.Equal(["True '' lobby ", "True '' lobby Ada"], seen);
        raw.Dispose();
    }

    // Asks on the window's thread, between its other work.
    private static async Task UntilAsync(SingleThread window, Func<bool> condition)
    {
        for (long start = TimeProvider.System.GetTimestamp(); !await OnAsync(window, condition);)
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(30), "Not within 30 s.");
    }
}
