using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class WaitingLineTests : SendQueueTest
{
    [Fact]
    public async Task Those_who_wait_in_line_are_refused_when_a_Close_frame_is_sent()
    {
        SendQueue queue = BusyQueue(limit: 12);
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Text, Bytes(1), Cancellation);
        queue.Close(CloseCode.NormalClosure, "");
        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        await AssertDrainedAsync(queue);
        Assert.Equal([Opcode.Text, Opcode.Close], Transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public async Task A_message_larger_than_the_limit_goes_when_nothing_else_is_queued()
    {
        SendQueue queue = BusyQueue(limit: 30);
        Task<SendOutcome> large = queue.WaitAndSendAsync(Opcode.Binary, Bytes(500), Cancellation);
        Assert.False(large.IsCompleted);
        await Transport.NextWriteAsync();
        Transport.LetWriteEnd();
        Assert.Equal(SendOutcome.Queued, await large.InTime());
        Assert.Equal(504, (await Transport.NextWriteAsync()).Length);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend(""));
        await AssertDrainedAsync(queue);
        Assert.Equal(SendOutcome.Sent, queue.TrySend(Opcode.Binary, Bytes(500)));
    }

    [Fact]
    public async Task Those_who_wait_get_in_in_the_order_in_which_they_came_and_nobody_overtakes()
    {
        SendQueue queue = BusyQueue(limit: 20);
        Task<SendOutcome> first = queue.WaitAndSendAsync(Opcode.Text, "first, and a long one"u8.ToArray(), Cancellation);
        Task<SendOutcome> second = queue.WaitAndSendAsync(Opcode.Text, "2"u8.ToArray(), Cancellation);
        Task<SendOutcome> third = queue.WaitAndSendAsync(Opcode.Text, "3"u8.ToArray(), Cancellation);
        // There would be room for these, but there is a line.
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("x"));
        Assert.Equal(12, queue.BufferedBytes);

        await Transport.NextWriteAsync();
        Transport.LetWriteEnd();
        Assert.Equal(SendOutcome.Queued, await first.InTime());
        Assert.False(second.IsCompleted);
        await AssertDrainedAsync(queue);
        Assert.Equal([SendOutcome.Queued, SendOutcome.Queued], await Task.WhenAll(second, third).InTime());
        AssertSent("Text 0123456789", "Text first, and a long one", "Text 2", "Text 3");
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
    public async Task A_waiting_message_for_which_there_is_no_memory_ends_the_connection_and_not_its_sender()
    {
        SendQueue queue = BusyQueue(limit: 12);
        Task<SendOutcome> waiting = queue.WaitAndSendAsync(Opcode.Binary, Bytes(10_000), Cancellation);
        Pool.LargestRent = 1000;
        Transport.LetAllWritesEnd();
        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.IsType<InvalidOperationException>(queue.Failure);
        Assert.Equal((0, 1), (Pool.Rented, queue.MessagesSent));
    }

    private static WaitingSend Sender(SendKind kind, int size) => new(null!, kind, new byte[size], size);

    [Fact]
    public void Fragments_go_to_the_head_and_all_others_to_the_end()
    {
        var line = new WaitingLine(ConnectionStage.BudgetOf(Pool), queueLimit: 1);
        WaitingSend[] senders = [Sender(SendKind.Message, 1), Sender(SendKind.Turn, 0), Sender(SendKind.Fragment, 1), Sender(SendKind.LastFragment, 1)];
        foreach (WaitingSend sender in senders)
            line.Add(sender);
        foreach (int next in (int[])[3, 2, 0, 1])
        {
            Assert.Same(senders[next], line.First);
            Assert.True(line.TryRemove(senders[next]));
            Assert.False(line.TryRemove(senders[next]));
        }

        Assert.True(line.IsEmpty);
        Assert.Equal(0, line.HeldBytes);
    }

    [Fact]
    public async Task The_line_is_bounded_for_all_but_the_first_and_for_fragments()
    {
        var line = new WaitingLine(ConnectionStage.BudgetOf(Pool), queueLimit: 100_000);
        Assert.True(line.HasRoom(SendKind.Message, 1_000_000));
        WaitingSend first = Sender(SendKind.Message, 90_000);
        line.Add(first);
        Assert.Equal(90_256, line.HeldBytes);
        Assert.True(line.HasRoom(SendKind.Message, 100_000 - 90_256 - 256));
        Assert.False(line.HasRoom(SendKind.Message, 100_000 - 90_256 - 255));
        Assert.False(line.HasRoom(SendKind.Message, int.MaxValue));
        Assert.True(line.HasRoom(SendKind.Fragment, 1_000_000));
        Assert.True(line.HasRoom(SendKind.LastFragment, 1_000_000));
        line.RefuseAll();
        Assert.Equal(SendOutcome.Closed, await first.Task.InTime());
        Assert.Equal((true, 0), (line.IsEmpty, line.HeldBytes));
    }
}
