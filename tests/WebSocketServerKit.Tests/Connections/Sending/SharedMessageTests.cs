using System.IO.Compression;
using System.Text;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class SharedMessageTests : IDisposable
{
    private static readonly string Long = new('a', 500);

    private readonly LeakCheckingPool _pool = new();

    public void Dispose() => _pool.AssertNothingRented();

    private SharedMessage Message(string text, bool compress = true)
    {
        var message = new SharedMessage(Opcode.Text, text.Length, compress, _pool);
        Encoding.UTF8.GetBytes(text, message.Payload);
        return message;
    }

    private (ScriptedTransport Transport, SendQueue Queue, MessageCompressor Compressor) Client(int windowBits = 15, bool contextTakeover = false, CompressionLimits? limits = null)
    {
        var transport = new ScriptedTransport();
        var queue = new SendQueue(transport, 10_000, ConnectionStage.BudgetOf(_pool));
        var agreed = new PerMessageDeflateParameters(!contextTakeover, ClientNoContextTakeover: true, windowBits);
        var settings = new CompressionSettings(agreed, CompressionLevel.Fastest, MinMessageSize: 100, limits ?? new CompressionLimits(1, 1));
        return (transport, queue, new MessageCompressor(queue, agreed, settings, new MemoryBudget(long.MaxValue, _pool)));
    }

    [Fact]
    public void Goes_as_it_is_to_a_client_without_compression()
    {
        (ScriptedTransport transport, SendQueue queue, _) = Client();
        using SharedMessage message = Message(Long);
        Assert.Equal(SendOutcome.Sent, message.TrySendTo(queue, compressor: null));
        Assert.Equal($"Text {Long}", Assert.Single(transport.Frames).ToString());
        Assert.Equal((1, 500), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public void Is_compressed_once_for_all_clients_with_the_same_window()
    {
        var limits = new CompressionLimits(1, 1);
        var clients = new[] { Client(limits: limits), Client(limits: limits), Client(windowBits: 9, limits: limits) };
        using SharedMessage message = Message(Long);
        message.TrySendTo(clients[0].Queue, clients[0].Compressor);
        Assert.True(limits.TryBeginCompression()); // from now on nothing can be compressed
        message.TrySendTo(clients[1].Queue, clients[1].Compressor);
        message.TrySendTo(clients[2].Queue, clients[2].Compressor);
        Assert.Equal([true, true, false], clients.Select(client => client.Transport.Frames[0].Rsv1));
        Assert.Equal(clients[0].Transport.Written, clients[1].Transport.Written);
        Assert.Equal(Long, Encoding.UTF8.GetString(new Zlib().Inflate(clients[0].Transport.Frames[0].Payload)));
        Assert.Equal(500, clients[1].Queue.BytesSent);
    }

    [Fact]
    public void Is_compressed_for_each_window_that_clients_agreed_on()
    {
        using SharedMessage message = Message(Long);
        for (int windowBits = 8; windowBits <= 15; windowBits++)
        {
            var client = Client(windowBits);
            message.TrySendTo(client.Queue, client.Compressor);
            SentFrame frame = Assert.Single(client.Transport.Frames);
            Assert.True(frame.Rsv1);
            Assert.Equal(Long, Encoding.UTF8.GetString(new Zlib().Inflate(frame.Payload)));
        }
    }

    [Fact]
    public void Is_not_compressed_when_it_is_short_or_must_not_be()
    {
        var client = Client();
        using (SharedMessage message = Message("short"))
            message.TrySendTo(client.Queue, client.Compressor);
        using (SharedMessage message = Message(Long, compress: false))
            message.TrySendTo(client.Queue, client.Compressor);
        Assert.Equal([$"Text short", $"Text {Long}"], client.Transport.Frames.Select(frame => frame.ToString()), StringComparer.Ordinal);
    }

    [Fact]
    public void Between_messages_of_a_client_with_context_takeover_it_is_understood_like_them()
    {
        var client = Client(contextTakeover: true);
        using SharedMessage message = Message(Long);
        client.Compressor.TrySend(Opcode.Text, Encoding.UTF8.GetBytes(Long));
        message.TrySendTo(client.Queue, client.Compressor);
        client.Compressor.TrySend(Opcode.Text, Encoding.UTF8.GetBytes(Long));
        using var zlib = new Zlib(contextTakeover: true);
        Assert.All(client.Transport.Frames, frame => Assert.Equal(Long, Encoding.UTF8.GetString(zlib.Inflate(frame.Payload))));
        client.Compressor.Dispose();
    }

    [Theory]
    [InlineData(500)]
    [InlineData(70_000)]
    public void A_payload_that_somebody_else_holds_goes_to_each_client_without_a_copy_of_its_own(int length)
    {
        var plain = Client();
        var compressed = new[] { Client(), Client() };
        byte[] payload = Encoding.UTF8.GetBytes(new string('a', length));
        using SharedMessage message = new(Opcode.Text, payload, compress: true, _pool);
        Assert.Equal(SendOutcome.Sent, message.TrySendTo(plain.Queue, compressor: null));
        Assert.Equal(0, _pool.Rented);
        Assert.All(compressed, client => Assert.Equal(SendOutcome.Sent, message.TrySendTo(client.Queue, client.Compressor)));
        Assert.Equal(payload, Assert.Single(plain.Transport.Frames).Payload);
        Assert.All(compressed, client => Assert.Equal(payload, new Zlib().Inflate(Assert.Single(client.Transport.Frames).Payload)));
    }

    [Fact]
    public void A_prepared_message_goes_in_the_form_that_it_already_has()
    {
        var limits = new CompressionLimits(1, 1);
        var (first, second) = (Client(limits: limits), Client(limits: limits));
        PreparedFrames prepared = PreparedFrames.Of(Opcode.Text, Encoding.UTF8.GetBytes(Long), compress: true);
        using (SharedMessage message = new(prepared))
            message.TrySendTo(first.Queue, first.Compressor);
        Assert.True(limits.TryBeginCompression()); // from now on nothing can be compressed
        using (SharedMessage message = new(prepared))
        {
            message.TrySendTo(second.Queue, second.Compressor);
            message.TrySendTo(second.Queue, compressor: null);
        }

        Assert.Equal([true, false], second.Transport.Frames.Select(frame => frame.Rsv1));
        Assert.Equal(first.Transport.Frames[0].Payload, second.Transport.Frames[0].Payload);
        Assert.Equal(Long, second.Transport.Frames[1].Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_with_a_key_replaces_a_pending_one_whoever_holds_its_bytes(bool compressed)
    {
        var client = Client();
        client.Transport.HoldWrites();
        client.Queue.TrySend("busy");
        MessageCompressor? compressor = compressed ? client.Compressor : null;
        using SharedMessage own = Message(Long + "1"), held = new(Opcode.Text, Encoding.UTF8.GetBytes(Long + "2"), compress: true, _pool);
        using SharedMessage prepared = new(PreparedFrames.Of(Opcode.Text, Encoding.UTF8.GetBytes(Long + "3"), compress: true));
        Assert.Equal(SendOutcome.Queued, own.TrySendTo(client.Queue, compressor, "a"));
        Assert.Equal(SendOutcome.Queued, own.TrySendTo(client.Queue, compressor, "b"));
        Assert.Equal(SendOutcome.Replaced, held.TrySendTo(client.Queue, compressor, "a"));
        Assert.Equal(SendOutcome.Replaced, prepared.TrySendTo(client.Queue, compressor, "b"));
        client.Transport.LetAllWritesEnd();
        await client.Queue.WhenDrained().InTime();
        Assert.Equal(["busy", Long + "2", Long + "3"], client.Transport.Frames.Select(
            frame => frame.Rsv1 ? Encoding.UTF8.GetString(new Zlib().Inflate(frame.Payload)) : frame.Text), StringComparer.Ordinal);
    }
}
