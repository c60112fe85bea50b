using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class WaitingSendTests : SendQueueTest
{
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
        Assert.Equal(SendOutcome.Queued, await next.InTime());
        AssertSent("Text 0123456789", "Text next");
        Assert.Equal(SendOutcome.Sent, queue.TrySend("lives"));
    }

    [Fact]
    public async Task When_the_only_one_in_line_is_cancelled_there_is_room_for_others_again()
    {
        SendQueue queue = BusyQueue(limit: 20);
        using var cancellation = new CancellationTokenSource();
        Task<SendOutcome> cancelled = queue.WaitAndSendAsync(Opcode.Text, Bytes(10), cancellation.Token);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("x"));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.InTime());
        Assert.Equal(SendOutcome.Queued, queue.TrySend("x"));
        await AssertDrainedAsync(queue);
    }

    [Fact]
    public async Task Cancelled_beforehand_a_message_is_not_even_looked_at()
    {
        SendQueue queue = Queue();
        Task<SendOutcome> send = queue.WaitAndSendAsync(Opcode.Text, Bytes(1), new CancellationToken(canceled: true));
        Assert.True(send.IsCanceled);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => send);
        Assert.Empty(Transport.Writes);
    }

    [Fact]
    public async Task Cancelled_when_it_was_accepted_already_a_message_is_sent()
    {
        SendQueue queue = BusyQueue(limit: 12);
        using var cancellation = new CancellationTokenSource();
        Task<SendOutcome> send = queue.WaitAndSendAsync(Opcode.Text, "x"u8.ToArray(), cancellation.Token);
        await AssertDrainedAsync(queue);
        await cancellation.CancelAsync();
        Assert.Equal(SendOutcome.Queued, await send.InTime());
        AssertSent("Text 0123456789", "Text x");
    }

    [Fact]
    public async Task Cancellation_and_admission_at_the_same_time_agree_on_the_outcome()
    {
        for (int i = 0; i < 200; i++)
        {
            var transport = new ScriptedTransport();
            var queue = new SendQueue(transport, 12, ConnectionStage.BudgetOf(Pool));
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
                sent = (await send.InTime()).IsAccepted;
            }
            catch (OperationCanceledException)
            {
                sent = false;
            }

            Assert.Equal(sent ? 2 : 1, transport.Frames.Count);
            Assert.Equal(sent ? 2 : 1, queue.MessagesSent);
        }

        Assert.Equal(0, Pool.Rented);
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
        Transport.LetAllWritesEnd();
        await asked.InTime();
        await drained.InTime();
    }
}
