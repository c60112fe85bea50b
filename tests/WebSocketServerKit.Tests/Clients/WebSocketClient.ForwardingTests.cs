#pragma warning disable xUnit1051 // calls without a token are under test too
using System.Net.WebSockets;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientForwardingTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();
    private readonly WebSocketClient _sender;
    private readonly ClientBench _bench = new();

    public WebSocketClientForwardingTests() => _sender = new WebSocketClient(
        1, _stage.Connection, RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync()
    {
        _bench.Dispose();
        return _stage.DisposeAsync();
    }

    private MessageReceivedEventArgs Current() => new(_sender, _stage.Connection.MessageType, _stage.Connection.Handlers.Run);

    private async Task ReceiveAsync(Action onMessage, params byte[][] frames)
    {
        _stage.Connection.OnMessage = onMessage;
        await _stage.OpenAsync();
        _stage.Transport.Receive(frames);
        await _stage.Transport.WhenIdle;
        Assert.Empty(_stage.Logged(10));
    }

    [Fact]
    public async Task A_message_goes_on_as_what_it_is_to_its_sender_and_to_others()
    {
        WebSocketClient other = _bench.Client();
        await ReceiveAsync(
            async () =>
            {
                Assert.Equal(SendResult.Sent, other.TrySend(Current()));
                await _sender.SendAsync(Current());
                await Task.Yield(); // to another thread
                await other.SendAsync(Current(), Token);
                Assert.Equal(SendResult.Sent, _sender.TrySend(Current(), SendOptions.Uncompressed));
            },
            Frames.Text("grüße"), Frames.Binary("bytes"u8));
        Assert.Equal("Text grüße\nText grüße\nBinary bytes\nBinary bytes", _bench.SentTo(other));
        Assert.Equal("Text grüße\nText grüße\nBinary bytes\nBinary bytes", _stage.Sent);
    }

    [Fact]
    public async Task The_options_may_change_the_type_and_what_becomes_text_is_validated()
    {
        WebSocketClient other = _bench.Client();
        await ReceiveAsync(
            async () =>
            {
                await other.SendAsync(Current(), WebSocketMessageType.Binary);
                if (Current().Payload[0] == 0xFF)
                    Assert.Throws<ArgumentException>(() => other.TrySend(Current(), WebSocketMessageType.Text));
                else
                    Assert.Equal(SendResult.Sent, other.TrySend(Current(), WebSocketMessageType.Text));
                Assert.Throws<ArgumentOutOfRangeException>(() => other.TrySend(Current(), WebSocketMessageType.Close));
            },
            Frames.Text("1"), Frames.Binary("2"u8), Frames.Binary([0xFF]));
        Assert.Equal("Binary 1\nText 1\nBinary 2\nText 2\nBinary \ufffd", _bench.SentTo(other));
    }

    [Fact]
    public async Task While_the_receiver_has_no_room_the_handler_may_end()
    {
        WebSocketClient other = _bench.Client(limit: 10);
        ScriptedTransport transport = _bench.TransportOf(other);
        transport.HoldWrites();
        other.TrySend("busy");
        List<Task> waiting = [];
        await ReceiveAsync(
            () =>
            {
                Assert.Equal(SendResult.Dropped, other.TrySend(Current()));
                waiting.Add(other.SendAsync(Current(), Token).AsTask());
            },
            Frames.Text("first message"), Frames.Text("other message"));
        transport.LetAllWritesEnd();
        await Task.WhenAll(waiting).InTime();
        await _bench.ConnectionOf(other).Queue.WhenDrained().InTime();
        Assert.Equal("Text busy\nText first message\nText other message", _bench.SentTo(other));
    }

    [Fact]
    public async Task After_its_handlers_have_ended_or_let_the_next_come_a_message_cannot_be_forwarded()
    {
        WebSocketClient other = _bench.Client();
        List<MessageReceivedEventArgs> kept = [];
        TaskCompletionSource go = Timely.Signal(), done = Timely.Signal();
        Exception? early = null;
        _stage.Connection.OnMessage = async () =>
        {
            MessageReceivedEventArgs message = Current();
            kept.Add(message);
            if (kept.Count > 1)
                return;
            message.ContinueReceiving();
            await go.Task;
            early = Record.Exception(() => other.TrySend(message));
            done.SetResult();
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await _stage.Connection.Called("Message 2");
        go.SetResult();
        await done.Task.InTime();
        await _stage.Transport.WhenIdle;
        Assert.IsType<InvalidOperationException>(early);
        Assert.Throws<InvalidOperationException>(() => other.TrySend(kept[1]));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await other.SendAsync(kept[1], Token));
        Assert.Throws<InvalidOperationException>(() => other.TrySend(default(MessageReceivedEventArgs)));
        Assert.Empty(_bench.SentTo(other));
    }

    [Fact]
    public async Task A_receiver_that_has_left_and_a_cancelled_token_are_told()
    {
        WebSocketClient other = _bench.Client();
        List<Exception?> seen = [];
        await ReceiveAsync(
            async () =>
            {
                seen.Add(await Record.ExceptionAsync(async () => await other.SendAsync(Current(), new CancellationToken(canceled: true))));
                other.Abort();
                Assert.Equal(SendResult.Closed, other.TrySend(Current()));
                seen.Add(await Record.ExceptionAsync(async () => await other.SendAsync(Current())));
            },
            Frames.Text("1"));
        Assert.IsAssignableFrom<OperationCanceledException>(seen[0]);
        Assert.IsType<WebSocketException>(seen[1]);
    }

    [Fact]
    public async Task Forwarding_allocates_nothing()
    {
        WebSocketClient other = _bench.Client(limit: 10_000_000);
        _bench.TransportOf(other).HoldWrites();
        other.TrySend("busy");
        other.TrySend(new byte[500_000]);
        long allocated = -1;
        await ReceiveAsync(
            () =>
            {
                MessageReceivedEventArgs message = Current();
                other.TrySend(message); // now the buffer need not grow any more
                long before = GC.GetAllocatedBytesForCurrentThread();
                for (int i = 0; i < 1000; i++)
                {
                    other.TrySend(message);
#pragma warning disable CA2012 // it is complete, and an await might go on elsewhere
                    Assert.True(other.SendAsync(message).IsCompletedSuccessfully);
#pragma warning restore CA2012
                }

                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            },
            Frames.Text("0123456789"));
        Assert.Equal(0, allocated);
        _bench.TransportOf(other).LetAllWritesEnd();
    }
}
