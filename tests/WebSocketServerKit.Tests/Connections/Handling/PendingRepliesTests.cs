using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Handling;

public sealed class PendingRepliesTests
{
    private readonly PendingReplies _replies = new();
    private readonly List<string> _calls = [];

    [Fact]
    public void A_message_is_offered_to_the_oldest_first_until_one_takes_it()
    {
        _replies.TryAdd(new Reply(this, "a", takes: 2));
        _replies.TryAdd(new Reply(this, "b", takes: 1));
        _replies.TryAdd(new Reply(this, "c", takes: 1));
        Assert.Equal([true, true, false], new long[] { 1, 2, 3 }.Select(_replies.TryTake));
        Assert.Equal("a1 b1 a2 a3 b3 c3", string.Join(' ', _calls));
    }

    [Fact]
    public void Who_was_removed_is_not_asked_any_more()
    {
        Reply first = new(this, "a", takes: 1), second = new(this, "b", takes: 1);
        _replies.TryAdd(first);
        _replies.TryAdd(second);
        _replies.Remove(first);
        _replies.Remove(first);
        Assert.True(_replies.TryTake(1));
        _replies.Remove(second);
        Assert.False(_replies.TryTake(1));
        Assert.Equal("b1", string.Join(' ', _calls));
    }

    [Fact]
    public void At_the_end_all_are_told_once_and_nobody_is_added_after_it()
    {
        _replies.TryAdd(new Reply(this, "a", takes: 1));
        _replies.TryAdd(new Reply(this, "b", takes: 1));
        _replies.End();
        _replies.End();
        Assert.False(_replies.TryAdd(new Reply(this, "c", takes: 1)));
        Assert.False(_replies.TryTake(1));
        Assert.Equal("a lost b lost", string.Join(' ', _calls));
    }

    [Fact]
    public void A_reply_may_add_and_remove_others_while_it_is_asked()
    {
        Reply second = new(this, "b", takes: 1);
        _replies.TryAdd(new Reply(this, "a", takes: 9, () =>
        {
            _replies.Remove(second);
            _replies.TryAdd(new Reply(this, "c", takes: 1));
        }));
        _replies.TryAdd(second);
        Assert.True(_replies.TryTake(1)); // by those who waited when the message came
        Assert.True(_replies.TryTake(1));
        Assert.Equal("a1 b1 a1 c1", string.Join(' ', _calls));
    }

    [Fact]
    public async Task Many_threads_add_remove_and_take_at_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                Reply reply = new(new PendingRepliesTests(), "x", takes: 1);
                Assert.True(_replies.TryAdd(reply));
                Assert.False(_replies.TryTake(2));
                _replies.Remove(reply);
            }
        }))).InTime();
        Assert.False(_replies.TryTake(1));
    }

    private sealed class Reply(PendingRepliesTests test, string name, long takes, Action? meanwhile = null) : PendingReply
    {
        public override bool TryTake(long run)
        {
            lock (test._calls)
                test._calls.Add($"{name}{run}");
            meanwhile?.Invoke();
            return run == takes;
        }

        public override void Lose() => test._calls.Add($"{name} lost");
    }
}
