using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class PreparedFramesTests : IDisposable
{
    private static readonly byte[] Long = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("a message of some length, ", 20)));

    private readonly LeakCheckingPool _pool = new();
    private readonly CompressionLimits _limits = new(maxConcurrentCompressions: 1, maxContexts: 1);
    private readonly PreparedFrames _message = PreparedFrames.Of(Opcode.Text, Long, compress: true);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _pool.AssertNothingRented();

    private Peer Client(int windowBits = 15, bool contextTakeover = false, int limit = 10_000) => new(this, windowBits, contextTakeover, limit);

    [Fact]
    public void Goes_as_it_is_to_a_client_without_compression_and_when_it_must_not_be_compressed()
    {
        Peer client = Client();
        Assert.Equal(SendOutcome.Sent, _message.TrySendTo(client.Queue, compressor: null));
        Assert.Equal(SendOutcome.Sent, PreparedFrames.Of(Opcode.Binary, Long, compress: false).TrySendTo(client.Queue, client.Compressor));
        Assert.Equal(SendOutcome.Sent, PreparedFrames.Of(Opcode.Text, "short"u8, compress: true).TrySendTo(client.Queue, client.Compressor));
        Assert.Equal([(Opcode.Text, false), (Opcode.Binary, false), (Opcode.Text, false)], client.Transport.Frames.Select(frame => (frame.Opcode, frame.Rsv1)));
        Assert.Equal((3, 2 * Long.Length + 5), (client.Queue.MessagesSent, client.Queue.BytesSent));
    }

    [Fact]
    public void Is_compressed_once_for_each_window_whenever_it_is_sent()
    {
        Peer first = Client(), second = Client(), other = Client(windowBits: 9);
        _message.TrySendTo(first.Queue, first.Compressor);
        _message.TrySendTo(other.Queue, other.Compressor);
        Assert.True(_limits.TryBeginCompression()); // from now on nothing can be compressed
        _message.TrySendTo(second.Queue, second.Compressor);
        _message.TrySendTo(other.Queue, other.Compressor);
        Assert.Equal(SendOutcome.Sent, _message.SendTo(first.Queue, first.Compressor, Cancellation, out _));
        Assert.All([.. first.Received(), .. second.Received(), .. other.Received()], received => Assert.Equal((true, Encoding.UTF8.GetString(Long)), received));
    }

    [Fact]
    public void Goes_uncompressed_while_too_many_are_compressed_and_is_tried_again_after_that()
    {
        Peer client = Client();
        Assert.True(_limits.TryBeginCompression());
        _message.TrySendTo(client.Queue, client.Compressor);
        _message.SendTo(client.Queue, client.Compressor, Cancellation, out _);
        _limits.EndCompression();
        _message.TrySendTo(client.Queue, client.Compressor);
        Assert.Equal([false, false, true], client.Transport.Frames.Select(frame => frame.Rsv1));
    }

    [Fact]
    public void What_does_not_become_shorter_is_not_compressed_again()
    {
        Peer client = Client();
        byte[] noise = new byte[500];
        new Random(1).NextBytes(noise);
        PreparedFrames message = PreparedFrames.Of(Opcode.Binary, noise, compress: true);
        message.TrySendTo(client.Queue, client.Compressor);
        Assert.True(_limits.TryBeginCompression());
        Assert.True(message.CompressedBy(client.Compressor, wait: true).IsEmpty);
        Assert.Equal(noise, Assert.Single(client.Transport.Frames).Payload);
    }

    [Fact]
    public async Task Threads_that_send_it_at_once_compress_it_once()
    {
        Peer[] clients = [.. Enumerable.Range(0, 8).Select(_ => Client())];
        ReadOnlyMemory<byte>[] frames = await Task.WhenAll(clients.Select(client => Task.Run(() => _message.CompressedBy(client.Compressor, wait: true), Cancellation))).InTime();
        Assert.True(MemoryMarshal.TryGetArray(frames[0], out ArraySegment<byte> first));
        Assert.All(frames, frame => Assert.True(MemoryMarshal.TryGetArray(frame, out ArraySegment<byte> same) && same.Array == first.Array));
    }

    [Fact]
    public void Is_understood_between_the_messages_of_a_client_with_context_takeover()
    {
        Peer client = Client(contextTakeover: true);
        client.Compressor.TrySend(Opcode.Text, Long);
        _message.TrySendTo(client.Queue, client.Compressor);
        client.Compressor.TrySend(Opcode.Text, Long);
        _message.SendTo(client.Queue, client.Compressor, Cancellation, out _);
        client.Compressor.TrySend(Opcode.Text, Long);
        Assert.Equal(5, client.Received(contextTakeover: true).Count(received => received == (true, Encoding.UTF8.GetString(Long))));
        client.Compressor.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Waits_in_line_in_its_own_memory_and_is_understood_there_too(bool contextTakeover)
    {
        Peer client = Client(contextTakeover: contextTakeover, limit: 100);
        client.Compressor.TrySend(Opcode.Text, Long);
        client.Transport.HoldWrites();
        client.Queue.TrySend("makes it busy");
        client.Queue.TrySend(new string('x', 80));
        Assert.Equal(SendOutcome.Dropped, _message.TrySendTo(client.Queue, client.Compressor));
        Assert.Equal(SendOutcome.MustWait, _message.SendTo(client.Queue, client.Compressor, Cancellation, out Task<SendOutcome>? first));
        Assert.Equal(SendOutcome.MustWait, _message.SendTo(client.Queue, compressor: null, Cancellation, out Task<SendOutcome>? second));
        Task<SendOutcome> third = client.Compressor.SendAsync(Opcode.Text, Long, Cancellation);
        client.Transport.LetAllWritesEnd();
        Assert.All(await Task.WhenAll(first!, second!, third).InTime(), outcome => Assert.Equal(SendOutcome.Queued, outcome));
        await client.Queue.WhenDrained().InTime();
        client.Compressor.TrySend(Opcode.Text, Long);
        string text = Encoding.UTF8.GetString(Long);
        Assert.Equal([(true, text), (false, "makes it busy"), (false, new string('x', 80)), (true, text), (false, text), (true, text), (true, text)], client.Received(contextTakeover));
        client.Compressor.Dispose();
    }

    [Fact]
    public async Task A_large_one_is_written_from_its_own_memory()
    {
        var transport = new Recorder();
        var queue = new SendQueue(transport, 1000, ConnectionStage.BudgetOf(_pool));
        PreparedFrames message = PreparedFrames.Of(Opcode.Binary, new byte[600_000], compress: true);
        Assert.Equal(SendOutcome.Sent, message.TrySendTo(queue, compressor: null));
        transport.Go.SetResult();
        await queue.WhenDrained().InTime();
        Assert.Equal(message.Plain.Length, transport.Written.Sum(written => written.Length));
        Assert.True(MemoryMarshal.TryGetArray(message.Plain, out ArraySegment<byte> own));
        Assert.All(transport.Written, written => Assert.True(MemoryMarshal.TryGetArray(written, out ArraySegment<byte> piece) && piece.Array == own.Array));
        Assert.Equal((1, 600_000), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public async Task A_large_one_goes_behind_what_is_pending_and_other_messages_behind_it()
    {
        Peer client = Client(limit: 1_000_000);
        client.Transport.HoldWrites();
        PreparedFrames message = PreparedFrames.Of(Opcode.Binary, new byte[100_000], compress: false);
        Assert.Equal(SendOutcome.Sent, message.TrySendTo(client.Queue, compressor: null));
        Assert.Equal(message.Plain.Length, client.Queue.BufferedBytes);
        client.Queue.TrySend("between");
        Assert.Equal(SendOutcome.Queued, message.TrySendTo(client.Queue, compressor: null));
        client.Transport.LetAllWritesEnd();
        await client.Queue.WhenDrained().InTime();
        Assert.Equal([100_000, 7, 100_000], client.Transport.Frames.Select(frame => frame.Payload.Length));
    }

    [Fact]
    public void A_large_one_is_refused_like_any_other()
    {
        Peer client = Client();
        client.Queue.Close(CloseCode.NormalClosure, "");
        PreparedFrames message = PreparedFrames.Of(Opcode.Binary, new byte[100_000], compress: false);
        Assert.Equal(SendOutcome.Closed, message.TrySendTo(client.Queue, compressor: null));
        Assert.Equal(SendOutcome.Closed, message.SendTo(client.Queue, client.Compressor, Cancellation, out Task<SendOutcome>? waiting));
        Assert.Null(waiting);
    }

    private sealed class Peer
    {
        public Peer(PreparedFramesTests test, int windowBits, bool contextTakeover, int limit)
        {
            Queue = new SendQueue(Transport, limit, ConnectionStage.BudgetOf(test._pool));
            var agreed = new PerMessageDeflateParameters(!contextTakeover, ClientNoContextTakeover: true, windowBits);
            var settings = new CompressionSettings(agreed, CompressionLevel.Fastest, MinMessageSize: 100, test._limits);
            Compressor = new MessageCompressor(Queue, agreed, settings, new MemoryBudget(long.MaxValue, test._pool));
        }

        public ScriptedTransport Transport { get; } = new();

        public SendQueue Queue { get; }

        public MessageCompressor Compressor { get; }

        public List<(bool IsCompressed, string Text)> Received(bool contextTakeover = false)
        {
            using var zlib = new Zlib(contextTakeover);
            return [.. Transport.Frames.Select(frame => (frame.Rsv1, frame.Rsv1 ? Encoding.UTF8.GetString(zlib.Inflate(frame.Payload)) : frame.Text))];
        }
    }

    private sealed class Recorder : TransportStub
    {
        public TaskCompletionSource Go { get; } = Timely.Signal();

        public List<ReadOnlyMemory<byte>> Written { get; } = [];

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
        {
            Written.Add(bytes);
            await Go.Task;
        }
    }
}
