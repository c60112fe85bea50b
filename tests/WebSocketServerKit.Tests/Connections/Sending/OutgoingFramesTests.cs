using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class OutgoingFramesTests : SendQueueTest
{
    [Fact]
    public async Task While_nobody_drains_both_buffers_are_given_back()
    {
        SendQueue queue = Queue();
        queue.TrySend("at once");
        Assert.Equal(0, Pool.Rented);

        Transport.HoldWrites();
        queue.TrySend("held");
        Assert.Equal(1, Pool.Rented);
        queue.TrySend("gathered");
        queue.Pong("pong"u8);
        Assert.Equal(3, Pool.Rented);
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task WhenDrained_waits_for_all_that_was_accepted()
    {
        SendQueue queue = BusyQueue();
        queue.TrySend("more");
        Task drained = queue.WhenDrained();
        Assert.Same(drained, queue.WhenDrained());
        await Transport.NextWriteAsync();
        Transport.LetWriteEnd();
        await Transport.NextWriteAsync();
        Assert.False(drained.IsCompleted);
        Transport.LetWriteEnd();
        await drained.InTime();
        Assert.True(queue.WhenDrained().IsCompletedSuccessfully);
    }

    [Fact]
    public void Nobody_drains_when_nothing_is_pending_and_only_one_when_something_is()
    {
        var outgoing = new OutgoingFrames(Pool);
        Assert.False(outgoing.TryBeginDrain());
        outgoing.Pending.Append("a"u8);
        Assert.True(outgoing.TryBeginDrain());
        Assert.False(outgoing.TryBeginDrain());
        outgoing.EndDrain();
        Assert.Equal((0, 0), (outgoing.Length, Pool.Rented));
    }

    [Fact]
    public void What_is_pending_gathers_behind_what_is_in_flight_until_it_is_taken()
    {
        var outgoing = new OutgoingFrames(Pool);
        outgoing.Pending.Append("first"u8);
        outgoing.TryBeginDrain();
        Assert.True(outgoing.TryTake(int.MaxValue / 2, out ReadOnlyMemory<byte> bytes));
        outgoing.Pending.Append("2nd"u8);
        Assert.Equal("first"u8, bytes.Span);
        Assert.Equal((8, 3), (outgoing.Length, outgoing.Pending.Length));
        Assert.InRange(outgoing.Capacity, 8, 10_000);

        outgoing.Wrote(left: 2);
        Assert.Equal(5, outgoing.Length);
        outgoing.Wrote(left: 0);
        Assert.True(outgoing.TryTake(int.MaxValue / 2, out bytes));
        Assert.Equal("2nd"u8, bytes.Span);
        outgoing.Wrote(left: 0);
        Assert.False(outgoing.TryTake(int.MaxValue / 2, out _));
        outgoing.EndDrain();
        Assert.False(outgoing.IsDraining);
        Assert.Equal((0L, 0), (outgoing.Capacity, Pool.Rented));
    }
}
