using System.Net.WebSockets;
using System.Text.Json.Serialization;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed partial class ClientSelectionMessagesTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public ValueTask DisposeAsync()
    {
        _bench.Dispose();
        return _stage.DisposeAsync();
    }

    private WebSocketClient Add(int limit = 1024)
    {
        WebSocketClient client = _bench.Client(limit: limit);
        _clients.Add(client);
        return client;
    }

    // Lets a handler use the message that a client of the stage has sent.
    private async Task ReceiveAsync(Action<MessageReceivedEventArgs> onMessage, params byte[][] frames)
    {
        WebSocketClient sender = new(
            99, _stage.Connection, RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);
        _stage.Connection.OnMessage = () => onMessage(new MessageReceivedEventArgs(sender, _stage.Connection.MessageType, _stage.Connection.Handlers.Run));
        await _stage.OpenAsync();
        _stage.Transport.Receive(frames);
        await _stage.Transport.WhenIdle;
        Assert.Empty(_stage.Logged(10));
    }

    [Fact]
    public void A_prepared_message_and_a_value_go_to_those_who_are_selected()
    {
        WebSocketClient first = Add(), second = Add();
        second.Join("a");
        Assert.Equal(new BroadcastResult { Sent = 2 }, _clients.Broadcast(PreparedMessage.FromText("prepared")));
        Assert.Equal(new BroadcastResult { Sent = 1 }, _clients.InGroup("a").BroadcastJson(new Score("x", 1), ScoreJson.Default.Score));
        Assert.Equal(new BroadcastResult { Sent = 1 }, _clients.Except(first).BroadcastJson(new Score("y", 2), ScoreJson.Default.Score, WebSocketMessageType.Binary));
        Assert.Equal("Text prepared", _bench.SentTo(first));
        Assert.Equal("Text prepared\nText {\"Name\":\"x\",\"Points\":1}\nBinary {\"Name\":\"y\",\"Points\":2}", _bench.SentTo(second));
    }

    [Fact]
    public async Task A_prepared_message_may_be_the_newest_value_of_a_key()
    {
        WebSocketClient client = Add();
        _bench.TransportOf(client).HoldWrites();
        client.TrySend("busy");
        Assert.Equal(new BroadcastResult { Queued = 1 }, _clients.BroadcastLatest("a", PreparedMessage.FromText("old")));
        Assert.Equal(new BroadcastResult { Replaced = 1 }, _clients.BroadcastLatest("a", PreparedMessage.FromJson(new Score("new", 1), ScoreJson.Default.Score)));
        Assert.Equal(SendResult.Queued, client.TrySendLatest("b", PreparedMessage.FromText("other")));
        Assert.Throws<ArgumentNullException>(() => client.TrySendLatest(null!, PreparedMessage.FromText("x")));
        Assert.Throws<ArgumentNullException>(() => client.TrySendLatest("x", (PreparedMessage)null!));
        Assert.Throws<ArgumentNullException>(() => _clients.BroadcastLatest(null!, PreparedMessage.FromText("x")));
        Assert.Throws<ArgumentNullException>(() => _clients.BroadcastLatest("x", (PreparedMessage)null!));
        _bench.TransportOf(client).LetAllWritesEnd();
        await _bench.ConnectionOf(client).Queue.WhenDrained().InTime();
        Assert.Equal("Text busy\nText {\"Name\":\"new\",\"Points\":1}\nText other", _bench.SentTo(client));
    }

    [Fact]
    public async Task A_received_message_goes_on_as_what_it_is()
    {
        WebSocketClient first = Add(), second = Add();
        List<BroadcastResult> results = [];
        await ReceiveAsync(
            message =>
            {
                results.Add(_clients.Broadcast(message));
                results.Add(_clients.Except(second).Broadcast(message, WebSocketMessageType.Binary));
            },
            Frames.Text("grüße"), Frames.Binary([0xFF]));
        Assert.Equal([2, 1, 2, 1], results.Select(result => result.Sent));
        Assert.Equal("Text grüße\nBinary grüße\nBinary \ufffd\nBinary \ufffd", _bench.SentTo(first));
        Assert.Equal("Text grüße\nBinary \ufffd", _bench.SentTo(second));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(126)]
    [InlineData(100_000)]
    public async Task A_received_message_of_any_length_arrives_whole(int length)
    {
        WebSocketClient first = Add(), second = Add();
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        await ReceiveAsync(message => Assert.Equal(2, _clients.Broadcast(message).Sent), Frames.Binary(payload));
        Assert.Equal(payload, Assert.Single(_bench.TransportOf(first).Frames).Payload);
        Assert.Equal(payload, Assert.Single(_bench.TransportOf(second).Frames).Payload);
    }

    [Fact]
    public async Task What_is_no_message_or_is_over_is_refused_before_anybody_gets_anything()
    {
        WebSocketClient client = Add();
        MessageReceivedEventArgs kept = default;
        await ReceiveAsync(
            message =>
            {
                kept = message;
                Assert.Throws<ArgumentException>(() => _clients.Broadcast(message, WebSocketMessageType.Text));
                Assert.Throws<ArgumentOutOfRangeException>(() => _clients.Broadcast(message, WebSocketMessageType.Close));
            },
            Frames.Binary([0xFF]));
        Assert.Throws<InvalidOperationException>(() => _clients.Broadcast(kept));
        Assert.Throws<InvalidOperationException>(() => _clients.Broadcast(default(MessageReceivedEventArgs)));
        Assert.Throws<ArgumentNullException>(() => _clients.Broadcast((PreparedMessage)null!));
        Assert.Throws<ArgumentNullException>(() => _clients.BroadcastJson<Score>(new Score("x", 1), null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => _clients.BroadcastJson(new Score("x", 1), ScoreJson.Default.Score, WebSocketMessageType.Close));
        Assert.Throws<InvalidDataException>(() => _clients.BroadcastJson(new Unwritable(), ScoreJson.Default.Unwritable));
        Assert.Empty(_bench.SentTo(client));
    }

    [Fact]
    public void A_function_of_the_selection_may_send_a_value_of_its_own_meanwhile()
    {
        WebSocketClient client = Add(), other = _bench.Client();
        ClientSelection selection = _clients.Where(_ => other.TrySendJson(new Score("inner", 2), ScoreJson.Default.Score).IsAccepted);
        Assert.Equal(1, selection.BroadcastJson(new Score("outer", 1), ScoreJson.Default.Score).Sent);
        Assert.Equal("Text {\"Name\":\"outer\",\"Points\":1}", _bench.SentTo(client));
        Assert.Equal("Text {\"Name\":\"inner\",\"Points\":2}", _bench.SentTo(other));
    }

    internal sealed record Score(string Name, int Points);

    internal sealed record Unwritable
    {
        public int Value => throw new InvalidDataException();
    }

    [JsonSerializable(typeof(Score))]
    [JsonSerializable(typeof(Unwritable))]
    internal sealed partial class ScoreJson : JsonSerializerContext;
}
