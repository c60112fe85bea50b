namespace WebSocketServerKit.Connections.Sending;

public sealed class SlowReadingTests : ISlowReadingListener
{
    private readonly List<string> _told = [];

    void ISlowReadingListener.MessagesDropped(int count) => _told.Add($"dropped {count}");

    void ISlowReadingListener.MessageReplaced() => _told.Add("replaced");

    void ISlowReadingListener.SlowReadingChanged(bool isSlow) => _told.Add(isSlow ? "slow" : "caught up");

    void ISlowReadingListener.ReadsTooSlowly() => _told.Add("too slow");

    [Fact]
    public void Each_message_counts_and_only_changes_of_the_state_are_told()
    {
        var slow = new SlowReading(this);
        slow.End();
        Assert.False(slow.IsSlow);
        slow.Drop(2);
        slow.Replace();
        slow.Begin();
        Assert.True(slow.IsSlow);
        slow.End();
        slow.End();
        slow.Begin();
        Assert.Equal((2, 1, true), (slow.Dropped, slow.Replaced, slow.IsSlow));
        Assert.Equal(["dropped 2", "slow", "replaced", "caught up", "slow"], _told);
    }

    [Fact]
    public void Without_a_listener_it_counts_too()
    {
        var slow = new SlowReading(null);
        slow.Drop(1);
        slow.Replace();
        slow.End();
        Assert.Equal((1, 1, false), (slow.Dropped, slow.Replaced, slow.IsSlow));
    }
}
