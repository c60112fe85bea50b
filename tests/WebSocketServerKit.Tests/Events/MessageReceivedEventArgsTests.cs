using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Events;

public sealed class MessageReceivedEventArgsTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();
    private readonly WebSocketClient _client;

    public MessageReceivedEventArgsTests() => _client = new WebSocketClient(
        1, _stage.Connection,
        RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);

    public ValueTask DisposeAsync() => _stage.DisposeAsync();

    private MessageReceivedEventArgs Current() => new(_client, _stage.Connection.MessageType, _stage.Connection.Handlers.Run);

    [Fact]
    public async Task The_payload_can_be_read_until_the_handlers_have_ended_and_copies_last()
    {
        TaskCompletionSource go = Timely.Signal();
        MessageReceivedEventArgs message = default;
        ReadOnlyMemory<byte> memory = default;
        string? text = null;
        byte[]? copy = null;
        _stage.Connection.OnMessage = async () =>
        {
            message = Current();
            memory = message.PayloadMemory;
            await go.Task;
            (text, copy) = (message.Text, message.ToArray());
            Assert.Equal("grüße"u8, message.Payload);
            Assert.Equal("grüße"u8, memory.Span);
            using System.Buffers.MemoryHandle pinned = memory[2..].Pin();
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("grüße"));
        await _stage.Connection.Called("Message grüße");
        go.SetResult();
        await _stage.Transport.WhenIdle;

        Assert.Empty(_stage.Logged(10));
        Assert.Equal(WebSocketMessageType.Text, message.MessageType);
        Assert.Equal("grüße", text);
        Assert.Equal("grüße"u8, copy!);
        InvalidOperationException late = Assert.Throws<InvalidOperationException>(() => message.Text);
        Assert.Contains("ToArray()", late.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => message.ToArray());
        Assert.Throws<InvalidOperationException>(() => { _ = message.Payload.Length; });
        Assert.Throws<InvalidOperationException>(() => { _ = message.PayloadMemory; });
        Assert.Throws<InvalidOperationException>(() => { _ = memory.Span.Length; });
        Assert.Throws<InvalidOperationException>(() => { memory.Pin().Dispose(); });
    }

    [Fact]
    public async Task A_message_that_was_kept_does_not_show_the_next_ones_bytes()
    {
        List<MessageReceivedEventArgs> kept = [];
        Exception? refused = null;
        _stage.Connection.OnMessage = () =>
        {
            kept.Add(Current());
            if (kept.Count == 2)
                refused = Record.Exception(() => kept[0].Text);
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await _stage.Transport.WhenIdle;
        Assert.IsType<InvalidOperationException>(refused);
        Assert.True(kept[0] != kept[1]);
        Assert.False(kept[0].Equals((object)kept[1]));
        MessageReceivedEventArgs again = kept[0];
        Assert.True(kept[0] == again);
        Assert.Equal(kept[0].GetHashCode(), again.GetHashCode());
        Assert.Same(_client, again.Client);
    }

    [Fact]
    public async Task A_handler_that_was_given_up_keeps_its_payload_while_it_runs()
    {
        _stage.IsAbandoned = true;
        TaskCompletionSource go = Timely.Signal();
        TaskCompletionSource<(string, byte[], byte[])> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _stage.Connection.OnMessage = async () =>
        {
            MessageReceivedEventArgs message = Current();
            await go.Task;
            seen.SetResult((message.Text, message.ToArray(), message.PayloadMemory.ToArray()));
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await _stage.Connection.Called("Message 1");
        _stage.Connection.EndStop();
        await _stage.AssertReleasedAsync();
        await _stage.Connection.Called("Disconnected");
        go.SetResult();
        (string text, byte[] copy, byte[] memory) = await seen.Task.InTime();
        Assert.Equal(("1", "1", "1"), (text, Encoding.UTF8.GetString(copy), Encoding.UTF8.GetString(memory)));
    }

    [Fact]
    public async Task The_payload_is_over_once_a_handler_has_let_the_next_message_come()
    {
        List<string> seen = [];
        TaskCompletionSource go = Timely.Signal(), ended = Timely.Signal();
        _stage.Connection.OnMessage = async () =>
        {
            MessageReceivedEventArgs message = Current();
            if (message.Text != "1")
                return;
            message.ContinueReceiving();
            await go.Task;
            seen.Add(Record.Exception(() => message.Text)!.Message);
            ended.SetResult();
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await _stage.Connection.Called("Message 2");
        go.SetResult();
        await ended.Task.InTime();
        Assert.Contains("ContinueReceiving", Assert.Single(seen), StringComparison.Ordinal);
    }

    [Fact]
    public void A_default_value_says_that_it_is_no_message()
    {
        MessageReceivedEventArgs none = default;
        Assert.All(
            (Action[])[() => _ = none.Client, () => _ = none.Text, () => none.ToArray(), () => _ = none.Payload.Length, () => _ = none.PayloadMemory, none.ContinueReceiving],
            use => Assert.Contains("default(MessageReceivedEventArgs)", Assert.Throws<InvalidOperationException>(use).Message, StringComparison.Ordinal));
        Assert.Equal((none, none.GetHashCode()), (default, default(MessageReceivedEventArgs).GetHashCode()));
    }
}
