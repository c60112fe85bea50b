using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving.Backplanes;

public sealed class InterestTests : IAsyncLifetime
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();
    private readonly ScriptedBackplane _backplane = new();
    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogger _log = new();
    private ServerNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _node = await ServerNode.ConnectAsync(_backplane, _clients, new ServerLog(_log), _time, TestContext.Current.CancellationToken);
        Assert.Equal([$"+node:{_clients.NodeId}", "+all"], _backplane.Calls);
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _bench.Dispose();
    }

    private string[] Calls => _backplane.Calls[2..];

    private WebSocketClient Add()
    {
        WebSocketClient client = _bench.Client("/", "203.0.113.7");
        _clients.Add(client);
        return client;
    }

    [Fact]
    public async Task The_first_member_subscribes_and_the_last_one_that_goes_unsubscribes()
    {
        WebSocketClient one = Add(), two = Add();
        Assert.True(await one.JoinAsync("a", TestContext.Current.CancellationToken));
        Assert.True(await two.JoinAsync("a", TestContext.Current.CancellationToken));
        Assert.False(await two.JoinAsync("a", TestContext.Current.CancellationToken));
        one.Leave("a");
        two.Subscribe("x/#");
        await Polling.UntilAsync(() => Calls.Length == 2);
        Assert.Equal(["+group:a", "+topics"], Calls);
        _clients.Remove(two);
        await Polling.UntilAsync(() => Calls.Length == 4);
        Assert.Equal(["-group:a", "-topics"], Calls[2..].Order(StringComparer.Ordinal), StringComparer.Ordinal);
    }

    [Fact]
    public async Task Who_joins_while_the_last_one_is_being_unsubscribed_is_subscribed_again()
    {
        WebSocketClient client = Add();
        for (int i = 0; i < 50; i++)
        {
            await client.JoinAsync("a", TestContext.Current.CancellationToken);
            // Subscribed, whatever is under way: the latest call for the channel is a subscription.
            Assert.Equal("+group:a", Calls[^1]);
            client.Leave("a");
        }
    }

    [Fact]
    public async Task A_join_completes_when_the_backplane_has_confirmed()
    {
        TaskCompletionSource confirmed = new();
        _backplane.Subscribing = _ => confirmed.Task;
        WebSocketClient client = Add();
        Task<bool> joining = client.JoinAsync("a", TestContext.Current.CancellationToken).AsTask();
        await Polling.UntilAsync(() => Calls.Length == 1);
        Assert.True(client.IsIn("a"));
        Assert.False(joining.IsCompleted);
        using CancellationTokenSource impatient = new();
        Task<bool> other = client.JoinAsync("a", impatient.Token).AsTask();
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other);
        confirmed.SetResult();
        Assert.True(await joining);
    }

    [Fact]
    public async Task A_subscription_that_fails_is_told_once_and_tried_again()
    {
        _backplane.Subscribing = _ => Task.FromException(new TimeoutException("away"));
        WebSocketClient client = Add();
        IOException told = await Assert.ThrowsAsync<IOException>(() => client.JoinAsync("a", TestContext.Current.CancellationToken).AsTask());
        Assert.IsType<TimeoutException>(told.InnerException);
        Assert.True(client.IsIn("a"));
        _time.Advance(TimeSpan.FromSeconds(1));
        await Polling.UntilAsync(() => Calls.Length >= 2);
        _backplane.Subscribing = _ => Task.CompletedTask;
        Assert.False(await client.JoinAsync("a", TestContext.Current.CancellationToken));
        Assert.Equal(41, Assert.Single(_log.Collector.GetSnapshot()).Id.Id);
    }

    [Fact]
    public async Task Joins_that_are_repeated_while_the_backplane_is_away_add_no_retries()
    {
        _backplane.Subscribing = channel => channel is "group:a" ? Task.FromException(new TimeoutException("away")) : Task.CompletedTask;
        WebSocketClient client = Add();
        await JoinAsync();
        // It may have tried twice: when the client became a member, and again when it waited.
        int first = Attempts();
        for (int i = 0; i < 19; i++)
            await JoinAsync();

        // The first one is due after 1 s, and the next after 2 s.
        _time.Advance(TimeSpan.FromMilliseconds(800));
        await Polling.UntilAsync(() => Attempts() > first + 19);
        for (int i = 0; i < 15; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            await client.JoinAsync($"b{i}", TestContext.Current.CancellationToken); // behind what was due
        }

        Assert.Equal(first + 19 + 1, Attempts());

        int Attempts() => Calls.Count(call => call is "+group:a");

        async Task JoinAsync()
        {
            await Assert.ThrowsAsync<IOException>(() => client.JoinAsync("a", TestContext.Current.CancellationToken).AsTask());
            _time.Advance(TimeSpan.FromMilliseconds(10));
        }
    }

    [Fact]
    public async Task Its_end_lets_those_go_who_wait()
    {
        _backplane.Subscribing = _ => new TaskCompletionSource().Task;
        Task<bool> joining = Add().JoinAsync("a", TestContext.Current.CancellationToken).AsTask();
        await _node.DisposeAsync();
        Assert.True(await joining);
        Assert.True(Add().Join("b"));
        Assert.DoesNotContain("+group:b", Calls, StringComparer.Ordinal);
    }
}
