using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class MadeMessagesTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_made_message_has_its_client_its_type_and_its_payload()
    {
        WebSocketClient client = _bench.Client();
        MessageReceivedEventArgs text = MadeMessages.Add(client, WebSocketMessageType.Text, "h\u00e9"u8.ToArray());
        MessageReceivedEventArgs binary = MadeMessages.Add(client, WebSocketMessageType.Binary, new byte[] { 1, 2 });
        Assert.Same(client, text.Client);
        Assert.Equal((true, "h\u00e9"), (text.IsText, text.Text));
        Assert.Equal(WebSocketMessageType.Binary, binary.MessageType);
        Assert.Equal([1, 2], binary.ToArray());
        Assert.NotEqual(text, binary);
    }

    [Fact]
    public void A_made_message_stays_valid_when_others_are_made()
    {
        WebSocketClient client = _bench.Client();
        MessageReceivedEventArgs first = MadeMessages.Add(client, WebSocketMessageType.Text, "1"u8.ToArray());
        MadeMessages.Add(client, WebSocketMessageType.Text, "2"u8.ToArray());
        MadeMessages.Add(_bench.Client(), WebSocketMessageType.Text, "3"u8.ToArray());
        Assert.Equal("1", first.Text);
        Assert.Equal("1"u8, first.PayloadMemory.Span);
        first.ContinueReceiving(); // nothing waits for its handlers
        Assert.Equal("1", first.Text);
    }

    [Fact]
    public void Another_run_is_no_made_message()
    {
        WebSocketClient client = _bench.Client();
        Assert.False(MadeMessages.TryGet(client, -1, out _));
        MadeMessages.Add(client, WebSocketMessageType.Text, default);
        Assert.False(MadeMessages.TryGet(client, 1, out _));
        Assert.Throws<InvalidOperationException>(() => new MessageReceivedEventArgs(client, WebSocketMessageType.Text, 1).Text);
    }
}
