using System.Text;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Receiving;

/// <summary>Messages that handlers read while they come.</summary>
public sealed class ReceiveLoopPartsTests
{
    private readonly TaskCompletionSource<MessageParts> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _go = Timely.Signal();
    private readonly TaskCompletionSource<Exception?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static ConnectionStage Stage(long from = 5, Func<ConnectionSettings, ConnectionSettings>? change = null) => new(settings =>
    {
        settings = settings with { StreamMessagesFrom = from, MaxStreamedMessageSize = 1_000_000, StreamedMessageTimeout = TimeSpan.FromSeconds(100) };
        return change is null ? settings : change(settings);
    });

    private static async Task<string> ReadAsync(MessageParts parts)
    {
        byte[] buffer = new byte[100];
        return Encoding.ASCII.GetString(buffer.AsSpan(0, await parts.ReadAsync(buffer, Cancellation).InTime()));
    }

    private static async Task<string> ReadToEndAsync(MessageParts parts)
    {
        StringBuilder read = new();
        for (string next = await ReadAsync(parts); next.Length > 0; next = await ReadAsync(parts))
            read.Append(next);
        return read.ToString();
    }

    // The handler does nothing by itself until the test lets it go; then it reads on to the end, unless it ends at once.
    private async Task<MessageParts> OpenAsync(ConnectionStage stage, bool reads, params byte[][] input)
    {
        stage.Connection.OnMessageStream = async parts =>
        {
            _begun.TrySetResult(parts);
            await _go.Task;
            try
            {
                if (reads)
                    await ReadToEndAsync(parts);
                _ended.TrySetResult(null);
            }
            catch (Exception exception)
            {
                _ended.TrySetResult(exception);
                throw;
            }
        };
        await stage.OpenAsync();
        stage.Transport.Receive(input);
        return await _begun.Task.InTime();
    }

    [Fact]
    public async Task Messages_from_the_size_on_are_handed_on_in_parts_in_order_with_the_others_which_are_raised_whole()
    {
        await using ConnectionStage stage = Stage();
        List<string> raised = [];
        stage.Connection.OnMessage = () => raised.Add(stage.Connection.PayloadText);
        stage.Connection.OnMessageStream = async parts => raised.Add($"{parts.MessageType} {await ReadToEndAsync(parts)}");
        await stage.OpenAsync();
        stage.Transport.Receive(
            Frames.Text("1"), Frames.Text("22222"), Frames.Binary("333"u8, fin: false), Frames.Ping("p"), Frames.Continuation("33"), Frames.Text("4444"), Frames.Text(new string('5', 5000)));
        await stage.Transport.WhenIdle;
        Assert.Equal(["1", "Text 22222", "Binary 33333", "4444", $"Text {new string('5', 5000)}"], raised);
        Assert.Equal("Pong p", stage.Sent);
        Assert.Equal((5, 1 + 5 + 5 + 4 + 5000), (stage.Connection.MessagesReceived, stage.Connection.BytesReceived));
        Assert.Equal(0, stage.Pool.Rented);
        Assert.Null(stage.Connection.Receive.Parts);
    }

    [Fact]
    public async Task A_handler_that_reads_nothing_and_ends_at_once_lets_the_message_pass()
    {
        await using ConnectionStage stage = Stage(from: 0);
        int messages = 0;
        stage.Connection.OnMessageStream = _ =>
        {
            messages++;
            return Task.CompletedTask;
        };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text(""), Frames.Text("a"), Frames.Text("b", fin: false), Frames.Continuation("c", fin: false), Frames.Ping("p"), Frames.Continuation("d"), Frames.Text("e"));
        await stage.Transport.WhenIdle;
        Assert.Equal((4, 4), (messages, stage.Connection.MessagesReceived));
        Assert.Equal("Pong p", stage.Sent);
    }

    [Fact]
    public async Task Without_a_handler_for_parts_all_messages_are_raised_whole()
    {
        await using ConnectionStage stage = Stage(from: 0);
        stage.Connection.OnMessage = () => { };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("whole"));
        await stage.Connection.Called("Message whole");
    }

    [Fact]
    public async Task While_a_part_is_not_read_nothing_more_is_received()
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: false));
        stage.Transport.Receive(Frames.Frame(Opcode.Continuation, [], declared: 6));
        Assert.False(stage.Transport.IsWaitedFor);
        Assert.Equal("abcde", await ReadAsync(parts));
        await stage.Transport.WhenIdle;
        // In the middle of a frame the read-ahead would take its payload for frames.
        stage.Transport.Receive(Frames.Ping("x").AsSpan(6).ToArray());
        Assert.Equal("X", (await ReadAsync(parts)).Length == 1 ? "X" : "");
        await stage.Transport.WhenIdle;
        stage.Transport.Receive("12"u8.ToArray());
        await Polling.UntilAsync(() => (parts.Wait & 1) != 0);
        stage.Transport.Receive("345"u8.ToArray());
        stage.Beats(5);
        Assert.True(stage.Transport.HasUnread);
        Assert.Equal(0, stage.Pool.Rented);
        Assert.Equal(2, (await ReadAsync(parts)).Length);
        Assert.Equal(3, (await ReadAsync(parts)).Length);
        Assert.Equal("", await ReadAsync(parts));
        _go.SetResult();
        await stage.Transport.WhenIdle;
        Assert.Equal((1, 11), (stage.Connection.MessagesReceived, stage.Connection.BytesReceived));
    }

    [Fact]
    public async Task Control_frames_between_the_fragments_are_answered_also_while_the_handler_does_not_read()
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Join(Frames.Binary("abcde"u8, fin: false), Frames.Ping("1")));
        await Polling.UntilAsync(() => (parts.Wait & 1) != 0);
        Assert.Equal("", stage.Sent);
        stage.Transport.Receive(Frames.Ping("2"), Frames.Continuation("fgh", fin: false), Frames.Ping("3"));
        stage.Beats(3);
        Assert.Equal("Pong 1\nPong 2\nPong 3", stage.Sent);
        Assert.True(stage.Connection.Receive.SeesAll);
        _go.SetResult();
        await stage.Transport.WhenIdle;
        stage.Transport.Receive(Frames.Ping("4"), Frames.Continuation("i"));
        Assert.Null(await _ended.Task.InTime());
        await stage.Transport.WhenIdle;
        // None is answered again.
        Assert.Equal("Pong 1\nPong 2\nPong 3\nPong 4", stage.Sent);
        Assert.Equal((1, 9), (stage.Connection.MessagesReceived, stage.Connection.BytesReceived));
    }

    [Fact]
    public async Task After_the_last_part_the_read_ahead_finds_control_frames_as_behind_any_message()
    {
        await using ConnectionStage stage = Stage();
        await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8));
        stage.Transport.Receive(Frames.Ping("1"));
        stage.Beats(3);
        Assert.Equal("Pong 1", stage.Sent);
        _go.SetResult();
        await stage.Transport.WhenIdle;
        Assert.Equal("Pong 1", stage.Sent);
    }

    [Fact]
    public async Task A_Close_frame_in_the_middle_is_answered_and_the_reader_learns_of_it_after_what_came_before()
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Join(Frames.Binary("abcde"u8, fin: false), Frames.Close(4000, "why")));
        Assert.Equal("abcde", await ReadAsync(parts));
        _go.SetResult();
        Exception? end = await _ended.Task.InTime();
        Assert.Contains("client has closed", Assert.IsType<InterruptedMessageException>(end).Message, StringComparison.Ordinal);
        await stage.Connection.Called("Disconnected");
        Assert.Equal(((CloseCode)4000, "why"), stage.Transport.Frames[^1].ReadClose());
        Assert.Equal((DisconnectCause.Closed, ConnectionSide.Client, true), (stage.Connection.Ending!.Cause, stage.Connection.Ending.ClosedBy, stage.Connection.WasClean));
        // It is no failure of the handler.
        stage.AssertQuietLog();
        stage.Transport.EndInput();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_is_lost_in_the_middle_interrupts_the_message(bool reset)
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: false));
        Assert.Equal("abcde", await ReadAsync(parts));
        Task<string> read = ReadAsync(parts);
        if (reset)
            stage.Transport.Reset();
        else
            stage.Transport.EndInput();
        Assert.Contains("lost", (await Assert.ThrowsAsync<InterruptedMessageException>(() => read)).Message, StringComparison.Ordinal);
        Assert.True(stage.Connection.Disconnected.IsCancellationRequested);
        Assert.False(stage.Connection.WasCalled("Disconnected"));
        _go.SetResult();
        await stage.Connection.Called("Disconnected");
        Assert.Equal(DisconnectCause.ConnectionLost, stage.Connection.Ending!.Cause);
        stage.AssertQuietLog();
    }

    [Fact]
    public async Task The_loss_of_a_client_is_noticed_while_the_handler_does_not_read()
    {
        await using ConnectionStage stage = Stage();
        byte[] frame = Frames.Binary("abcdefghij"u8);
        MessageParts parts = await OpenAsync(stage, reads: true, frame[..10]);
        await Polling.UntilAsync(() => (parts.Wait & 1) != 0);
        stage.Transport.EndInput();
        stage.Beats(3);
        Assert.True(stage.Connection.Disconnected.IsCancellationRequested);
        Assert.Equal("abcd", await ReadAsync(parts));
        _go.SetResult();
        Assert.IsType<InterruptedMessageException>(await _ended.Task.InTime());
    }

    [Fact]
    public async Task What_the_handler_does_not_read_is_passed_over_and_the_next_message_is_raised()
    {
        await using ConnectionStage stage = Stage();
        stage.Connection.OnMessage = () => { };
        MessageParts parts = await OpenAsync(stage, reads: false, Frames.Binary("abcde"u8, fin: false), Frames.Continuation("fgh", fin: false));
        Assert.False(stage.Transport.IsWaitedFor);
        _go.SetResult();
        await stage.Transport.WhenIdle;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => ReadAsync(parts));
        stage.Transport.Receive(Frames.Ping("p"), Frames.Continuation(new string('x', 100)), Frames.Text("next"));
        await stage.Connection.Called("Message next");
        Assert.Equal("Pong p", stage.Sent);
        Assert.Equal(2, stage.Connection.MessagesReceived);
    }

    [Fact]
    public async Task What_is_passed_over_still_has_to_keep_to_the_rules_and_limits()
    {
        await using ConnectionStage tooLarge = Stage();
        await OpenAsync(tooLarge, reads: false, Frames.Binary("abcde"u8, fin: false));
        _go.SetResult();
        await tooLarge.Transport.WhenIdle;
        tooLarge.Transport.Receive(Frames.Frame(Opcode.Continuation, [], declared: 1_000_000));
        await tooLarge.Connection.Called("Disconnected");
        Assert.Equal((DisconnectCause.LimitExceeded, 1009), (tooLarge.Connection.Ending!.Cause, (int)tooLarge.Connection.Ending.Code));

        await using ConnectionStage endless = Stage();
        await OpenAsync(endless, reads: false, Frames.Binary("abcde"u8, fin: false));
        await endless.Transport.WhenIdle;
        for (int i = 0; i < 101; i++)
        {
            endless.Transport.Receive(Frames.Continuation("x", fin: false));
            await endless.Transport.WhenIdle;
            endless.Beats(1);
        }

        Assert.Equal((DisconnectCause.LimitExceeded, 1008), (endless.Connection.Ending!.Cause, (int)endless.Connection.Ending.Code));
    }

    [Fact]
    public async Task Text_that_is_no_UTF8_closes_with_1007_at_once_and_the_reader_learns_of_it()
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Text("abcde", fin: false));
        Assert.Equal("abcde", await ReadAsync(parts));
        Task<string> read = ReadAsync(parts);
        stage.Transport.Receive(Frames.Continuation([0xFF]));
        Assert.Contains("not valid UTF-8", (await Assert.ThrowsAsync<InterruptedMessageException>(() => read)).Message, StringComparison.Ordinal);
        await stage.Transport.NextWriteAsync();
        Assert.Equal(1007, (int)stage.Transport.Frames[^1].ReadClose().Code);
        Assert.False(stage.Connection.WasCalled("Disconnected"));
        _go.SetResult();
        await stage.Connection.Called("Disconnected");
        Assert.Equal((DisconnectCause.ProtocolViolation, 1007), (stage.Connection.Ending!.Cause, (int)stage.Connection.Ending.Code));
        Assert.Single(stage.Logged(9));
    }

    [Fact]
    public async Task A_handler_that_does_not_read_is_given_up_after_the_client_has_broken_a_rule()
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Text("abcde", fin: false));
        Assert.Equal("abcde", await ReadAsync(parts));
        await stage.Transport.WhenIdle;
        stage.Transport.Receive(Frames.Text("another"));
        await stage.Transport.NextWriteAsync();
        stage.Beats(20);
        await stage.Connection.Called("Disconnected");
        Assert.False(await stage.Connection.WhenEnded);
        Assert.Equal(DisconnectCause.ProtocolViolation, stage.Connection.Ending!.Cause);
        _go.SetResult();
        Assert.IsType<InterruptedMessageException>(await _ended.Task.InTime());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_waits_for_the_handler_is_neither_pinged_out_nor_timed_out(bool inFrame)
    {
        await using ConnectionStage stage = Stage(change: settings => settings with { PingInterval = TimeSpan.FromSeconds(2), PingTimeout = TimeSpan.FromSeconds(2) });
        byte[] input = Frames.Join(Frames.Binary("abcde"u8, fin: false), Frames.Frame(Opcode.Continuation, "fgh"u8));
        MessageParts parts = await OpenAsync(stage, reads: true, inFrame ? input[..9] : input[..11]);
        await Polling.UntilAsync(() => (parts.Wait & 1) != 0);
        stage.Transport.Receive(inFrame ? input[9..] : input[11..]);
        // Answers, if it can be reached.
        for (int i = 0; i < 300; i++)
        {
            if (!inFrame && i % 3 == 0)
                stage.Transport.Receive(Frames.Pong());
            stage.Beats(1);
        }

        Assert.True(stage.Connection.IsOpen);
        _go.SetResult();
        Assert.Null(await _ended.Task.InTime());
        // A handler that takes long between two reads is slow like any other.
        Assert.Single(stage.Logged(12));
    }

    [Fact]
    public async Task A_client_that_stalls_in_the_middle_is_pinged_and_cut_if_it_does_not_answer()
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: false));
        _go.SetResult();
        await stage.Transport.WhenIdle;
        stage.Beats(21);
        Assert.Equal(Opcode.Ping, Assert.Single(stage.Transport.Frames).Opcode);
        stage.Beats(16);
        Assert.IsType<InterruptedMessageException>(await _ended.Task.InTime());
        await stage.Connection.Called("Disconnected");
        Assert.Equal(DisconnectCause.PingTimeout, stage.Connection.Ending!.Cause);
        Assert.NotNull(parts);
    }

    [Fact]
    public async Task A_client_that_takes_longer_than_allowed_is_closed_with_1008_however_often_it_sends_something()
    {
        await using ConnectionStage stage = Stage();
        await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: false));
        _go.SetResult();
        for (int i = 0; i < 100; i++)
        {
            await stage.Transport.WhenIdle;
            Assert.True(stage.Connection.IsOpen);
            stage.Transport.Receive(Frames.Continuation("x", fin: false));
            await stage.Transport.WhenIdle;
            stage.Beats(1);
        }

        Assert.Contains("server has ended", Assert.IsType<InterruptedMessageException>(await _ended.Task.InTime()).Message, StringComparison.Ordinal);
        Assert.Equal((1008, "message takes too long"), ((int)stage.Transport.Frames[^1].ReadClose().Code, stage.Transport.Frames[^1].ReadClose().Reason));
        // The rest is passed over until the client's Close frame.
        stage.Transport.Receive(Frames.Continuation("x", fin: false), Frames.Close(1008));
        await stage.Connection.Called("Disconnected");
        Assert.Equal((DisconnectCause.LimitExceeded, true), (stage.Connection.Ending!.Cause, stage.Connection.WasClean));
        stage.Transport.EndInput();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_this_side_closes_the_reader_learns_of_it_at_once_and_the_rest_is_passed_over(bool waits)
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: false));
        Task<string>? read = null;
        if (waits)
        {
            Assert.Equal("abcde", await ReadAsync(parts));
            read = ReadAsync(parts);
        }
        else
        {
            await Polling.UntilAsync(() => (parts.Wait & 1) != 0);
        }

        Assert.True(stage.Connection.BeginClose(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Server, CloseCode.NormalClosure, "")));
        await Assert.ThrowsAsync<InterruptedMessageException>(() => read ?? ReadAsync(parts));
        _go.SetResult();
        await stage.Transport.WhenIdle;
        stage.Transport.Receive(Frames.Continuation("fgh"), Frames.Text("another message"), Frames.Close(1000));
        await stage.Connection.Called("Disconnected");
        Assert.True(stage.Connection.WasClean);
        Assert.Equal(1, stage.Connection.Calls.Count(call => call == "MessageInParts"));
        stage.Transport.EndInput();
    }

    [Fact]
    public async Task A_message_whose_last_part_is_there_is_read_to_its_end_although_this_side_closes()
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8));
        Assert.True(stage.Connection.BeginClose(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Server, CloseCode.NormalClosure, "")));
        Assert.Equal("abcde", await ReadAsync(parts));
        _go.SetResult();
        Assert.Null(await _ended.Task.InTime());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Read_to_its_end_a_message_may_be_followed_by_the_next_while_its_handler_goes_on_and_otherwise_the_reader_learns_why(bool readsAll)
    {
        await using ConnectionStage stage = Stage();
        TaskCompletionSource message = Timely.Signal();
        stage.Connection.OnMessage = message.SetResult;
        string? why = null;
        stage.Connection.OnMessageStream = async parts =>
        {
            if (readsAll)
                Assert.Equal("abcde", await ReadToEndAsync(parts));
            stage.Connection.Handlers.LeaveAlone(HandlersEnd.GoOn); // as RequestAsync does
            await message.Task;
            why = (await Record.ExceptionAsync(() => ReadAsync(parts)))?.Message;
            _ended.SetResult(null);
        };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Binary("abcde"u8), Frames.Text("next"));
        await stage.Connection.Called("Message next");
        await _ended.Task.InTime();
        if (readsAll)
            Assert.Null(why);
        else
            Assert.EndsWith("Read a message to its end before RequestAsync.", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_message_that_begins_after_this_side_has_closed_is_not_raised()
    {
        await using ConnectionStage stage = Stage();
        TaskCompletionSource go = Timely.Signal();
        stage.Connection.OnMessage = async () => await go.Task;
        stage.Connection.OnMessageStream = _ => Task.CompletedTask;
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("22222"), Frames.Close(1000));
        await stage.Connection.Called("Message 1");
        Assert.True(stage.Connection.BeginClose(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Server, CloseCode.NormalClosure, "")));
        go.SetResult();
        await stage.Connection.Called("Disconnected");
        Assert.False(stage.Connection.WasCalled("MessageInParts"));
        stage.Transport.EndInput();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stop_does_not_wait_for_a_handler_for_ever_whether_it_reads_or_not(bool isComplete)
    {
        await using ConnectionStage stage = Stage();
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: isComplete));
        stage.Connection.EndStop();
        await stage.Connection.Called("Released");
        Assert.False(await stage.Connection.WhenEnded);
        await Assert.ThrowsAsync<InterruptedMessageException>(() => ReadAsync(parts));
        _go.SetResult();
        Assert.IsType<InterruptedMessageException>(await _ended.Task.InTime());
    }

    [Fact]
    public async Task A_shortage_of_memory_pauses_the_client_in_the_middle_and_ends_the_message_when_it_is_closed()
    {
        LeakCheckingPool pool = new();
        await using ConnectionStage stage = Stage(change: settings => settings with { Budget = new MemoryBudget(1_000_000, pool) });
        MessageParts parts = await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: false));
        Assert.Equal("abcde", await ReadAsync(parts));
        await stage.Transport.WhenIdle;
        stage.Connection.CloseForMemory();
        await Assert.ThrowsAsync<InterruptedMessageException>(() => ReadAsync(parts));
        _go.SetResult();
        Assert.IsType<InterruptedMessageException>(await _ended.Task.InTime());
        stage.Transport.Receive(Frames.Continuation("x"), Frames.Close(1013));
        await stage.Connection.Called("Disconnected");
        Assert.Equal(DisconnectCause.MemoryBudgetExceeded, stage.Connection.Ending!.Cause);
        stage.Transport.EndInput();
    }

    [Fact]
    public async Task Its_bytes_count_for_the_rate_and_the_time_in_which_the_client_is_held_back_for_that_is_not_its_own()
    {
        await using ConnectionStage stage = Stage(change: settings => settings with { MaxBytesPerSecond = 12, StreamedMessageTimeout = TimeSpan.FromSeconds(5) });
        await OpenAsync(stage, reads: true, Frames.Binary("abcde"u8, fin: false));
        _go.SetResult();
        await stage.Transport.WhenIdle;
        stage.Transport.Receive(Frames.Continuation(new byte[110], fin: false));
        await Polling.UntilAsync(() => stage.Connection.IsHoldingBack);
        stage.Beats(8);
        Assert.True(stage.Connection.IsHoldingBack);
        Assert.True(stage.Connection.IsOpen);
        stage.Beats(2);
        await stage.Transport.WhenIdle;
        stage.Beats(2);
        stage.Transport.Receive(Frames.Continuation("f"));
        Assert.Null(await _ended.Task.InTime());
    }

    [Fact]
    public async Task It_counts_as_one_message_for_the_rate()
    {
        await using ConnectionStage stage = Stage(change: settings => settings with { MaxMessagesPerSecond = 2 });
        stage.Connection.OnMessageStream = async parts => await ReadToEndAsync(parts);
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Binary("abcde"u8, fin: false), Frames.Continuation("f", fin: false), Frames.Continuation("g"));
        await stage.Transport.WhenIdle;
        Assert.False(stage.Connection.IsHoldingBack);
        stage.Transport.Receive(Frames.Binary("abcde"u8), Frames.Binary("abcde"u8));
        await Polling.UntilAsync(() => stage.Connection.IsHoldingBack);
        Assert.Equal(2, stage.Connection.MessagesReceived);
        stage.Beats(2);
        await stage.Transport.WhenIdle;
        Assert.Equal(3, stage.Connection.MessagesReceived);
    }

    [Fact]
    public async Task An_exception_of_the_handler_closes_the_client_and_leaves_the_rest_unread()
    {
        await using ConnectionStage stage = Stage();
        stage.Connection.OnMessageStream = async parts =>
        {
            await ReadAsync(parts);
            throw new InvalidOperationException("disk full");
        };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Binary("abcde"u8, fin: false));
        await stage.Transport.NextWriteAsync();
        Assert.Equal(1011, (int)stage.Transport.Frames[^1].ReadClose().Code);
        Assert.Contains("OnMessageStream", Assert.Single(stage.Logged(10)).Message, StringComparison.Ordinal);
        stage.Transport.Receive(Frames.Continuation("x"), Frames.Close(1011));
        await stage.Connection.Called("Disconnected");
        stage.Transport.EndInput();
    }
}
