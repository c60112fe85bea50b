using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.ClientChangeKind;

namespace WebSocketServerKit.Clients;

public sealed class ClientRegistryWatchingTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly WebSocketServerOptions _options = new();
    private readonly ClientRegistry _clients;

    public ClientRegistryWatchingTests() => _clients = new ClientRegistry(_options);

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add()
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        return client;
    }

    private static async Task<ClientChange> NextAsync(IAsyncEnumerator<ClientChange> changes)
    {
        Assert.True(await changes.MoveNextAsync().InTime());
        return changes.Current;
    }

    [Fact]
    public async Task First_come_those_who_are_connected_and_then_every_change()
    {
        WebSocketClient first = Add();
        await using IAsyncEnumerator<ClientChange> changes = _clients.WatchAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.Equal(new(first, Connected), await NextAsync(changes));

        ValueTask<bool> next = changes.MoveNextAsync();
        Assert.False(next.IsCompleted);
        WebSocketClient second = Add();
        Assert.True(await next.InTime());
        Assert.Equal(new(second, Connected), changes.Current);
        _clients.Remove(first);
        Assert.Equal(new(first, Disconnected), await NextAsync(changes));
    }

    public static TheoryData<string, Action<WebSocketClient>, bool> Changes => new()
    {
        { "Join", client => client.Join("a"), true },
        { "Join again", client => client.Join("here"), false },
        { "Leave", client => client.Leave("here"), true },
        { "Leave none", client => client.Leave("a"), false },
        { "AddTag", client => client.AddTag("a"), true },
        { "RemoveTag", client => client.RemoveTag("here"), true },
        { "Subscribe", client => client.Subscribe("a"), true },
        { "Unsubscribe", client => client.Unsubscribe("here"), true },
        { "State", client => client.State = "a", true },
        { "Send", client => client.TrySend("a"), false },
    };

    [Theory]
    [MemberData(nameof(Changes), DisableDiscoveryEnumeration = true)]
    public async Task What_the_host_knows_a_client_by_is_watched(string what, Action<WebSocketClient> change, bool isTold)
    {
        WebSocketClient client = Add();
        Assert.True(client.Join("here") && client.AddTag("here") && client.Subscribe("here"), what);
        await using IAsyncEnumerator<ClientChange> changes = _clients.WatchAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.Equal(new(client, Connected), await NextAsync(changes));
        change(client);
        WebSocketClient mark = Add();
        if (isTold)
            Assert.Equal(new(client, Changed), await NextAsync(changes));
        Assert.Equal(new(mark, Connected), await NextAsync(changes));
    }

    [Fact]
    public async Task A_state_that_is_set_before_the_client_connects_or_after_it_has_left_is_no_change()
    {
        await using IAsyncEnumerator<ClientChange> changes = _clients.WatchAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        ValueTask<bool> next = changes.MoveNextAsync();
        WebSocketClient client = _bench.Client();
        client.State = "early";
        _clients.Add(client);
        Assert.True(await next.InTime());
        Assert.Equal(new(client, Connected), changes.Current);
        _clients.Remove(client);
        Assert.Equal(new(client, Disconnected), await NextAsync(changes));
        client.State = "late";
        WebSocketClient mark = Add();
        Assert.Equal(new(mark, Connected), await NextAsync(changes));
    }

    [Fact]
    public async Task Nobody_watches_before_the_enumeration_begins_or_after_it_has_ended()
    {
        WebSocketClient client = Add();
        IAsyncEnumerable<ClientChange> watch = _clients.WatchAsync(TestContext.Current.CancellationToken);
        Assert.False(_clients.IsWatched);
        await foreach (ClientChange change in watch)
        {
            Assert.True(_clients.IsWatched);
            Assert.Equal(new(client, Connected), change);
            break;
        }

        Assert.False(_clients.IsWatched);
    }

    [Fact]
    public async Task A_token_ends_a_watch_that_waits_or_has_changes_to_tell_and_nobody_watches_then()
    {
        using var waits = new CancellationTokenSource();
        await using (IAsyncEnumerator<ClientChange> changes = _clients.WatchAsync(waits.Token).GetAsyncEnumerator(TestContext.Current.CancellationToken))
        {
            ValueTask<bool> next = changes.MoveNextAsync();
            await waits.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next.InTime());
            Assert.False(_clients.IsWatched);
        }

        Add();
        Add();
        using var reads = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ClientChange change in _clients.WatchAsync(reads.Token))
                await reads.CancelAsync();
        });
        Assert.False(_clients.IsWatched);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ClientChange change in _clients.WatchAsync(reads.Token))
                Assert.Fail("It was cancelled.");
        });
        Assert.False(_clients.IsWatched);
    }

    [Fact]
    public async Task A_watch_ends_with_the_server_when_everything_is_told()
    {
        WebSocketClient client = Add();
        List<ClientChange> told = [];
        await foreach (ClientChange change in _clients.WatchAsync(TestContext.Current.CancellationToken))
        {
            told.Add(change);
            if (told.Count == 1)
            {
                _clients.Remove(client);
                _clients.EndFeeds();
            }
        }

        Assert.Equal([new(client, Connected), new(client, Disconnected)], told);
        await foreach (ClientChange change in _clients.WatchAsync(TestContext.Current.CancellationToken))
            Assert.Fail($"{change} after the end.");
    }

    [Fact]
    public async Task Two_enumerations_of_one_watch_read_for_themselves()
    {
        WebSocketClient client = Add();
        IAsyncEnumerable<ClientChange> watch = _clients.WatchAsync(TestContext.Current.CancellationToken);
        await using IAsyncEnumerator<ClientChange> one = watch.GetAsyncEnumerator(TestContext.Current.CancellationToken), other = watch.GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.Equal(new(client, Connected), await NextAsync(one));
        Assert.Equal(new(client, Connected), await NextAsync(other));
    }

    [Fact]
    public async Task A_live_list_uses_the_context_of_its_caller_or_the_given_one_or_that_of_the_events()
    {
        Assert.Contains("needs a SynchronizationContext", Assert.Throws<InvalidOperationException>(() => WithContext(null, () => _clients.ToLiveList())).Message, StringComparison.Ordinal);
        Assert.Contains("needs a SynchronizationContext", Assert.Throws<InvalidOperationException>(() => WithContext(Scope(null), () => _clients.ToLiveList())).Message, StringComparison.Ordinal);
        Assert.False(_clients.IsWatched);

        PumpedContext current = new(), given = new(), events = new();
        await AssertUsesAsync(current, () => WithContext(current, () => _clients.ToLiveList()));
        await AssertUsesAsync(given, () => WithContext(current, () => _clients.ToLiveList(given)));
        // In a handler the current context is that of the client's events.
        await AssertUsesAsync(events, () => WithContext(Scope(events), () => _clients.ToLiveList()));
        _options.EventContext = events;
        await AssertUsesAsync(events, () => WithContext(null, () => _clients.ToLiveList()));
        await AssertUsesAsync(events, () => WithContext(Scope(null), () => _clients.ToLiveList()));

        static HandlerScope Scope(SynchronizationContext? host) => new(new NoHandlers(), host);

        static LiveClientList WithContext(SynchronizationContext? context, Func<LiveClientList> make)
        {
            SynchronizationContext? before = SynchronizationContext.Current;
            SynchronizationContext.SetSynchronizationContext(context);
            try
            {
                return make();
            }
            finally
            {
                SynchronizationContext.SetSynchronizationContext(before);
            }
        }
    }

    private async Task AssertUsesAsync(PumpedContext context, Func<LiveClientList> make)
    {
        using LiveClientList list = make();
        WebSocketClient client = Add();
        await context.RunNextAsync();
        Assert.Contains(client, list);
    }

    [Fact]
    public async Task A_live_list_pauses_on_the_clock_of_the_server_for_a_tenth_of_a_second()
    {
        var time = new FakeTimeProvider();
        _options.UseTimeProvider(time);
        var window = new PumpedContext();
        using LiveClientList list = _clients.ToLiveList(window);
        Add();
        await window.RunNextAsync();
        Add();
        // A clock that only the test moves: the second update is not there before 100 ms have passed on it.
        int passed = 0;
        await Polling.UntilAsync(() =>
        {
            if (window.Waiting > 0)
                return true;
            time.Advance(TimeSpan.FromMilliseconds(1));
            passed++;
            return false;
        });
        Assert.True(passed >= 100, $"{passed} ms");
        await window.RunNextAsync();
        Assert.Equal(2, list.Count);
    }

    [Fact]
    public void An_interval_is_from_zero_to_a_day()
    {
        var window = new PumpedContext();
        foreach (TimeSpan possible in (TimeSpan[])[TimeSpan.Zero, TimeSpan.FromDays(1)])
            _clients.ToLiveList(window, possible).Dispose();
        foreach (TimeSpan impossible in (TimeSpan[])[TimeSpan.FromTicks(-1), Timeout.InfiniteTimeSpan, TimeSpan.FromDays(1) + TimeSpan.FromTicks(1)])
            Assert.Throws<ArgumentOutOfRangeException>("interval", () => _clients.ToLiveList(window, impossible));
        Assert.False(_clients.IsWatched);
    }

    private sealed class NoHandlers : IHandlers
    {
        public void Raise(long run)
        {
            // Nothing is raised.
        }

        public void HandlerFailed(Exception exception) => Assert.Fail(exception.Message);
    }
}
