using System.Buffers.Binary;
using System.Diagnostics;
using System.Reflection;
using System.Text;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class SendQueueTests : SendQueueTest
{
    [Fact]
    public void A_message_leaves_at_once_as_header_and_payload_in_one_write()
    {
        SendQueue queue = Queue();

        Assert.Equal(SendOutcome.Sent, queue.TrySend("grüße"));

        Assert.Equal([0x81, 7, .. "grüße"u8], Assert.Single(Transport.Writes));
        Assert.Equal((1, 7), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public void A_text_is_encoded_like_its_bytes_whatever_its_length()
    {
        foreach (int length in (int[])[0, 1, 125, 126, 65_535, 65_536])
        {
            var text = new ScriptedTransport();
            var bytes = new ScriptedTransport();
            string message = new('a', length);
            Assert.Equal(SendOutcome.Sent, new SendQueue(text, 1, ConnectionStage.BudgetOf(Pool)).TrySend(message));
            Assert.Equal(SendOutcome.Sent, new SendQueue(bytes, 1, ConnectionStage.BudgetOf(Pool)).TrySend(Opcode.Text, Encoding.UTF8.GetBytes(message)));
            Assert.Equal(bytes.Written, text.Written);
            Assert.Equal(message, Assert.Single(text.Frames).Text);
        }
    }

    [Fact]
    public void A_lone_surrogate_is_sent_as_the_replacement_character()
    {
        Queue().TrySend("a\ud800b");
        AssertSent("Text a\ufffdb");
    }

    [Fact]
    public void A_frame_encoded_for_many_is_written_as_it_is_and_counts_as_a_message()
    {
        SendQueue queue = Queue();
        Assert.Equal(SendOutcome.Sent, queue.TrySendFrame([0x81, 1, (byte)'x'], payloadLength: 1));
        AssertSent("Text x");
        Assert.Equal((1, 1), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public async Task Sixteen_threads_never_mix_their_frames_and_each_keeps_its_order()
    {
        const int Threads = 16;
        const int Messages = 300;
        SendQueue queue = Queue(limit: 4096);
        int writes = 0;
        // Every third write is slow, so that queueing, waiting in line and both kinds of drainers all occur.
        Transport.OnWrite = () =>
        {
            if (writes++ % 3 != 0)
                return;
            Transport.HoldWrites();
            ThreadPool.UnsafeQueueUserWorkItem(_ => Transport.LetAllWritesEnd(), null);
        };

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            for (int i = 0; i < Messages; i++)
            {
                byte[] payload = new byte[8 + (i * 7 % 200)];
                payload.AsSpan(8).Fill((byte)thread);
                BinaryPrimitives.WriteInt32BigEndian(payload, thread);
                BinaryPrimitives.WriteInt32BigEndian(payload.AsSpan(4), i);
                if (i % 50 == 49)
                    queue.Ping("ping"u8);
                Assert.True((await queue.WaitAndSendAsync(Opcode.Binary, payload, Cancellation)).IsAccepted);
            }
        }))).InTime();
        // The last held write may still be waiting for its release.
        Transport.OnWrite = null;
        await AssertDrainedAsync(queue);

        int[] next = new int[Threads];
        foreach (SentFrame frame in Transport.Frames.Where(frame => frame.Opcode == Opcode.Binary))
        {
            int thread = BinaryPrimitives.ReadInt32BigEndian(frame.Payload);
            Assert.Equal(next[thread]++, BinaryPrimitives.ReadInt32BigEndian(frame.Payload.AsSpan(4)));
            Assert.Equal(-1, frame.Payload.AsSpan(8).IndexOfAnyExcept((byte)thread));
        }

        Assert.All(next, sent => Assert.Equal(Messages, sent));
        Assert.Equal(Threads * Messages, queue.MessagesSent);
        Assert.Equal(Threads * (Messages / 50), Transport.Frames.Count(frame => frame.Opcode == Opcode.Ping));
    }

    [Fact]
    public async Task Nothing_follows_a_Close_frame()
    {
        SendQueue queue = BusyQueue();
        queue.Pong("answered before, still held"u8);
        Assert.True(queue.Close(CloseCode.NormalClosure, "bye"));

        Assert.False(queue.Close(CloseCode.InternalError, "again"));
        Assert.Equal(SendOutcome.Closed, queue.TrySend(Opcode.Text, "late"u8));
        Assert.Equal(SendOutcome.Closed, queue.TrySend("late"));
        Assert.Equal(SendOutcome.Closed, queue.TrySendFrame([0x81, 0], 0));
        Assert.Equal(SendOutcome.Closed, await queue.WaitAndSendAsync(Opcode.Text, "late"u8.ToArray(), Cancellation));
        queue.Ping("late"u8);
        queue.Pong("late"u8);

        await AssertDrainedAsync(queue);
        Assert.Equal(2, Transport.Frames.Count);
        Assert.Equal((CloseCode.NormalClosure, "bye"), Transport.Frames[1].ReadClose());
        Assert.Equal((1, 10), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public void A_Close_without_a_code_has_no_payload()
    {
        Queue().Close(CloseCode.NoStatusReceived, "");
        Assert.Empty(Assert.Single(Transport.Frames).Payload);
    }

    [Fact]
    public async Task Ended_without_a_Close_frame_what_was_accepted_still_goes_and_nothing_else()
    {
        SendQueue queue = BusyQueue(limit: 20);
        Assert.Equal(SendOutcome.Queued, queue.TrySend("queued"));
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Text, "waits"u8.ToArray(), Cancellation);

        queue.End();

        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.Equal(SendOutcome.Closed, queue.TrySend("late"));
        Assert.False(queue.Close(CloseCode.NormalClosure, ""));
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Text queued");
        Assert.Null(queue.Failure);
    }

    [Fact]
    public async Task The_first_failure_refuses_everything_after_it_and_cuts_the_connection()
    {
        SendQueue queue = BusyQueue(limit: 30);
        queue.TrySend("gathered");
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Text, Bytes(20), Cancellation);
        Task drained = queue.WhenDrained();
        var failure = new IOException("first");

        Transport.FailWrites(failure);

        await drained.InTime();
        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.Same(failure, queue.Failure);
        await Transport.WhenAborted.InTime();
        queue.Fail(new IOException("second"));
        Assert.Same(failure, queue.Failure);
        Assert.Equal(SendOutcome.Closed, queue.TrySend("late"));
        Assert.False(queue.Close(CloseCode.NormalClosure, ""));
        queue.Ping("late"u8);
        queue.Pong("late"u8);
        queue.Flush();
        Assert.Single(Transport.Writes);
        Assert.Equal((0, 0), (Pool.Rented, queue.BufferedBytes));
        await queue.WhenDrained().InTime();
    }

    [Fact]
    public async Task Fail_while_a_write_is_under_way_leaves_its_bytes_alone_until_it_has_ended()
    {
        SendQueue queue = BusyQueue(limit: 30);
        queue.TrySend("gathered");
        queue.Pong("held"u8);
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Text, Bytes(100), Cancellation);
        Task drained = queue.WhenDrained();

        queue.Fail(new IOException("cut"));

        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.True(queue.IsDraining);
        Assert.False(drained.IsCompleted);
        Transport.LetAllWritesEnd();
        await drained.InTime();
        Assert.Single(Transport.Writes);
        Assert.Equal(0, Pool.Rented);
        Assert.Empty(Transport.Breaches);
    }

    [Fact]
    public void Fail_while_nobody_drains_gives_back_what_was_gathered()
    {
        SendQueue queue = Queue();
        queue.AppendHandshake("HTTP/1.1 101"u8);
        Assert.Equal(1, Pool.Rented);
        queue.Fail(new IOException("cut"));
        Assert.Equal(0, Pool.Rented);
        Assert.True(queue.WhenDrained().IsCompletedSuccessfully);
        Assert.Empty(Transport.Writes);
    }

    [Fact]
    public async Task A_send_completes_when_it_is_accepted_and_not_when_it_is_written()
    {
        SendQueue queue = BusyQueue();
        Task<SendOutcome> send = queue.WaitAndSendAsync(Opcode.Text, "accepted"u8.ToArray(), Cancellation);
        Assert.True(send.IsCompletedSuccessfully);
        Assert.Equal(SendOutcome.Queued, await send);
        Assert.Single(Transport.Writes);
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task The_limit_counts_the_bytes_under_way_and_those_gathered_with_their_headers()
    {
        SendQueue queue = BusyQueue(limit: 30);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(Opcode.Text, Bytes(17)));
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(new string('a', 17)));
        Assert.Equal(SendOutcome.Dropped, queue.TrySendFrame(Bytes(19), 17));
        Assert.Equal(12, queue.BufferedBytes);
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Text, Bytes(16)));
        Assert.Equal(30, queue.BufferedBytes);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(""));
        Assert.Equal((2, 26), (queue.MessagesSent, queue.BytesSent));
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public void A_message_of_more_than_the_most_is_refused_before_anything_is_appended()
    {
        SendQueue queue = Queue();
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => SendQueue.SizeOf(SendQueue.MaxPayload + 1));
        Assert.Contains("1073741824", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(SendQueue.MaxPayload + 10, SendQueue.SizeOf(SendQueue.MaxPayload));
        Assert.Equal(SendOutcome.Sent, queue.TrySend("fits"));
    }

    [Fact]
    public void A_cork_gathers_what_its_thread_sends_into_one_write()
    {
        SendQueue queue = Queue();
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        queue.TrySend("1");
        queue.TrySend(Opcode.Text, "2"u8);
        queue.Pong("3"u8);
        Assert.Empty(Transport.Writes);
        Assert.Equal(9, queue.BufferedBytes);

        cork.Pull();

        Assert.Single(Transport.Writes);
        AssertSent("Text 1", "Text 2", "Pong 3");
        queue.TrySend("4");
        Assert.Equal(2, Transport.Writes.Count);
        Assert.Equal(0, Pool.Rented);
    }

    [Fact]
    public async Task What_another_thread_sends_is_not_held_by_a_cork_and_takes_along_what_was_gathered()
    {
        SendQueue queue = Queue();
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        queue.TrySend("corked");
        var other = new Thread(() => queue.TrySend("other"));
        other.Start();
        other.Join();
        Assert.Single(Transport.Writes);
        AssertSent("Text corked", "Text other");
        cork.Pull();
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public void A_cork_holds_back_no_more_than_64_KiB()
    {
        SendQueue queue = Queue(limit: 1024 * 1024);
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        for (int i = 0; i < 15; i++)
            queue.TrySend(Opcode.Binary, Bytes(4096));
        Assert.Empty(Transport.Writes);
        queue.TrySend(Opcode.Binary, Bytes(4096));
        Assert.Single(Transport.Writes);
        cork.Pull();
        Assert.Single(Transport.Writes);
    }

    [Fact]
    public async Task A_cork_never_makes_the_queue_full()
    {
        SendQueue queue = Queue(limit: 100);
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        for (int i = 0; i < 20; i++)
            Assert.Equal(SendOutcome.Sent, queue.TrySend(Opcode.Binary, Bytes(30)));
        // A handler that waits for its send inside the cork would otherwise wait for itself.
        for (int i = 0; i < 20; i++)
            Assert.True(queue.WaitAndSendAsync(Opcode.Binary, Bytes(30), Cancellation).IsCompletedSuccessfully);
        Assert.All(Transport.Writes, write => Assert.InRange(write.Length, 100, 131));
        cork.Pull();
        Assert.Equal(40, Transport.Frames.Count);
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public void The_answer_to_the_handshake_goes_before_everything_else_and_counts_as_no_message()
    {
        SendQueue queue = Queue();
        queue.AppendHandshake("HTTP/1.1 101\r\n\r\n"u8);
        Assert.Empty(Transport.Writes);
        queue.TrySend("first");
        Assert.Equal([.. "HTTP/1.1 101\r\n\r\n"u8, 0x81, 5, .. "first"u8], Assert.Single(Transport.Writes));
        Assert.Equal((1, 5), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public async Task Control_frames_go_when_the_queue_is_full()
    {
        SendQueue queue = BusyQueue(limit: 12);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("x"));
        queue.Ping("ping"u8);
        queue.Pong("pong"u8);
        Assert.True(queue.Close(CloseCode.NormalClosure, ""));
        await AssertDrainedAsync(queue);
        Assert.Equal([Opcode.Text, Opcode.Ping, Opcode.Close], Transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public void WhenDrained_sends_what_a_cork_holds_back()
    {
        SendQueue queue = Queue();
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        queue.TrySend("gathered");
        // The thread that put the cork in may be the one that waits.
        Assert.True(queue.WhenDrained().IsCompletedSuccessfully);
        AssertSent("Text gathered");
        cork.Pull();
        Assert.Single(Transport.Writes);
    }

    [Fact]
    public void An_ordinary_send_allocates_nothing()
    {
        var queue = new SendQueue(new TakesAll(), 1024 * 1024, ConnectionStage.BudgetOf(System.Buffers.ArrayPool<byte>.Shared));
        byte[] payload = Bytes(100);
        for (int i = 0; i < 1000; i++)
            queue.TrySend(Opcode.Binary, payload);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            queue.TrySend(Opcode.Binary, payload);
        long perSend = (GC.GetAllocatedBytesForCurrentThread() - before) / 1000;
        // Unoptimised code makes a class of each async method's state.
        bool optimised = !typeof(SendQueue).Assembly.GetCustomAttribute<DebuggableAttribute>()!.IsJITOptimizerDisabled;
        Assert.InRange(perSend, 0, optimised ? 0 : 200);
    }

    [Fact]
    public async Task A_message_is_Sent_on_an_idle_transport_and_Queued_on_a_busy_one()
    {
        SendQueue queue = Queue(limit: 200_000);
        Assert.False(queue.Refuses(mayWait: false, out SendOutcome expected));
        Assert.Equal(SendOutcome.Sent, expected);
        Assert.Equal(SendOutcome.Sent, queue.TrySend("idle"));
        Assert.Equal(SendOutcome.Sent, await queue.WaitAndSendAsync(Opcode.Text, Bytes(1), Cancellation));

        Transport.HoldWrites();
        Assert.Equal(SendOutcome.Sent, queue.TrySend("makes it busy"));
        Assert.False(queue.Refuses(mayWait: false, out expected));
        Assert.Equal(SendOutcome.Queued, expected);
        Assert.Equal(SendOutcome.Queued, queue.TrySend("1"));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Binary, "2"u8));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Binary, Bytes(70_000)));
        Assert.Equal(SendOutcome.Queued, queue.TrySendFrame([0x81, 0], 0));
        Assert.Equal(SendOutcome.Queued, await queue.WaitAndSendAsync(Opcode.Text, Bytes(1), Cancellation));
        await AssertDrainedAsync(queue);
        Assert.Equal(SendOutcome.Sent, queue.TrySend("idle again"));
    }

    [Fact]
    public async Task What_the_own_cork_holds_back_is_Sent_and_so_is_what_another_thread_sends_past_it()
    {
        SendQueue queue = Queue();
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        Assert.Equal([SendOutcome.Sent, SendOutcome.Sent], [queue.TrySend("1"), queue.TrySend("2")]);
        var outcome = SendOutcome.Closed;
        var other = new Thread(() => outcome = queue.TrySend("3"));
        other.Start();
        other.Join();
        cork.Pull();
        Assert.Equal(SendOutcome.Sent, outcome);
        AssertSent("Text 1", "Text 2", "Text 3");
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public void A_client_that_has_been_silent_holds_no_more_than_its_queue_and_its_lock()
    {
        MemoryBudget budget = ConnectionStage.BudgetOf(Pool);
        Queue();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            GC.KeepAlive(new SendQueue(Transport, 1000, budget));
        // Everything that an idle connection rarely needs is made on demand.
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 1000, 1, 248);
    }

    private sealed class TakesAll : TransportStub
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => ValueTask.CompletedTask;
    }
}
