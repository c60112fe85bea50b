using WebSocketServerKit.TestKit;
using static WebSocketServerKit.ClientChangeKind;

namespace WebSocketServerKit.Serving.Changes;

public sealed class ClientFeedTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly Lock _gate = new();
    private readonly ClientFeeds _feeds;
    private readonly WebSocketClient _client;
    private readonly ClientFeed _feed;

    public ClientFeedTests()
    {
        _feeds = new ClientFeeds(_gate);
        _client = _bench.Client();
        _feed = _feeds.Open([]);
    }

    public void Dispose() => _bench.Dispose();

    private void Add(ClientChangeKind kind)
    {
        lock (_gate)
            _feeds.Add(_client, kind);
    }

    [Fact]
    public async Task A_reader_that_waits_goes_on_with_the_next_change_and_not_inside_the_lock()
    {
        Task<bool> pending = _feed.WhenPending();
        Assert.False(pending.IsCompleted);
        bool isInside = false;
        Task<bool> afterwards = pending.ContinueWith(_ => Volatile.Read(ref isInside) && _gate.IsHeldByCurrentThread, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        lock (_gate)
        {
            Volatile.Write(ref isInside, true);
            _feeds.Add(_client, Connected);
        }

        Assert.True(await pending.InTime());
        Assert.False(await afterwards.InTime());
        Assert.True(_feed.TryTake(out ClientChange change));
        Assert.Equal(new ClientChange(_client, Connected), change);
        Assert.False(_feed.TryTake(out _));
    }

    [Fact]
    public void Nothing_is_waited_for_while_a_change_is_pending()
    {
        Add(Connected);
        Assert.True(_feed.WhenPending() is { IsCompletedSuccessfully: true, Result: true });
        var taken = new Queue<ClientChange>();
        _feed.TakeAll(taken);
        Assert.Equal([new(_client, Connected)], taken);
        Assert.False(_feed.WhenPending().IsCompleted);
    }

    [Fact]
    public async Task A_client_that_came_and_left_before_the_reader_went_on_is_not_told()
    {
        Task<bool> pending = _feed.WhenPending();
        Add(Connected);
        Add(Disconnected);
        Assert.True(await pending.InTime());
        Assert.False(_feed.TryTake(out _));
        Assert.False(_feed.WhenPending().IsCompleted);
    }

    [Fact]
    public async Task The_end_is_told_when_everything_is_read()
    {
        Task<bool> pending = _feed.WhenPending();
        Add(Connected);
        _feeds.End();
        Assert.True(await pending.InTime());
        Assert.True(await _feed.WhenPending().InTime());
        Assert.True(_feed.TryTake(out _));
        Assert.False(await _feed.WhenPending().InTime());
    }

    [Fact]
    public async Task The_end_is_told_to_a_reader_that_waits()
    {
        Task<bool> pending = _feed.WhenPending();
        _feeds.End();
        Assert.False(await pending.InTime());
    }

    [Fact]
    public void A_feed_that_is_disposed_of_is_told_nothing()
    {
        _feed.Dispose();
        _feed.Dispose();
        Add(Connected);
        Assert.False(_feed.TryTake(out _));
    }
}
