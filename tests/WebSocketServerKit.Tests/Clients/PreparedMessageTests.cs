using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Serialization;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed partial class PreparedMessageTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void It_is_made_of_text_bytes_or_a_value_and_is_of_the_type_that_the_options_say()
    {
        WebSocketClient client = _bench.Client();
        PreparedMessage[] messages =
        [
            PreparedMessage.FromText("grüße \ud800"),
            PreparedMessage.FromText("as bytes", WebSocketMessageType.Binary),
            PreparedMessage.FromBytes("bytes"u8),
            PreparedMessage.FromBytes("as text"u8.ToArray(), WebSocketMessageType.Text),
            PreparedMessage.FromBytes([]),
            PreparedMessage.FromJson(new Price("EURUSD", 1.25m), PriceJson.Default.Price),
            PreparedMessage.FromJson(new Price("EURUSD", 1.25m), PriceJson.Default.Price, new SendOptions { MessageType = WebSocketMessageType.Binary, DisableCompression = true }),
        ];
        Assert.All(messages, message => Assert.Equal(SendResult.Sent, client.TrySend(message)));
        string[] expected =
            ["Text grüße \ufffd", "Binary as bytes", "Binary bytes", "Text as text", "Binary ", """Text {"Name":"EURUSD","Bid":1.25}""", """Binary {"Name":"EURUSD","Bid":1.25}"""];
        Assert.Equal(string.Join('\n', expected), _bench.SentTo(client));
        Assert.Equal(expected, messages.Select(message => $"{message.MessageType} {Encoding.UTF8.GetString(message.Payload)}"), StringComparer.Ordinal);
        Assert.Equal("text message of 11 bytes", messages[0].ToString());
        Assert.Equal("binary message of 0 bytes", messages[4].ToString());
    }

    [Fact]
    public void The_bytes_that_it_is_made_of_may_change_afterwards()
    {
        WebSocketClient client = _bench.Client();
        byte[] bytes = [.. "before"u8];
        PreparedMessage message = PreparedMessage.FromBytes(bytes);
        "behind"u8.CopyTo(bytes);
        client.TrySend(message);
        Assert.Equal("Binary before", _bench.SentTo(client));
    }

    [Fact]
    public void What_cannot_be_a_message_is_refused()
    {
        Assert.Throws<ArgumentNullException>(() => PreparedMessage.FromText(null!));
        Assert.Throws<ArgumentNullException>(() => PreparedMessage.FromJson(new Price("x", 1), null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => PreparedMessage.FromText("x", WebSocketMessageType.Close));
        Assert.Throws<ArgumentOutOfRangeException>(() => PreparedMessage.FromBytes([1], WebSocketMessageType.Close));
        Assert.Throws<ArgumentOutOfRangeException>(() => PreparedMessage.FromJson(new Price("x", 1), PriceJson.Default.Price, WebSocketMessageType.Close));
        Assert.Throws<ArgumentException>(() => PreparedMessage.FromBytes([0xFF], WebSocketMessageType.Text));
    }

    internal sealed record Price(string Name, decimal Bid);

    [JsonSerializable(typeof(Price))]
    internal sealed partial class PriceJson : JsonSerializerContext;
}
