using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class DrainerTests : SendQueueTest
{
    [Fact]
    public async Task Only_one_drains_and_what_others_append_meanwhile_leaves_in_one_write()
    {
        SendQueue queue = BusyQueue();
        for (int i = 0; i < 10; i++)
            Assert.Equal(SendOutcome.Queued, queue.TrySend(i.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Single(Transport.Writes);

        await AssertDrainedAsync(queue);
        Assert.Equal(2, Transport.Writes.Count);
        AssertSent(["Text 0123456789", .. Enumerable.Range(0, 10).Select(i => $"Text {i}")]);
    }

    [Fact]
    public void A_write_that_throws_at_once_is_a_failure_like_any_other()
    {
        SendQueue queue = Queue();
        Transport.OnWrite = () => throw new InvalidOperationException("scripted");
        Assert.Equal(SendOutcome.Sent, queue.TrySend("lost"));
        Assert.IsType<InvalidOperationException>(queue.Failure);
        Assert.False(queue.IsDraining);
        Assert.Equal((0, 1), (Pool.Rented, Transport.Aborts));
    }

    [Fact]
    public void The_transport_is_called_outside_the_gate()
    {
        SendQueue queue = Queue();
        bool asked = false;
        Transport.OnWrite = () => asked = Task.Run(() => queue.BufferedBytes).Wait(TimeSpan.FromSeconds(30));
        queue.TrySend("x");
        Assert.True(asked);
    }

    [Fact]
    public async Task A_sender_that_drains_for_others_gets_back_to_its_own_work_after_some_rounds()
    {
        SendQueue queue = Queue();
        int rounds = 0;
        int here = Environment.CurrentManagedThreadId;
        using ManualResetEventSlim cameBack = new();
        bool waited = false;
        // Each write brings the next message, as if another sender were as fast as the transport.
        Transport.OnWrite = () =>
        {
            rounds++;
            if (rounds <= 16)
                Assert.Equal(here, Environment.CurrentManagedThreadId);
            if (rounds == 17)
                waited = cameBack.Wait(TimeSpan.FromSeconds(30));
            if (rounds < 40)
                queue.TrySend("next");
        };

        queue.TrySend("first");

        // It came back though there was more to do; the seventeenth round waits for that.
        cameBack.Set();
        await queue.WhenDrained().InTime();
        Assert.True(waited, "The seventeenth round was run before the sender came back.");
        Assert.Equal(40, Transport.Frames.Count);
        Assert.Equal(0, Pool.Rented);
    }

    [Fact]
    public async Task A_large_message_is_written_in_parts_so_that_a_slow_peer_is_seen_to_get_on()
    {
        SendQueue queue = Queue();
        Transport.HoldWrites();
        byte[] payload = new byte[1024 * 1024];
        new Random(1).NextBytes(payload);
        queue.TrySend(Opcode.Binary, payload);
        Assert.Equal(256 * 1024, (await Transport.NextWriteAsync()).Length);
        int buffered = queue.BufferedBytes;
        Transport.LetWriteEnd();
        await Transport.NextWriteAsync();
        Assert.Equal(buffered - 256 * 1024, queue.BufferedBytes);

        await AssertDrainedAsync(queue);
        Assert.Equal(5, Transport.Writes.Count);
        Assert.Equal(payload, Assert.Single(Transport.Frames).Payload);
    }

    [Fact]
    public async Task The_rest_of_what_is_in_flight_goes_before_all_that_is_pending()
    {
        SendQueue queue = Queue();
        Transport.HoldWrites();
        queue.TrySend(Opcode.Binary, new byte[SendQueue.WriteLimit + 100]);
        await Transport.NextWriteAsync(); // of which the last bytes are left
        queue.Ping("pending"u8);

        await AssertDrainedAsync(queue);
        Assert.Equal(3, Transport.Writes.Count);
        Assert.Equal([Opcode.Binary, Opcode.Ping], Transport.Frames.Select(frame => frame.Opcode));
    }
}
