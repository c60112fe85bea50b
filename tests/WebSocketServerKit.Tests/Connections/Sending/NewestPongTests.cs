using System.Text;

namespace WebSocketServerKit.Connections.Sending;

public sealed class NewestPongTests : SendQueueTest
{
    [Fact]
    public void Every_ping_is_answered_while_the_transport_takes_the_answers()
    {
        SendQueue queue = Queue();
        queue.Pong("1"u8);
        queue.Pong("2"u8);
        AssertSent("Pong 1", "Pong 2");
    }

    [Fact]
    public async Task Only_the_newest_pong_is_kept_while_the_transport_is_busy()
    {
        SendQueue queue = BusyQueue();
        for (int i = 0; i < 100; i++)
            queue.Pong(Encoding.ASCII.GetBytes($"{i}"));
        Assert.Equal(12, queue.BufferedBytes);
        Assert.Equal(2, Pool.Rented);
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Pong 99");
    }

    [Fact]
    public void It_moves_once_and_only_the_newest()
    {
        var pong = new NewestPong(Pool);
        var pending = new PendingFrames(Pool);
        pong.MoveTo(ref pending);
        Assert.Equal((0, 0), (pending.Length, Pool.Rented));
        pong.Replace("old"u8);
        pong.Replace("new!"u8);
        pong.MoveTo(ref pending);
        pong.MoveTo(ref pending);
        Assert.Equal(6, pending.Length);
        Assert.Equal(1, Pool.Rented);
        pong.Replace("dropped"u8);
        pong.Release();
        pending.Release();
        Assert.Equal(0, Pool.Rented);
    }
}
