using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class WriteThroughTests : SendQueueTest
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65_536)]
    [InlineData(65_546)]
    [InlineData(65_547)]
    [InlineData(327_690)]
    [InlineData(400_000)]
    [InlineData(1_000_010)]
    public async Task A_large_message_arrives_whole_however_much_of_it_the_transport_takes_at_once(int takenAtOnce)
    {
        SendQueue queue = Queue(limit: 100_000);
        byte[] payload = Bytes(1_000_000);
        new Random(takenAtOnce).NextBytes(payload);
        Transport.TakenAtOnce = takenAtOnce;
        Assert.Equal(SendOutcome.Sent, queue.TrySend(Opcode.Binary, payload));
        queue.TrySend("next");
        Assert.Equal([Opcode.Binary, Opcode.Text], Transport.Frames.Select(frame => frame.Opcode));
        Assert.Equal(payload, Transport.Frames[0].Payload);
        Assert.Equal((2, 1_000_004), (queue.MessagesSent, queue.BytesSent));
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task Messages_behind_a_large_one_wait_until_it_is_written()
    {
        SendQueue queue = Queue(limit: 100_000);
        Transport.HoldWrites();
        Transport.TakenAtOnce = 200_000;
        queue.TrySend(Opcode.Binary, Bytes(400_000));
        Assert.Equal(400_010, queue.BufferedBytes);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(Opcode.Binary, Bytes(70_000)));
        queue.Pong("pong"u8);
        await AssertDrainedAsync(queue);
        Assert.Equal([Opcode.Binary, Opcode.Pong], Transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public void A_large_message_goes_behind_those_that_a_cork_holds_back()
    {
        SendQueue queue = Queue(limit: 1_000_000);
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        queue.TrySend("first");
        Transport.TakenAtOnce = 1_000_000;
        queue.TrySend(Opcode.Binary, Bytes(70_000));
        cork.Pull();
        Assert.Equal([Opcode.Text, Opcode.Binary], Transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public void A_large_message_is_refused_after_a_Close_frame()
    {
        SendQueue queue = Queue();
        queue.Close(CloseCode.NormalClosure, "");
        Assert.Equal(SendOutcome.Closed, queue.TrySend(Opcode.Binary, Bytes(70_000)));
    }

    [Fact]
    public void Without_memory_for_a_large_message_the_connection_is_cut()
    {
        SendQueue queue = Queue();
        Pool.LargestRent = 70_000;
        Transport.TakenAtOnce = 100_000;
        Assert.Equal(SendOutcome.Sent, queue.TrySend(Opcode.Binary, Bytes(200_000)));
        Assert.IsType<InvalidOperationException>(queue.Failure);
        Assert.Equal((1, 0), (Transport.Aborts, Pool.Rented));
        Assert.Equal(SendOutcome.Closed, queue.TrySend("next"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65_536)]
    [InlineData(1_000_000)]
    public void The_rest_that_the_transport_has_not_taken_is_copied(int takenAtOnce)
    {
        var buffer = new PooledBuffer(Pool);
        byte[] payload = Bytes(500_000);
        new Random(1).NextBytes(payload);
        byte[] frame = SendQueue.ToFrame(Opcode.Binary, payload);
        Transport.TakenAtOnce = takenAtOnce;
        ReadOnlyMemory<byte> rest = WriteThrough.Write(Transport, ref buffer, Opcode.Binary, payload);
        Array.Clear(payload);
        Assert.Equal(frame, (byte[])[.. Transport.Written, .. rest.Span]);
        Assert.Equal(Math.Max(0, frame.Length - takenAtOnce), rest.Length);
        buffer.Release();
    }
}
