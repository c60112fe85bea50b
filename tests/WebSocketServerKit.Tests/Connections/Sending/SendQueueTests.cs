using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Reflection;
using System.Text;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class SendQueueTests : IAsyncDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly ScriptedTransport _transport = new();

    private SendQueue Queue(int limit = 1000) => new(_transport, limit, ConnectionStage.BudgetOf(_pool));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _transport.DisposeAsync();

    private void AssertSent(params IEnumerable<string> frames) => Assert.Equal(string.Join('\n', frames), string.Join('\n', _transport.Frames));

    private static byte[] Bytes(int count) => new byte[count];

    // A queue whose transport is busy with one message of 10 bytes, 12 with its header.
    private SendQueue BusyQueue(int limit = 1000)
    {
        SendQueue queue = Queue(limit);
        _transport.HoldWrites();
        Assert.Equal(SendOutcome.Accepted, queue.TrySend(Opcode.Text, "0123456789"u8));
        Assert.True(queue.IsDraining);
        return queue;
    }

    private async Task AssertDrainedAsync(SendQueue queue)
    {
        _transport.LetAllWritesEnd();
        await queue.WhenDrained().InTime();
        Assert.False(queue.IsDraining);
        Assert.Equal(0, queue.BufferedBytes);
        Assert.Equal(0, _pool.Rented);
        Assert.Empty(_transport.Breaches);
    }

    [Fact]
    public void A_message_leaves_at_once_as_header_and_payload_in_one_write()
    {
        SendQueue queue = Queue();

        Assert.Equal(SendOutcome.Accepted, queue.TrySend("grüße"));

        Assert.Equal([0x81, 7, .. "grüße"u8], Assert.Single(_transport.Writes));
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
            Assert.Equal(SendOutcome.Accepted, new SendQueue(text, 1, ConnectionStage.BudgetOf(_pool)).TrySend(message));
            Assert.Equal(SendOutcome.Accepted, new SendQueue(bytes, 1, ConnectionStage.BudgetOf(_pool)).TrySend(Opcode.Text, Encoding.UTF8.GetBytes(message)));
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
        Assert.Equal(SendOutcome.Accepted, queue.TrySendFrame([0x81, 1, (byte)'x'], payloadLength: 1));
        AssertSent("Text x");
        Assert.Equal((1, 1), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public async Task While_nobody_drains_both_buffers_are_given_back()
    {
        SendQueue queue = Queue();
        queue.TrySend("at once");
        Assert.Equal(0, _pool.Rented);

        _transport.HoldWrites();
        queue.TrySend("held");
        Assert.Equal(1, _pool.Rented);
        queue.TrySend("gathered");
        queue.Pong("pong"u8);
        Assert.Equal(3, _pool.Rented);
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task Only_one_drains_and_what_others_append_meanwhile_leaves_in_one_write()
    {
        SendQueue queue = BusyQueue();
        for (int i = 0; i < 10; i++)
            Assert.Equal(SendOutcome.Accepted, queue.TrySend(i.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Single(_transport.Writes);

        await AssertDrainedAsync(queue);
        Assert.Equal(2, _transport.Writes.Count);
        AssertSent(["Text 0123456789", .. Enumerable.Range(0, 10).Select(i => $"Text {i}")]);
    }

    [Fact]
    public async Task Sixteen_threads_never_mix_their_frames_and_each_keeps_its_order()
    {
        const int Threads = 16;
        const int Messages = 300;
        SendQueue queue = Queue(limit: 4096);
        int writes = 0;
        // Every third write is slow, so that queueing, waiting in line and both kinds of drainers all occur.
        _transport.OnWrite = () =>
        {
            if (writes++ % 3 != 0)
                return;
            _transport.HoldWrites();
            ThreadPool.UnsafeQueueUserWorkItem(_ => _transport.LetAllWritesEnd(), null);
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
                Assert.Equal(SendOutcome.Accepted, await queue.WaitAndSendAsync(Opcode.Binary, payload, Cancellation));
            }
        }))).InTime();
        // The last held write may still be waiting for its release.
        _transport.OnWrite = null;
        await AssertDrainedAsync(queue);

        int[] next = new int[Threads];
        foreach (SentFrame frame in _transport.Frames.Where(frame => frame.Opcode == Opcode.Binary))
        {
            int thread = BinaryPrimitives.ReadInt32BigEndian(frame.Payload);
            Assert.Equal(next[thread]++, BinaryPrimitives.ReadInt32BigEndian(frame.Payload.AsSpan(4)));
            Assert.Equal(-1, frame.Payload.AsSpan(8).IndexOfAnyExcept((byte)thread));
        }

        Assert.All(next, sent => Assert.Equal(Messages, sent));
        Assert.Equal(Threads * Messages, queue.MessagesSent);
        Assert.Equal(Threads * (Messages / 50), _transport.Frames.Count(frame => frame.Opcode == Opcode.Ping));
    }

    [Fact]
    public async Task Nothing_follows_a_Close_frame()
    {
        SendQueue queue = BusyQueue();
        queue.Pong("answered before, still held"u8);
        Assert.True(queue.Close(WebSocketCloseStatus.NormalClosure, "bye"));

        Assert.False(queue.Close(WebSocketCloseStatus.InternalServerError, "again"));
        Assert.Equal(SendOutcome.Closed, queue.TrySend(Opcode.Text, "late"u8));
        Assert.Equal(SendOutcome.Closed, queue.TrySend("late"));
        Assert.Equal(SendOutcome.Closed, queue.TrySendFrame([0x81, 0], 0));
        Assert.Equal(SendOutcome.Closed, await queue.WaitAndSendAsync(Opcode.Text, "late"u8.ToArray(), Cancellation));
        queue.Ping("late"u8);
        queue.Pong("late"u8);

        await AssertDrainedAsync(queue);
        Assert.Equal(2, _transport.Frames.Count);
        Assert.Equal((WebSocketCloseStatus.NormalClosure, "bye"), Wire.CloseOf(_transport.Frames[1]));
        Assert.Equal((1, 10), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public void A_Close_without_a_code_has_no_payload()
    {
        Queue().Close(WebSocketCloseStatus.Empty, "");
        Assert.Empty(Assert.Single(_transport.Frames).Payload);
    }

    [Fact]
    public async Task Those_who_wait_in_line_are_refused_when_a_Close_frame_is_sent()
    {
        SendQueue queue = BusyQueue(limit: 12);
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Text, Bytes(1), Cancellation);
        queue.Close(WebSocketCloseStatus.NormalClosure, "");
        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        await AssertDrainedAsync(queue);
        Assert.Equal([Opcode.Text, Opcode.Close], _transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public async Task Ended_without_a_Close_frame_what_was_accepted_still_goes_and_nothing_else()
    {
        SendQueue queue = BusyQueue(limit: 20);
        Assert.Equal(SendOutcome.Accepted, queue.TrySend("queued"));
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Text, "waits"u8.ToArray(), Cancellation);

        queue.End();

        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.Equal(SendOutcome.Closed, queue.TrySend("late"));
        Assert.False(queue.Close(WebSocketCloseStatus.NormalClosure, ""));
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

        _transport.FailWrites(failure);

        await drained.InTime();
        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.Same(failure, queue.Failure);
        await _transport.WhenAborted.InTime();
        queue.Fail(new IOException("second"));
        Assert.Same(failure, queue.Failure);
        Assert.Equal(SendOutcome.Closed, queue.TrySend("late"));
        Assert.False(queue.Close(WebSocketCloseStatus.NormalClosure, ""));
        queue.Ping("late"u8);
        queue.Pong("late"u8);
        queue.Flush();
        Assert.Single(_transport.Writes);
        Assert.Equal((0, 0), (_pool.Rented, queue.BufferedBytes));
        await queue.WhenDrained().InTime();
    }

    [Fact]
    public void A_write_that_throws_at_once_is_a_failure_like_any_other()
    {
        SendQueue queue = Queue();
        _transport.OnWrite = () => throw new InvalidOperationException("scripted");
        Assert.Equal(SendOutcome.Accepted, queue.TrySend("lost"));
        Assert.IsType<InvalidOperationException>(queue.Failure);
        Assert.False(queue.IsDraining);
        Assert.Equal((0, 1), (_pool.Rented, _transport.Aborts));
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
        _transport.LetAllWritesEnd();
        await drained.InTime();
        Assert.Single(_transport.Writes);
        Assert.Equal(0, _pool.Rented);
        Assert.Empty(_transport.Breaches);
    }

    [Fact]
    public void Fail_while_nobody_drains_gives_back_what_was_gathered()
    {
        SendQueue queue = Queue();
        queue.AppendHandshake("HTTP/1.1 101"u8);
        Assert.Equal(1, _pool.Rented);
        queue.Fail(new IOException("cut"));
        Assert.Equal(0, _pool.Rented);
        Assert.True(queue.WhenDrained().IsCompletedSuccessfully);
        Assert.Empty(_transport.Writes);
    }

    [Fact]
    public async Task A_send_completes_when_it_is_accepted_and_not_when_it_is_written()
    {
        SendQueue queue = BusyQueue();
        Task<SendOutcome> send = queue.WaitAndSendAsync(Opcode.Text, "accepted"u8.ToArray(), Cancellation);
        Assert.True(send.IsCompletedSuccessfully);
        Assert.Equal(SendOutcome.Accepted, await send);
        Assert.Single(_transport.Writes);
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task The_limit_counts_the_bytes_under_way_and_those_gathered_with_their_headers()
    {
        SendQueue queue = BusyQueue(limit: 30);
        Assert.Equal(SendOutcome.Full, queue.TrySend(Opcode.Text, Bytes(17)));
        Assert.Equal(SendOutcome.Full, queue.TrySend(new string('a', 17)));
        Assert.Equal(SendOutcome.Full, queue.TrySendFrame(Bytes(19), 17));
        Assert.Equal(12, queue.BufferedBytes);
        Assert.Equal(SendOutcome.Accepted, queue.TrySend(Opcode.Text, Bytes(16)));
        Assert.Equal(30, queue.BufferedBytes);
        Assert.Equal(SendOutcome.Full, queue.TrySend(""));
        Assert.Equal((2, 26), (queue.MessagesSent, queue.BytesSent));
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task A_message_larger_than_the_limit_goes_when_nothing_else_is_queued()
    {
        SendQueue queue = BusyQueue(limit: 30);
        Task<SendOutcome> large = queue.WaitAndSendAsync(Opcode.Binary, Bytes(500), Cancellation);
        Assert.False(large.IsCompleted);
        await _transport.NextWriteAsync();
        _transport.LetWriteEnd();
        Assert.Equal(SendOutcome.Accepted, await large.InTime());
        Assert.Equal(504, (await _transport.NextWriteAsync()).Length);
        Assert.Equal(SendOutcome.Full, queue.TrySend(""));
        await AssertDrainedAsync(queue);
        Assert.Equal(SendOutcome.Accepted, queue.TrySend(Opcode.Binary, Bytes(500)));
    }

    [Fact]
    public void A_message_of_more_than_the_most_is_refused_before_anything_is_appended()
    {
        SendQueue queue = Queue();
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => SendQueue.SizeOf(SendQueue.MaxPayload + 1));
        Assert.Contains("1073741824", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(SendQueue.MaxPayload + 10, SendQueue.SizeOf(SendQueue.MaxPayload));
        Assert.Equal(SendOutcome.Accepted, queue.TrySend("fits"));
    }

    [Fact]
    public async Task Those_who_wait_get_in_in_the_order_in_which_they_came_and_nobody_overtakes()
    {
        SendQueue queue = BusyQueue(limit: 20);
        Task<SendOutcome> first = queue.WaitAndSendAsync(Opcode.Text, "first, and a long one"u8.ToArray(), Cancellation);
        Task<SendOutcome> second = queue.WaitAndSendAsync(Opcode.Text, "2"u8.ToArray(), Cancellation);
        Task<SendOutcome> third = queue.WaitAndSendAsync(Opcode.Text, "3"u8.ToArray(), Cancellation);
        // There would be room for these, but there is a line.
        Assert.Equal(SendOutcome.Full, queue.TrySend("x"));
        Assert.Equal(12, queue.BufferedBytes);

        await _transport.NextWriteAsync();
        _transport.LetWriteEnd();
        Assert.Equal(SendOutcome.Accepted, await first.InTime());
        Assert.False(second.IsCompleted);
        await AssertDrainedAsync(queue);
        Assert.Equal([SendOutcome.Accepted, SendOutcome.Accepted], await Task.WhenAll(second, third).InTime());
        AssertSent("Text 0123456789", "Text first, and a long one", "Text 2", "Text 3");
    }

    [Fact]
    public async Task Cancelled_while_it_waits_a_message_is_not_sent_and_the_queue_lives_on()
    {
        SendQueue queue = BusyQueue(limit: 12);
        using var cancellation = new CancellationTokenSource();
        Task<SendOutcome> cancelled = queue.WaitAndSendAsync(Opcode.Text, "cancelled"u8.ToArray(), cancellation.Token);
        Task<SendOutcome> next = queue.WaitAndSendAsync(Opcode.Text, "next"u8.ToArray(), Cancellation);

        await cancellation.CancelAsync();

        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.InTime());
        Assert.Equal(cancellation.Token, exception.CancellationToken);
        await AssertDrainedAsync(queue);
        Assert.Equal(SendOutcome.Accepted, await next.InTime());
        AssertSent("Text 0123456789", "Text next");
        Assert.Equal(SendOutcome.Accepted, queue.TrySend("lives"));
    }

    [Fact]
    public async Task When_the_only_one_in_line_is_cancelled_there_is_room_for_others_again()
    {
        SendQueue queue = BusyQueue(limit: 20);
        using var cancellation = new CancellationTokenSource();
        Task<SendOutcome> cancelled = queue.WaitAndSendAsync(Opcode.Text, Bytes(10), cancellation.Token);
        Assert.Equal(SendOutcome.Full, queue.TrySend("x"));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.InTime());
        Assert.Equal(SendOutcome.Accepted, queue.TrySend("x"));
        await AssertDrainedAsync(queue);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task So_many_stand_in_line_as_memory_allows_however_little_each_of_them_sends(bool fragments)
    {
        SendQueue queue = BusyQueue(limit: 12);
        if (fragments)
            await queue.BeginFragmentsAsync(Cancellation).InTime();
        List<Task<SendOutcome>> line = [];
        Task<SendOutcome> next;
        do
            line.Add(next = fragments ? queue.BeginFragmentsAsync(Cancellation) : queue.WaitAndSendAsync(Opcode.Text, Bytes(1), Cancellation));
        while (!next.IsCompleted && line.Count < 1000);
        Assert.Equal(SendOutcome.LineFull, await next.InTime());
        Assert.InRange(line.Count, 200, 300); // 64 KiB, and some 256 bytes for each
        queue.End();
        Assert.All(await Task.WhenAll(line[..^1]).InTime(), outcome => Assert.Equal(SendOutcome.Closed, outcome));
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task Cancelled_beforehand_a_message_is_not_even_looked_at()
    {
        SendQueue queue = Queue();
        Task<SendOutcome> send = queue.WaitAndSendAsync(Opcode.Text, Bytes(1), new CancellationToken(canceled: true));
        Assert.True(send.IsCanceled);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => send);
        Assert.Empty(_transport.Writes);
    }

    [Fact]
    public async Task Cancelled_when_it_was_accepted_already_a_message_is_sent()
    {
        SendQueue queue = BusyQueue(limit: 12);
        using var cancellation = new CancellationTokenSource();
        Task<SendOutcome> send = queue.WaitAndSendAsync(Opcode.Text, "x"u8.ToArray(), cancellation.Token);
        await AssertDrainedAsync(queue);
        await cancellation.CancelAsync();
        Assert.Equal(SendOutcome.Accepted, await send.InTime());
        AssertSent("Text 0123456789", "Text x");
    }

    [Fact]
    public async Task Cancellation_and_admission_at_the_same_time_agree_on_the_outcome()
    {
        for (int i = 0; i < 200; i++)
        {
            var transport = new ScriptedTransport();
            var queue = new SendQueue(transport, 12, ConnectionStage.BudgetOf(_pool));
            transport.HoldWrites();
            queue.TrySend("0123456789");
            using var cancellation = new CancellationTokenSource();
            Task<SendOutcome> send = queue.WaitAndSendAsync(Opcode.Text, "x"u8.ToArray(), cancellation.Token);
            using var start = new Barrier(2);
            Task release = Task.Run(() => { start.SignalAndWait(Cancellation); transport.LetAllWritesEnd(); }, Cancellation);
            start.SignalAndWait(Cancellation);
            await cancellation.CancelAsync();
            await release.InTime();
            await queue.WhenDrained().InTime();

            bool sent;
            try
            {
                sent = await send.InTime() == SendOutcome.Accepted;
            }
            catch (OperationCanceledException)
            {
                sent = false;
            }

            Assert.Equal(sent ? 2 : 1, transport.Frames.Count);
            Assert.Equal(sent ? 2 : 1, queue.MessagesSent);
        }

        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public async Task Continuations_of_a_send_never_run_inside_the_gate()
    {
        SendQueue queue = BusyQueue(limit: 12);
        // It asks the queue from another thread: if it ran inside the gate, that one could never answer.
        Task<int> asked = queue.WaitAndSendAsync(Opcode.Text, "x"u8.ToArray(), Cancellation).ContinueWith(
            _ => Task.Run(() => queue.BufferedBytes).WaitAsync(TimeSpan.FromSeconds(30)).GetAwaiter().GetResult(),
            Cancellation, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        Task<int> drained = queue.WhenDrained().ContinueWith(
            _ => Task.Run(() => queue.BufferedBytes).WaitAsync(TimeSpan.FromSeconds(30)).GetAwaiter().GetResult(),
            Cancellation, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        _transport.LetAllWritesEnd();
        await asked.InTime();
        await drained.InTime();
    }

    [Fact]
    public void The_transport_is_called_outside_the_gate()
    {
        SendQueue queue = Queue();
        bool asked = false;
        _transport.OnWrite = () => asked = Task.Run(() => queue.BufferedBytes).Wait(TimeSpan.FromSeconds(30));
        queue.TrySend("x");
        Assert.True(asked);
    }

    [Fact]
    public async Task A_waiting_message_for_which_there_is_no_memory_ends_the_connection_and_not_its_sender()
    {
        SendQueue queue = BusyQueue(limit: 12);
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Binary, Bytes(10_000), Cancellation);
        _pool.LargestRent = 1000;
        _transport.LetAllWritesEnd();
        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.IsType<InvalidOperationException>(queue.Failure);
        Assert.Equal((0, 1), (_pool.Rented, queue.MessagesSent));
    }

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
        _transport.TakenAtOnce = takenAtOnce;
        Assert.Equal(SendOutcome.Accepted, queue.TrySend(Opcode.Binary, payload));
        queue.TrySend("next");
        Assert.Equal([Opcode.Binary, Opcode.Text], _transport.Frames.Select(frame => frame.Opcode));
        Assert.Equal(payload, _transport.Frames[0].Payload);
        Assert.Equal((2, 1_000_004), (queue.MessagesSent, queue.BytesSent));
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task What_comes_while_a_large_message_is_written_waits_behind_it()
    {
        SendQueue queue = Queue(limit: 100_000);
        _transport.HoldWrites();
        _transport.TakenAtOnce = 200_000;
        queue.TrySend(Opcode.Binary, Bytes(400_000));
        Assert.Equal(400_010, queue.BufferedBytes);
        Assert.Equal(SendOutcome.Full, queue.TrySend(Opcode.Binary, Bytes(70_000)));
        queue.Pong("pong"u8);
        await AssertDrainedAsync(queue);
        Assert.Equal([Opcode.Binary, Opcode.Pong], _transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public void A_large_message_goes_behind_those_that_a_cork_holds_back()
    {
        SendQueue queue = Queue(limit: 1_000_000);
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        queue.TrySend("first");
        _transport.TakenAtOnce = 1_000_000;
        queue.TrySend(Opcode.Binary, Bytes(70_000));
        cork.Pull();
        Assert.Equal([Opcode.Text, Opcode.Binary], _transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public void A_large_message_is_refused_after_a_Close_frame()
    {
        SendQueue queue = Queue();
        queue.Close(WebSocketCloseStatus.NormalClosure, "");
        Assert.Equal(SendOutcome.Closed, queue.TrySend(Opcode.Binary, Bytes(70_000)));
    }

    [Fact]
    public void Without_memory_for_a_large_message_the_connection_is_cut()
    {
        SendQueue queue = Queue();
        _pool.LargestRent = 70_000;
        _transport.TakenAtOnce = 100_000;
        Assert.Equal(SendOutcome.Accepted, queue.TrySend(Opcode.Binary, Bytes(200_000)));
        Assert.IsType<InvalidOperationException>(queue.Failure);
        Assert.Equal((1, 0), (_transport.Aborts, _pool.Rented));
        Assert.Equal(SendOutcome.Closed, queue.TrySend("next"));
    }

    [Fact]
    public void A_cork_gathers_what_its_thread_sends_into_one_write()
    {
        SendQueue queue = Queue();
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        queue.TrySend("1");
        queue.TrySend(Opcode.Text, "2"u8);
        queue.Pong("3"u8);
        Assert.Empty(_transport.Writes);
        Assert.Equal(9, queue.BufferedBytes);

        cork.Pull();

        Assert.Single(_transport.Writes);
        AssertSent("Text 1", "Text 2", "Pong 3");
        queue.TrySend("4");
        Assert.Equal(2, _transport.Writes.Count);
        Assert.Equal(0, _pool.Rented);
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
        Assert.Single(_transport.Writes);
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
        Assert.Empty(_transport.Writes);
        queue.TrySend(Opcode.Binary, Bytes(4096));
        Assert.Single(_transport.Writes);
        cork.Pull();
        Assert.Single(_transport.Writes);
    }

    [Fact]
    public async Task A_cork_never_makes_the_queue_full()
    {
        SendQueue queue = Queue(limit: 100);
        Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
        for (int i = 0; i < 20; i++)
            Assert.Equal(SendOutcome.Accepted, queue.TrySend(Opcode.Binary, Bytes(30)));
        // A handler that waits for its send inside the cork would otherwise wait for itself.
        for (int i = 0; i < 20; i++)
            Assert.True(queue.WaitAndSendAsync(Opcode.Binary, Bytes(30), Cancellation).IsCompletedSuccessfully);
        Assert.All(_transport.Writes, write => Assert.InRange(write.Length, 100, 131));
        cork.Pull();
        Assert.Equal(40, _transport.Frames.Count);
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public void The_answer_to_the_handshake_goes_before_everything_else_and_counts_as_no_message()
    {
        SendQueue queue = Queue();
        queue.AppendHandshake("HTTP/1.1 101\r\n\r\n"u8);
        Assert.Empty(_transport.Writes);
        queue.TrySend("first");
        Assert.Equal([.. "HTTP/1.1 101\r\n\r\n"u8, 0x81, 5, .. "first"u8], Assert.Single(_transport.Writes));
        Assert.Equal((1, 5), (queue.MessagesSent, queue.BytesSent));
    }

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
        Assert.Equal(2, _pool.Rented);
        await AssertDrainedAsync(queue);
        AssertSent("Text 0123456789", "Pong 99");
    }

    [Fact]
    public async Task Control_frames_go_when_the_queue_is_full()
    {
        SendQueue queue = BusyQueue(limit: 12);
        Assert.Equal(SendOutcome.Full, queue.TrySend("x"));
        queue.Ping("ping"u8);
        queue.Pong("pong"u8);
        Assert.True(queue.Close(WebSocketCloseStatus.NormalClosure, ""));
        await AssertDrainedAsync(queue);
        Assert.Equal([Opcode.Text, Opcode.Ping, Opcode.Close], _transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public async Task WhenDrained_waits_for_all_that_was_accepted()
    {
        SendQueue queue = BusyQueue();
        queue.TrySend("more");
        Task drained = queue.WhenDrained();
        Assert.Same(drained, queue.WhenDrained());
        await _transport.NextWriteAsync();
        _transport.LetWriteEnd();
        await _transport.NextWriteAsync();
        Assert.False(drained.IsCompleted);
        _transport.LetWriteEnd();
        await drained.InTime();
        Assert.True(queue.WhenDrained().IsCompletedSuccessfully);
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
        Assert.Single(_transport.Writes);
    }

    [Fact]
    public async Task A_sender_that_drains_for_others_gets_back_to_its_own_work_after_some_rounds()
    {
        SendQueue queue = Queue();
        int rounds = 0;
        int here = Environment.CurrentManagedThreadId;
        bool stillHere = true;
        // Each write brings the next message, as if another sender were as fast as the transport.
        _transport.OnWrite = () =>
        {
            rounds++;
            if (rounds <= 16)
                Assert.Equal(here, Environment.CurrentManagedThreadId);
            if (rounds == 17)
                SpinWait.SpinUntil(() => !Volatile.Read(ref stillHere), TimeSpan.FromSeconds(30));
            if (rounds < 40)
                queue.TrySend("next");
        };

        queue.TrySend("first");

        // It came back though there was more to do; the seventeenth round waits for that.
        Volatile.Write(ref stillHere, false);
        await queue.WhenDrained().InTime();
        Assert.Equal(40, _transport.Frames.Count);
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public async Task A_large_message_is_written_in_parts_so_that_a_slow_peer_is_seen_to_get_on()
    {
        SendQueue queue = Queue();
        _transport.HoldWrites();
        byte[] payload = new byte[1024 * 1024];
        new Random(1).NextBytes(payload);
        queue.TrySend(Opcode.Binary, payload);
        Assert.Equal(256 * 1024, (await _transport.NextWriteAsync()).Length);
        int buffered = queue.BufferedBytes;
        _transport.LetWriteEnd();
        await _transport.NextWriteAsync();
        Assert.Equal(buffered - 256 * 1024, queue.BufferedBytes);

        await AssertDrainedAsync(queue);
        Assert.Equal(5, _transport.Writes.Count);
        Assert.Equal(payload, Assert.Single(_transport.Frames).Payload);
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

    private sealed class TakesAll : TransportStub
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => ValueTask.CompletedTask;
    }
}

file static class Plain
{
    /// <summary>Stands in line with a message that is not a frame yet.</summary>
    public static Task<SendOutcome> WaitAndSendAsync(this SendQueue queue, Opcode opcode, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
        queue.WaitAndSendFrameAsync(SendQueue.ToFrame(opcode, payload.Span), payload.Length, cancellationToken);
}
