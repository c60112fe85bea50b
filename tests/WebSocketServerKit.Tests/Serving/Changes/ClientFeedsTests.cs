using WebSocketServerKit.TestKit;
using static WebSocketServerKit.ClientChangeKind;

namespace WebSocketServerKit.Serving.Changes;

public sealed class ClientFeedsTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientFeeds _feeds = new(new Lock());

    public void Dispose() => _bench.Dispose();

    private static List<ClientChange> TakeAll(ClientFeed feed)
    {
        var taken = new Queue<ClientChange>();
        feed.TakeAll(taken);
        return [.. taken];
    }

    [Fact]
    public void Every_reader_begins_with_those_who_are_present_and_gets_every_change()
    {
        WebSocketClient first = _bench.Client(), second = _bench.Client();
        _feeds.Add(first, Connected);
        ClientFeed one = _feeds.Open([first]);
        _feeds.Add(second, Connected);
        ClientFeed other = _feeds.Open([first, second]);
        _feeds.Add(first, Disconnected);
        Assert.Equal([new(second, Connected)], TakeAll(one));
        Assert.Equal([new(second, Connected)], TakeAll(other));
        _feeds.Add(second, Changed);
        Assert.Equal([new(second, Changed)], TakeAll(one));
        Assert.Equal([new(second, Changed)], TakeAll(other));
    }

    [Fact]
    public void There_are_readers_from_the_first_to_the_last()
    {
        Assert.False(_feeds.Any);
        ClientFeed one = _feeds.Open([]), other = _feeds.Open([]);
        Assert.True(_feeds.Any);
        one.Dispose();
        Assert.True(_feeds.Any);
        other.Dispose();
        Assert.False(_feeds.Any);
    }

    [Fact]
    public void After_the_end_there_is_no_reader_and_a_new_one_ends_after_those_who_are_present()
    {
        ClientFeed one = _feeds.Open([]);
        _feeds.End();
        Assert.False(_feeds.Any);
        Assert.True(one.WhenPending() is { IsCompletedSuccessfully: true, Result: false });

        WebSocketClient client = _bench.Client();
        ClientFeed late = _feeds.Open([client]);
        Assert.False(_feeds.Any);
        Assert.Equal([new(client, Connected)], TakeAll(late));
        Assert.True(late.WhenPending() is { IsCompletedSuccessfully: true, Result: false });
    }
}
