using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientSelectionSendingTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(int limit = 1024)
    {
        WebSocketClient client = _bench.Client(limit: limit);
        _clients.Add(client);
        return client;
    }

    [Fact]
    public void A_text_goes_to_all()
    {
        WebSocketClient first = Add(), second = Add();
        Assert.Equal(new BroadcastResult { Sent = 2 }, _clients.Broadcast("grüße \ud800"));
        Assert.Equal("Text grüße \ufffd", _bench.SentTo(first));
        Assert.Equal("Text grüße \ufffd", _bench.SentTo(second));
        Assert.Equal((1, Encoding.UTF8.GetByteCount("grüße \ufffd")), (first.MessagesSent, first.BytesSent));
    }

    [Fact]
    public void Bytes_go_as_the_type_that_was_asked_for()
    {
        WebSocketClient client = Add();
        _clients.Broadcast("bytes"u8);
        _clients.Broadcast("text"u8, WebSocketMessageType.Text);
        Assert.Equal("Binary bytes\nText text", _bench.SentTo(client));
    }

    [Fact]
    public void A_text_that_is_not_UTF8_and_a_type_that_is_no_message_are_refused_before_anybody_gets_anything()
    {
        WebSocketClient client = Add();
        Assert.Throws<ArgumentException>(() => _clients.Broadcast([0xFF], WebSocketMessageType.Text));
        Assert.Throws<ArgumentOutOfRangeException>(() => _clients.Broadcast([1], WebSocketMessageType.Close));
        Assert.Throws<ArgumentNullException>(() => _clients.Broadcast((string)null!));
        Assert.Empty(_bench.SentTo(client));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65_536)]
    public void A_payload_of_any_length_arrives_whole(int length)
    {
        WebSocketClient client = Add();
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        Assert.Equal(1, _clients.Broadcast(payload).Sent);
        Assert.Equal(payload, Assert.Single(_bench.TransportOf(client).Frames).Payload);
    }

    [Fact]
    public void A_broadcast_waits_for_nobody_and_tells_what_happened()
    {
        WebSocketClient quick = Add(), slow = Add(limit: 1024), gone = Add();
        _bench.TransportOf(slow).HoldWrites();
        Assert.True(slow.TrySend(new string('x', 1000)).IsAccepted);
        gone.Abort();
        Assert.Equal(new BroadcastResult { Sent = 1, Dropped = 1, Closed = 1 }, _clients.Broadcast(new string('y', 100)));
        Assert.Equal((1, 1, 0), (quick.MessagesSent, slow.MessagesSent, gone.MessagesSent));
    }

    [Fact]
    public void Only_those_who_are_selected_get_it()
    {
        WebSocketClient sender = Add(), member = Add();
        Add();
        sender.Join("chat");
        member.Join("chat");
        Assert.Equal(new BroadcastResult { Sent = 1 }, _clients.InGroup("chat").Except(sender).Broadcast("hello"));
        Assert.Equal(new BroadcastResult { Sent = 2 }, _clients.InGroup("chat").Broadcast(new ReadOnlySequence<byte>([1]), WebSocketMessageType.Binary));
        Assert.Equal(new BroadcastResult { Sent = 2 }, _clients.InGroup("chat").Broadcast(new ReadOnlyMemory<byte>([2])));
        Assert.Equal((2, 3), (sender.MessagesSent, member.MessagesSent));
        Assert.Equal(default, _clients.InGroup("empty").Broadcast("to nobody"));
    }

    [Fact]
    public void What_a_function_throws_ends_the_broadcast_and_not_the_next_one()
    {
        WebSocketClient first = Add(), second = Add();
        Assert.Throws<InvalidTimeZoneException>(() => _clients.Where(client => client == first ? true : throw new InvalidTimeZoneException()).Broadcast("1"));
        Assert.Equal(2, _clients.Broadcast("2").Sent);
        Assert.Equal("Text 2", _bench.SentTo(second));
    }
}
