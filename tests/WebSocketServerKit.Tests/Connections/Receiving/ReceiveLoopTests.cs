using System.Net.WebSockets;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Receiving;

public sealed class ReceiveLoopTests
{
    private static void Echo(ConnectionStage stage) => stage.Connection.OnMessage = () => stage.Connection.Queue.TrySend(stage.Connection.PayloadText);

    private static async Task AnswersAsync(ConnectionStage stage, string expected)
    {
        await stage.Transport.WhenIdle;
        Assert.Equal(expected, stage.Sent);
    }

    [Fact]
    public async Task The_replies_to_one_burst_leave_in_one_write()
    {
        await using var stage = new ConnectionStage();
        Echo(stage);
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"), Frames.Frame(Opcode.Ping, "3"u8), Frames.Text("4"));
        await AnswersAsync(stage, "Text 1\nText 2\nPong 3\nText 4");
        Assert.Equal(2, stage.Transport.Writes.Count);
    }

    [Fact]
    public async Task The_replies_that_were_gathered_leave_before_an_async_handler_is_waited_for()
    {
        await using var stage = new ConnectionStage();
        TaskCompletionSource go = Timely.Signal();
        stage.Connection.OnMessage = async () =>
        {
            stage.Connection.Queue.TrySend(stage.Connection.PayloadText);
            if (stage.Connection.PayloadText == "2")
                await go.Task;
        };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"), Frames.Text("3"));
        await stage.Transport.NextWriteAsync();
        Assert.Equal("Text 1\nText 2", stage.Sent);
        go.SetResult();
        await AnswersAsync(stage, "Text 1\nText 2\nText 3");
    }

    [Theory]
    [InlineData(16)]
    [InlineData(33)]
    [InlineData(4096)]
    public async Task Where_the_input_is_cut_and_how_it_lies_in_memory_does_not_matter(int segmentSize)
    {
        await using var stage = new ConnectionStage(segmentSize: segmentSize);
        Echo(stage);
        await stage.OpenAsync();
        string longText = string.Concat(Enumerable.Range(0, 100).Select(i => $"{i}äß"));
        byte[] input =
        [
            .. Frames.Text("one"), .. Frames.Frame(Opcode.Ping, "ping"u8), .. Frames.Text(longText), .. Frames.Text(""),
            .. Frames.Frame(Opcode.Text, "frag"u8, fin: false), .. Frames.Frame(Opcode.Ping, "between"u8),
            .. Frames.Frame(Opcode.Continuation, "ment"u8), .. Frames.Text("last"),
        ];
        string expected = $"Text one\nPong ping\nText {longText}\nText \nPong between\nText fragment\nText last";
        stage.Transport.Receive(input);
        await AnswersAsync(stage, expected);

        foreach (byte[] piece in input.Chunk(7))
        {
            stage.Transport.Receive(piece);
            await stage.Transport.WhenIdle;
        }

        await AnswersAsync(stage, $"{expected}\n{expected}");
        Assert.Equal(0, stage.Pool.Rented);
        Assert.Equal(10, stage.Connection.MessagesReceived);
        Assert.Equal(2 * (3 + 8 + 4 + System.Text.Encoding.UTF8.GetByteCount(longText)), stage.Connection.BytesReceived);
    }

    [Fact]
    public async Task A_payload_that_lies_in_one_piece_is_handed_on_uncopied_and_one_that_is_cut_in_a_rented_array()
    {
        await using var stage = new ConnectionStage();
        int rented = -1;
        stage.Connection.OnMessage = () => rented = stage.Pool.Rented;
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("in one piece"));
        await stage.Transport.WhenIdle;
        Assert.Equal(0, rented);
        stage.Transport.Receive(Frames.Text("in two pieces")[..10]);
        await stage.Transport.WhenIdle;
        stage.Transport.Receive(Frames.Text("in two pieces")[10..]);
        await stage.Transport.WhenIdle;
        Assert.Equal(1, rented);
        Assert.Equal(0, stage.Pool.Rented);
    }

    [Fact]
    public async Task The_type_of_a_message_is_told()
    {
        await using var stage = new ConnectionStage();
        List<WebSocketMessageType> types = [];
        stage.Connection.OnMessage = () => types.Add(stage.Connection.MessageType);
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("text"), Frames.Frame(Opcode.Binary, "bytes"u8));
        await stage.Transport.WhenIdle;
        Assert.Equal([WebSocketMessageType.Text, WebSocketMessageType.Binary], types);
    }

    [Fact]
    public async Task A_payload_survives_an_await_and_is_gone_after_the_event()
    {
        await using var stage = new ConnectionStage();
        TaskCompletionSource go = Timely.Signal();
        string? after = null;
        stage.Connection.OnMessage = async () => { await go.Task; after ??= stage.Connection.PayloadText; };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("kept"));
        await stage.Connection.Called("Message kept");
        stage.Transport.Receive(Frames.Text("next"));
        go.SetResult();
        await stage.Connection.Called("Message next");
        Assert.Equal("kept", after);
        await stage.Transport.WhenIdle;
        Assert.True(stage.Connection.Payload.IsEmpty);
    }

    [Fact]
    public async Task Every_ping_is_answered_and_no_pong()
    {
        await using var stage = new ConnectionStage();
        await stage.OpenAsync();
        stage.Transport.Receive(
            Frames.Frame(Opcode.Ping, "1"u8), Frames.Frame(Opcode.Pong, "x"u8), Frames.Frame(Opcode.Ping, []), Frames.Frame(Opcode.Ping, "3"u8));
        await AnswersAsync(stage, "Pong 1\nPong \nPong 3");
        Assert.Equal(0, stage.Connection.MessagesReceived);
    }

    // A loop of its own, so that a test can look inside; each message is raised as the connection's first kind of event.
    private static ReceiveLoop Loop(ConnectionStage stage) => new(stage.Connection, stage.Transport, stage.Settings, stage.Heartbeat);

    [Fact]
    public async Task A_client_that_sends_more_messages_than_allowed_is_read_no_more_until_the_next_beat()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxMessagesPerSecond = 2 });
        ReceiveLoop loop = Loop(stage);
        Task running = RunAsync(loop);
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await stage.Transport.WhenIdle;
        Assert.Equal((2, false), (loop.MessagesReceived, loop.IsHoldingBack));
        stage.Transport.Receive(Frames.Text("3"));
        await Polling.UntilAsync(() => loop.IsHoldingBack);
        Assert.Equal(2, loop.MessagesReceived);

        stage.Beats(1);
        await stage.Transport.WhenIdle;
        Assert.Equal((3, false), (loop.MessagesReceived, loop.IsHoldingBack));
        stage.Transport.EndInput();
        await running.InTime();
        Assert.Equal(ReceiveEnd.Lost, loop.End);
    }

    [Fact]
    public async Task A_client_that_sends_more_bytes_than_allowed_is_read_no_more_until_the_next_beat()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxBytesPerSecond = 100 });
        ReceiveLoop loop = Loop(stage);
        Task running = RunAsync(loop);
        // Control frames and headers count as well.
        stage.Transport.Receive(Frames.Frame(Opcode.Pong, new byte[50]));
        await stage.Transport.WhenIdle;
        Assert.False(loop.IsHoldingBack);
        stage.Transport.Receive(Frames.Frame(Opcode.Pong, new byte[50]));
        await Polling.UntilAsync(() => loop.IsHoldingBack);
        stage.Beats(1);
        await stage.Transport.WhenIdle;
        Assert.False(loop.IsHoldingBack);
        stage.Transport.EndInput();
        await running.InTime();
        Assert.Equal(ReceiveEnd.Lost, loop.End);
    }

    [Fact]
    public async Task A_client_that_goes_on_to_send_too_much_is_told_of_once_however_long_it_is_held_back()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxBytesPerSecond = 20 });
        int told = 0;
        stage.Connection.OnNotice = _ => Interlocked.Increment(ref told);
        await stage.OpenAsync();
        for (int burst = 0; burst < 4; burst++)
        {
            if (burst == 3)
                stage.Beats(5);
            stage.Transport.Receive(Frames.Frame(Opcode.Pong, new byte[100]), Frames.Text("late"));
            await Polling.UntilAsync(() => stage.Connection.IsHoldingBack);
            // Before the next one is added, which would replace it.
            await Polling.UntilAsync(() => Volatile.Read(ref told) == (burst < 3 ? 1 : 2));
            stage.Beats(6); // 116 bytes
            await stage.Transport.WhenIdle;
            Assert.False(stage.Connection.IsHoldingBack);
        }

        Assert.Equal(2, Volatile.Read(ref told));
    }

    [Fact]
    public async Task Who_is_held_back_is_not_held_for_ever_when_the_server_stops()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxMessagesPerSecond = 1 });
        ReceiveLoop loop = Loop(stage);
        Task running = RunAsync(loop);
        stage.Heartbeat.Dispose();
        stage.Transport.Receive(Frames.Text("1"));
        await stage.Transport.WhenIdle;
        stage.Transport.EndInput();
        await running.InTime();
        Assert.Equal(ReceiveEnd.Lost, loop.End);
    }

    [Fact]
    public async Task Silence_while_a_client_is_held_back_is_not_its_fault()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxMessagesPerSecond = 1, PingInterval = TimeSpan.FromSeconds(1) });
        await stage.OpenAsync();
        for (int i = 0; i < 5; i++)
        {
            stage.Transport.Receive(Frames.Text($"{i}"));
            await stage.Connection.Called($"Message {i}");
            stage.Beats(1);
            await stage.Transport.WhenIdle;
        }

        Assert.True(stage.Connection.IsOpen);
    }

    [Fact]
    public async Task It_ends_by_a_Close_frame_and_tells_its_code_and_reason()
    {
        await using var stage = new ConnectionStage();
        ReceiveLoop loop = Loop(stage);
        stage.Transport.Receive(Frames.Text("1"), Frames.Close(4000, "why"), Frames.Text("behind"));
        await RunAsync(loop).InTime();
        Assert.Equal(ReceiveEnd.CloseReceived, loop.End);
        Assert.Equal((4000, "why", 1), ((int)loop.CloseCode, loop.CloseReason, loop.MessagesReceived));
    }

    [Fact]
    public async Task It_ends_by_a_broken_rule_and_names_it_and_gives_back_what_it_had_gathered()
    {
        await using var stage = new ConnectionStage();
        ReceiveLoop loop = Loop(stage);
        stage.Transport.Receive(Frames.Frame(Opcode.Text, "half a message"u8, fin: false), Frames.Text("another"));
        await RunAsync(loop).InTime();
        Assert.Equal(ReceiveEnd.Violation, loop.End);
        Assert.Equal(Protocol.ProtocolViolation.MessageInterrupted, loop.Violation);
        Assert.Equal(0, stage.Pool.Rented);
    }

    [Fact]
    public async Task It_ends_by_the_end_of_the_input_and_gives_back_what_it_had_gathered()
    {
        await using var stage = new ConnectionStage();
        ReceiveLoop loop = Loop(stage);
        stage.Transport.Receive(Frames.Text("half a message")[..9]);
        stage.Transport.EndInput();
        await RunAsync(loop).InTime();
        Assert.Equal(ReceiveEnd.Lost, loop.End);
        Assert.Null(loop.Failure);
        Assert.Equal(0, stage.Pool.Rented);
    }

    [Fact]
    public async Task A_message_that_finds_no_memory_ends_the_connection_as_a_failure()
    {
        await using var stage = new ConnectionStage();
        ReceiveLoop loop = Loop(stage);
        stage.Pool.LargestRent = 100;
        Task running = RunAsync(loop);
        stage.Transport.Receive(Frames.Text(new string('x', 5000))[..4000]);
        await running.InTime();
        Assert.Equal(ReceiveEnd.Lost, loop.End);
        Assert.IsType<InvalidOperationException>(loop.Failure);
    }

    [Fact]
    public async Task The_memory_of_a_large_message_counts_against_the_budget_until_its_handlers_have_ended()
    {
        const int Size = 3_000_000;
        await using var stage = new ConnectionStage(settings => settings with { MaxMessageSize = Size });
        long during = 0;
        stage.Connection.OnMessage = () => during = stage.Settings.Budget.Used;
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Binary(new byte[Size - 10], fin: false));
        await stage.Transport.WhenIdle;
        Assert.InRange(stage.Settings.Budget.Used, Size - 10, 2 * Size);
        Assert.Equal(stage.Settings.Budget.Used, stage.Connection.HeldBytes);
        stage.Transport.Receive(Frames.Continuation(new byte[10]));
        await stage.Transport.WhenIdle;
        Assert.Equal(1, stage.Connection.MessagesReceived);
        Assert.InRange(during, Size, 2 * Size);
        Assert.Equal((0, 0), (stage.Settings.Budget.Used, stage.Connection.HeldBytes));

        // Given back as well when the message does not end.
        stage.Transport.Receive(Frames.Binary(new byte[Size - 10], fin: false));
        await stage.Transport.WhenIdle;
        stage.Transport.Reset();
        await stage.Connection.Called("Released");
        Assert.Equal(0, stage.Settings.Budget.Used);
    }

    // As the connection does.
    private static async Task RunAsync(ReceiveLoop loop)
    {
        loop.Begin();
        try
        {
            while (loop.End is null)
            {
                await loop.WaitForInputAsync();
                await loop.TakeInputAsync();
            }
        }
        catch (Exception failure)
        {
            loop.Fail(failure);
        }

        await loop.FinishAsync();
    }
}
