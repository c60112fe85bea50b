#pragma warning disable xUnit1051 // calls without a token are under test too
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Serialization;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed partial class WebSocketClientJsonTests : IDisposable
{
    private static readonly Point Sample = new(1, 2);

    private readonly ClientBench _bench = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task A_value_goes_out_as_a_text_message_of_JSON_unless_the_options_say_binary()
    {
        WebSocketClient client = _bench.Client();
        await client.SendJsonAsync(Sample, PointJson.Default.Point);
        await client.SendJsonAsync(Sample, PointJson.Default.Point, Token);
        await client.SendJsonAsync(Sample, PointJson.Default.Point, SendOptions.Uncompressed, Token);
        await client.SendJsonAsync(Sample, PointJson.Default.Point, WebSocketMessageType.Binary);
        Assert.Equal(SendResult.Sent, client.TrySendJson(Sample, PointJson.Default.Point));
        Assert.Equal(SendResult.Sent, client.TrySendJson(Sample, PointJson.Default.Point, WebSocketMessageType.Binary));
        Assert.Equal(SendResult.Sent, client.TrySendJson(null, PointJson.Default.Point));
        const string Text = """Text {"X":1,"Y":2}""", Binary = """Binary {"X":1,"Y":2}""";
        Assert.Equal(string.Join('\n', Text, Text, Text, Binary, Text, Binary, "Text null"), _bench.SentTo(client));
    }

    [Fact]
    public async Task A_large_value_arrives_whole()
    {
        WebSocketClient client = _bench.Client(limit: 10_000_000);
        Point[] points = [.. Enumerable.Range(0, 100_000).Select(i => new Point(i, -i))];
        await client.SendJsonAsync(points, PointJson.Default.PointArray, Token);
        Assert.Equal(points, JsonSerializer.Deserialize(Assert.Single(_bench.TransportOf(client).Frames).Payload, PointJson.Default.PointArray));
    }

    [Fact]
    public async Task A_value_that_cannot_be_written_sends_nothing_and_the_client_stays()
    {
        WebSocketClient client = _bench.Client();
        await Assert.ThrowsAsync<InvalidDataException>(async () => await client.SendJsonAsync(new Broken(), PointJson.Default.Broken, Token));
        Assert.Throws<InvalidDataException>(() => client.TrySendJson(new Broken(), PointJson.Default.Broken));
        Assert.Throws<ArgumentNullException>(() => client.TrySendJson<Point>(Sample, null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => client.TrySendJson(Sample, PointJson.Default.Point, WebSocketMessageType.Close));
        Assert.Empty(_bench.SentTo(client));
        Assert.Equal(SendResult.Sent, client.TrySendJson(Sample, PointJson.Default.Point));
    }

    [Fact]
    public void Invalid_UTF8_of_a_peer_that_is_passed_on_in_raw_JSON_does_not_become_a_text_message()
    {
        WebSocketClient client = _bench.Client();
        using JsonDocument document = JsonDocument.Parse(new byte[] { (byte)'"', 0xFF, (byte)'"' });
        try
        {
            client.TrySendJson(document.RootElement, PointJson.Default.JsonElement);
        }
        catch (ArgumentException)
        {
            // Refused. Or the serializer has replaced what is invalid.
        }

        Assert.All(_bench.TransportOf(client).Frames, frame => Assert.True(System.Text.Unicode.Utf8.IsValid(frame.Payload)));
        Assert.Throws<ArgumentException>(() => client.TrySendJson(new Raw(), PointJson.Default.Raw));
    }

    [Fact]
    public async Task It_waits_for_room_is_refused_and_is_cancelled_as_any_message()
    {
        WebSocketClient client = _bench.Client(limit: 20);
        ScriptedTransport transport = _bench.TransportOf(client);
        transport.HoldWrites();
        client.TrySend("busy");
        Assert.Equal(SendResult.Dropped, client.TrySendJson(Sample, PointJson.Default.Point));
        Task waits = client.SendJsonAsync(Sample, PointJson.Default.Point, Token).AsTask();
        client.TrySendJson(new Point(8, 9), PointJson.Default.Point); // the buffer of the waiting one is its own
        Assert.False(waits.IsCompleted);
        transport.LetAllWritesEnd();
        await waits.InTime();
        await _bench.ConnectionOf(client).Queue.WhenDrained().InTime();
        Assert.Equal("Text busy\nText {\"X\":1,\"Y\":2}", _bench.SentTo(client));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.SendJsonAsync(Sample, PointJson.Default.Point, new CancellationToken(canceled: true)));
        client.Abort();
        await Assert.ThrowsAsync<WebSocketException>(async () => await client.SendJsonAsync(Sample, PointJson.Default.Point, Token));
    }

    [Fact]
    public void A_value_is_sent_without_an_allocation()
    {
        WebSocketClient client = _bench.Client(limit: 1024 * 1024);
        _bench.TransportOf(client).HoldWrites();
        client.TrySend("busy");
        client.TrySend(new byte[500_000]);
        client.TrySendJson(Sample, PointJson.Default.Point); // now the buffer need not grow any more
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            client.TrySendJson(Sample, PointJson.Default.Point);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        _bench.TransportOf(client).LetAllWritesEnd();
    }

    internal sealed record Point(int X, int Y);

    internal sealed record Broken
    {
        public int First => 1;

        public int Second => throw new InvalidDataException();
    }

    [JsonConverter(typeof(RawConverter))]
    internal sealed record Raw;

    internal sealed class RawConverter : JsonConverter<Raw>
    {
        public override Raw Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, Raw value, JsonSerializerOptions options) =>
            writer.WriteRawValue([(byte)'"', 0xFF, (byte)'"'], skipInputValidation: true);
    }

    [JsonSerializable(typeof(Point))]
    [JsonSerializable(typeof(Point[]))]
    [JsonSerializable(typeof(Broken))]
    [JsonSerializable(typeof(Raw))]
    [JsonSerializable(typeof(JsonElement))]
    internal sealed partial class PointJson : JsonSerializerContext;
}
