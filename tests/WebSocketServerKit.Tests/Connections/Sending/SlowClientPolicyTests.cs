using System.Text;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>What becomes of messages for which a send queue has no room.</summary>
public sealed class SlowClientPolicyTests : SendQueueTest
{
    private SendQueue BusyQueue(SlowClientPolicy policy, int limit)
    {
        SendQueue queue = Queue(limit);
        queue.Policy = policy;
        Transport.HoldWrites();
        Assert.Equal(SendOutcome.Sent, queue.TrySend("0123456789"));
        return queue;
    }

    private static SendOutcome Latest(SendQueue queue, string key, string text)
    {
        byte[] frame = SendQueue.ToFrame(Opcode.Text, Encoding.UTF8.GetBytes(text));
        return queue.TrySendLatest(key, frame, frame, text.Length);
    }

    private static byte[] Fragment(string payload, bool fin, bool first = false)
    {
        byte[] frame = new byte[2 + payload.Length];
        FrameHeaderWriter.Write(frame, first ? Opcode.Text : Opcode.Continuation, payload.Length, fin);
        Encoding.ASCII.GetBytes(payload, frame.AsSpan(2));
        return frame;
    }

    [Fact]
    public async Task Waiting_is_what_happens_by_default()
    {
        SendQueue queue = BusyQueue(default, limit: 20);
        Assert.Equal(SlowClientPolicy.Wait, queue.Policy);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("1234567"));
        Assert.Equal(SendOutcome.MustWait, queue.TrySend("1234567", mayWait: true));
        Assert.Equal((1, 0), (queue.MessagesDropped, queue.MessagesReplaced));
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Text, "waits!!"u8.ToArray(), Cancellation);
        Assert.False(waiting.IsCompleted);
        await AssertDrainedAsync(queue);
        Assert.Equal(SendOutcome.Queued, await waiting.InTime());
        AssertSent("Text 0123456789", "Text waits!!");
    }

    [Fact]
    public async Task A_message_for_which_there_is_no_room_in_line_either_counts_as_dropped()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.Wait, limit: 20);
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Binary, Bytes(70_000), Cancellation);
        Assert.Equal(0, queue.MessagesDropped);
        Assert.Equal(SendOutcome.LineFull, await queue.WaitAndSendAsync(Opcode.Text, "not"u8.ToArray(), Cancellation));
        Assert.Equal((1, true), (queue.MessagesDropped, queue.IsSlow));
        await AssertDrainedAsync(queue);
        Assert.Equal(SendOutcome.Queued, await waiting.InTime());
    }

    [Fact]
    public async Task With_DropNewest_a_message_that_does_not_fit_is_dropped_and_nobody_waits()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.DropNewest, limit: 20);
        Assert.Equal(SendOutcome.Queued, queue.TrySend("fits"));
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("not"));
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(Opcode.Binary, "not"u8, mayWait: true));
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(Opcode.Binary, Bytes(70_000), mayWait: true));
        Assert.Equal(SendOutcome.Dropped, await queue.WaitAndSendAsync(Opcode.Text, "not"u8.ToArray(), Cancellation));
        Assert.Equal(4, queue.MessagesDropped);
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Text fits");
    }

    [Fact]
    public async Task With_DropOldest_the_oldest_messages_are_dropped_until_the_new_one_fits()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.DropOldest, limit: 400);
        for (int i = 0; i < 20; i++)
            Assert.Equal(SendOutcome.Queued, queue.TrySend($"message {i:00}"));
        Assert.Equal(SendOutcome.Queued, await queue.WaitAndSendAsync(Opcode.Text, "the newest"u8.ToArray(), Cancellation));
        Assert.InRange(queue.MessagesDropped, 10, 19);
        long dropped = queue.MessagesDropped;
        Assert.Equal(22, queue.MessagesSent);
        await AssertDrainedAsync(queue);
        AssertSent(["Text 0123456789", .. Enumerable.Range((int)dropped, 20 - (int)dropped).Select(i => $"Text message {i:00}"), "Text the newest"]);
    }

    [Fact]
    public async Task With_DropOldest_a_message_of_any_size_goes_alone()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.DropOldest, limit: 400);
        queue.Ping("ping"u8);
        Assert.Equal(SendOutcome.Queued, queue.TrySend("dropped"));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Binary, Bytes(500)));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Text, "second"u8));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Binary, Bytes(70_000)));
        Assert.Equal(3, queue.MessagesDropped);
        await AssertDrainedAsync(queue);
        Assert.Equal([10, 4, 70_000], Transport.Frames.Select(frame => frame.Payload.Length));
    }

    [Fact]
    public async Task What_is_in_flight_is_not_dropped_and_leaves_room_for_the_newest()
    {
        SendQueue queue = Queue(limit: 400);
        queue.Policy = SlowClientPolicy.DropOldest;
        Transport.HoldWrites();
        Assert.Equal(SendOutcome.Sent, queue.TrySend(Opcode.Binary, Bytes(100_000)));
        Assert.Equal(SendOutcome.Queued, queue.TrySend("1"));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(new string('2', 150)));
        Assert.Equal(1, queue.MessagesDropped);
        await AssertDrainedAsync(queue);
        Assert.Equal([100_000, 150], Transport.Frames.Select(frame => frame.Payload.Length));
    }

    [Fact]
    public async Task With_Disconnect_the_listener_is_told_outside_the_lock_and_the_sender_that_it_is_over()
    {
        var listener = new Listener();
        var queue = new SendQueue(Transport, 20, ConnectionStage.BudgetOf(Pool), listener) { Policy = SlowClientPolicy.Disconnect };
        listener.OnTooSlow = () => Assert.True(Task.Run(() => queue.Close(CloseCode.PolicyViolation, "slow", discard: true)).Result);
        Transport.HoldWrites();
        Assert.Equal(SendOutcome.Sent, queue.TrySend("0123456789"));
        Assert.Equal(SendOutcome.Queued, queue.TrySend("fits"));
        Assert.Equal(SendOutcome.Closed, queue.TrySend("not"));
        Assert.Equal(SendOutcome.Closed, await queue.WaitAndSendAsync(Opcode.Text, "not"u8.ToArray(), Cancellation));
        Assert.Equal((1, 1), (listener.TooSlow, queue.MessagesDropped));
        await AssertDrainedAsync(queue);
        Assert.Equal(["Text", "Close"], Transport.Frames.Select(frame => $"{frame.Opcode}"), StringComparer.Ordinal);
    }

    [Theory]
    [InlineData(SlowClientPolicy.DropNewest, false)]
    [InlineData(SlowClientPolicy.Disconnect, true)]
    public void Work_for_a_message_that_would_be_refused_is_spared_and_it_counts(SlowClientPolicy policy, bool isClosed)
    {
        SendQueue queue = BusyQueue(policy, limit: 13);
        Assert.True(queue.Refuses(mayWait: true, out SendOutcome outcome));
        Assert.Equal((isClosed ? SendOutcome.Closed : SendOutcome.Dropped, 1), (outcome, queue.MessagesDropped));
    }

    [Theory]
    [InlineData(SlowClientPolicy.Wait)]
    [InlineData(SlowClientPolicy.DropOldest)]
    public void Work_is_not_spared_where_the_message_is_sent_in_the_end(SlowClientPolicy policy)
    {
        SendQueue queue = BusyQueue(policy, limit: 13);
        Assert.False(queue.Refuses(mayWait: true, out _));
        Assert.Equal(0, queue.MessagesDropped);
    }

    [Theory]
    [InlineData(SlowClientPolicy.Wait)]
    [InlineData(SlowClientPolicy.DropNewest)]
    [InlineData(SlowClientPolicy.DropOldest)]
    [InlineData(SlowClientPolicy.Disconnect)]
    public async Task The_newest_message_with_a_key_takes_the_place_of_the_pending_one_whatever_the_policy(SlowClientPolicy policy)
    {
        SendQueue queue = BusyQueue(policy, limit: 1000);
        Assert.Equal(SendOutcome.Queued, Latest(queue, "a", "a1"));
        Assert.Equal(SendOutcome.Queued, queue.TrySend("between"));
        Assert.Equal(SendOutcome.Queued, Latest(queue, "b", "b1"));
        queue.Ping("ping"u8);
        Assert.Equal(SendOutcome.Replaced, Latest(queue, "b", "b2"));
        Assert.Equal(SendOutcome.Replaced, Latest(queue, "a", "a2 is longer"));
        Assert.Equal(SendOutcome.Queued, Latest(queue, "A", "keys are ordinal"));
        Assert.Equal((0, 2, 7), (queue.MessagesDropped, queue.MessagesReplaced, queue.MessagesSent));
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Text a2 is longer", "Text between", "Text b2", "Ping ping", "Text keys are ordinal");
    }

    [Fact]
    public async Task What_is_in_flight_is_not_replaced()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.Wait, limit: 1000);
        Assert.Equal(SendOutcome.Queued, Latest(queue, "a", "a1"));
        Transport.LetWriteEnd();
        await Polling.UntilAsync(() => Transport.Writes.Count == 2);
        Assert.Equal(SendOutcome.Queued, Latest(queue, "a", "a2"));
        Assert.Equal(SendOutcome.Replaced, Latest(queue, "a", "a3"));
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Text a1", "Text a3");
    }

    [Fact]
    public async Task A_longer_message_that_finds_no_room_leaves_the_pending_one()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.Wait, limit: 12 + 150);
        Assert.Equal(SendOutcome.Queued, Latest(queue, "a", "a1"));
        Assert.Equal(SendOutcome.Dropped, Latest(queue, "a", new string('2', 100)));
        Assert.Equal(SendOutcome.Replaced, Latest(queue, "a", "a3"));
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Text a3");
    }

    [Fact]
    public async Task A_longer_message_drops_others_and_not_its_own_place()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.DropOldest, limit: 12 + 500);
        Assert.Equal(SendOutcome.Queued, Latest(queue, "a", "a1"));
        Assert.Equal(SendOutcome.Queued, Latest(queue, "b", "b1"));
        Assert.Equal(SendOutcome.Queued, Latest(queue, "c", "c1"));
        Assert.Equal(SendOutcome.Replaced, Latest(queue, "a", new string('2', 120)));
        Assert.Equal((1, 1), (queue.MessagesDropped, queue.MessagesReplaced));
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", $"Text {new string('2', 120)}", "Text c1");
    }

    [Fact]
    public async Task Behind_a_message_in_fragments_the_same_rules_hold()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.DropOldest, limit: 1000);
        Assert.Equal(SendOutcome.Queued, Latest(queue, "a", "a1"));
        Assert.True((await queue.BeginFragmentsAsync(Cancellation).InTime()).IsAccepted);
        Assert.True((await queue.SendFragmentAsync(Fragment("x", fin: false, first: true), Cancellation).InTime()).IsAccepted);
        Assert.Equal(SendOutcome.Queued, Latest(queue, "b", "b1"));
        Assert.Equal(SendOutcome.Replaced, Latest(queue, "a", "a2"));
        Assert.Equal(SendOutcome.Replaced, Latest(queue, "b", "b2"));
        queue.Ping("ping"u8);
        for (int i = 0; i < 20; i++)
            Assert.Equal(SendOutcome.Queued, queue.TrySend($"{i:00}"));
        int left = 20 - ((int)queue.MessagesDropped - 2);
        Task<SendOutcome> last = queue.SendLastFragmentAsync(Fragment("z", fin: true), 2, Cancellation);
        await AssertDrainedAsync(queue);
        Assert.True((await last.InTime()).IsAccepted);
        AssertSent(
            ["Text 0123456789", "Text x…", "Ping ping", "Continuation z", .. Enumerable.Range(20 - left, left).Select(i => $"Text {i:00}")]);
    }

    [Fact]
    public async Task Fragments_wait_for_room_whatever_the_policy()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.DropOldest, limit: 300);
        Assert.True((await queue.BeginFragmentsAsync(Cancellation).InTime()).IsAccepted);
        Assert.True((await queue.SendFragmentAsync(Fragment(new string('x', 120), fin: false, first: true), Cancellation).InTime()).IsAccepted);
        Assert.True((await queue.SendFragmentAsync(Fragment(new string('y', 120), fin: false), Cancellation).InTime()).IsAccepted);
        Task<SendOutcome> last = queue.SendLastFragmentAsync(Fragment(new string('z', 120), fin: true), 360, Cancellation);
        Task<SendOutcome> turn = queue.BeginFragmentsAsync(Cancellation);
        Assert.False(last.IsCompleted);
        Assert.True(queue.IsSlow);
        // Fragments fill more than half of the queue, so a message that does not fit is dropped itself.
        Assert.Equal(SendOutcome.Queued, queue.TrySend("fits"));
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(new string('!', 200)));
        await AssertPartlyDrainedAsync(last);
        Assert.Equal(SendOutcome.Queued, await turn.InTime());
        queue.TakeBackFragments();
        await AssertDrainedAsync(queue);
        Assert.Equal("Text fits", Transport.Frames[^1].ToString());
    }

    private async Task AssertPartlyDrainedAsync(Task<SendOutcome> sending)
    {
        Transport.LetAllWritesEnd();
        Assert.Equal(SendOutcome.Queued, await sending.InTime());
    }

    [Fact]
    public async Task With_a_policy_whole_messages_pass_those_that_wait_for_the_turn_and_are_not_dropped_for_them()
    {
        SendQueue queue = Queue();
        queue.Policy = SlowClientPolicy.DropNewest;
        Assert.True((await queue.BeginFragmentsAsync(Cancellation).InTime()).IsAccepted);
        Task<SendOutcome> second = queue.BeginFragmentsAsync(Cancellation);
        Assert.Equal(SendOutcome.Queued, queue.TrySend("between"));
        Assert.False(queue.IsSlow);
        Assert.True((await queue.SendLastFragmentAsync(Fragment("one", fin: true, first: true), 3, Cancellation).InTime()).IsAccepted);
        await second.InTime();
        Assert.True((await queue.SendLastFragmentAsync(Fragment("two", fin: true, first: true), 3, Cancellation).InTime()).IsAccepted);
        await AssertDrainedAsync(queue);
        AssertSent("Text one", "Text between", "Text two");
    }

    [Fact]
    public async Task A_compressed_message_never_takes_the_place_of_an_uncompressed_one()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.Wait, limit: 1000);
        byte[] plain = SendQueue.ToFrame(Opcode.Text, "plain"u8);
        byte[] compressed = [0xC1, 1, (byte)'c'];
        Assert.Equal(SendOutcome.Queued, queue.TrySendLatest("a", plain, plain, 5));
        Assert.Equal(SendOutcome.Queued, queue.TrySendLatest("b", compressed, plain, 5));
        Assert.Equal(SendOutcome.Replaced, queue.TrySendLatest("a", compressed, plain, 5));
        Assert.Equal(SendOutcome.Replaced, queue.TrySendLatest("b", compressed, plain, 5));
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Text plain", "compressed Text 63");
    }

    [Fact]
    public async Task A_client_is_slow_until_all_that_was_pending_is_taken()
    {
        var listener = new Listener();
        var queue = new SendQueue(Transport, 1000, ConnectionStage.BudgetOf(Pool), listener);
        Transport.HoldWrites();
        queue.TrySend("0123456789");
        Latest(queue, "a", "a1");
        Assert.False(queue.IsSlow);
        Latest(queue, "a", "a2");
        Assert.True(queue.IsSlow);
        Transport.LetWriteEnd();
        await Polling.UntilAsync(() => Transport.Writes.Count == 2);
        Assert.True(queue.IsSlow);
        await AssertDrainedAsync(queue);
        Assert.False(queue.IsSlow);
        Assert.Equal([true, false], listener.Changes);
    }

    [Fact]
    public async Task Keys_without_end_are_bounded_by_the_limit()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.Wait, limit: 10_000);
        int accepted = 0;
        for (int i = 0; i < 10_000; i++)
            accepted += Latest(queue, $"key {i}", "") == SendOutcome.Queued ? 1 : 0;
        Assert.InRange(accepted, 60, 80);
        Assert.InRange(queue.HeldBytes, 0, 12_000);
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task On_an_idle_transport_messages_with_a_key_cost_no_more_than_others()
    {
        SendQueue queue = Queue();
        byte[] frame = SendQueue.ToFrame(Opcode.Text, "x"u8);
        queue.TrySendLatest("a", frame, frame, 1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Transport.Writes.ToString();
        Assert.Equal(SendOutcome.Sent, queue.TrySendLatest("a", frame, frame, 1));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2000);
        await AssertDrainedAsync(queue);
        AssertSent("Text x", "Text x");
    }

    [Fact]
    public async Task The_Close_frame_comes_behind_all_that_is_pending()
    {
        SendQueue queue = BusyQueue(SlowClientPolicy.DropOldest, limit: 400);
        Latest(queue, "a", new string('a', 150));
        Latest(queue, "b", "b1");
        queue.Close(CloseCode.NormalClosure, "");
        Assert.Equal(SendOutcome.Closed, Latest(queue, "b", "b2"));
        await AssertDrainedAsync(queue);
        Assert.Equal(["Text", "Text", "Text", "Close"], Transport.Frames.Select(frame => $"{frame.Opcode}"), StringComparer.Ordinal);
    }

    private sealed class Listener : ISlowReadingListener
    {
        public List<bool> Changes { get; } = [];

        public int TooSlow { get; private set; }

        public Action OnTooSlow { get; set; } = () => { };

        public void MessagesDropped(int count)
        {
            // Counted by the queue.
        }

        public void MessageReplaced()
        {
            // Counted by the queue.
        }

        public void SlowReadingChanged(bool isSlow) => Changes.Add(isSlow);

        public void ReadsTooSlowly()
        {
            TooSlow++;
            OnTooSlow();
        }
    }
}
