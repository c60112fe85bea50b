using System.IO.Compression;
using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class MessageCompressorTests : IDisposable
{
    private static readonly byte[] Long = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("a message of some length, ", 10)));

    private readonly LeakCheckingPool _pool = new();
    private readonly ScriptedTransport _transport = new();
    private readonly CompressionLimits _limits = new(maxConcurrentCompressions: 1, maxContexts: 1);
    private SendQueue _queue = null!;
    private MemoryBudget _budget = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _pool.AssertNothingRented();

    private MessageCompressor Compressor(
        bool contextTakeover, int limit = 100_000, CompressionLevel level = CompressionLevel.Fastest, System.Buffers.ArrayPool<byte>? pool = null)
    {
        _queue = new SendQueue(_transport, limit, ConnectionStage.BudgetOf(_pool));
        var agreed = new PerMessageDeflateParameters(ServerNoContextTakeover: !contextTakeover, ClientNoContextTakeover: true);
        return new MessageCompressor(_queue, agreed, new CompressionSettings(agreed, level, MinMessageSize: 100, _limits), _budget = new MemoryBudget(long.MaxValue, pool ?? _pool));
    }

    // What a client makes of all that was sent.
    private List<byte[]> Received(bool contextTakeover)
    {
        using var client = new Zlib(contextTakeover);
        return [.. _transport.Frames.Select(frame => frame.Rsv1 ? client.Inflate(frame.Payload) : frame.Payload)];
    }

    [Fact]
    public void Says_which_messages_are_long_enough()
    {
        using MessageCompressor compressor = Compressor(contextTakeover: false);
        Assert.False(compressor.Takes(99));
        Assert.True(compressor.Takes(100));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Sends_messages_as_compressed_frames_and_counts_what_they_were_before(bool contextTakeover)
    {
        using MessageCompressor compressor = Compressor(contextTakeover);
        Assert.Equal(SendOutcome.Sent, compressor.TrySend(Opcode.Text, Long));
        Assert.Equal(SendOutcome.Sent, await compressor.SendAsync(Opcode.Binary, Long, Cancellation));
        Assert.All(_transport.Frames, frame => Assert.True(frame.Rsv1));
        Assert.All(_transport.Frames, frame => Assert.InRange(frame.Payload.Length, 1, Long.Length / 2));
        Assert.Equal([Opcode.Text, Opcode.Binary], _transport.Frames.Select(frame => frame.Opcode));
        Assert.Equal([Long, Long], Received(contextTakeover));
        Assert.Equal((2, 2 * Long.Length), (_queue.MessagesSent, _queue.BytesSent));
        // With context takeover the second one is but a reference to the first.
        Assert.Equal(contextTakeover, _transport.Frames[1].Payload.Length < _transport.Frames[0].Payload.Length / 2);
    }

    [Fact]
    public void Sends_a_message_as_it_is_when_that_is_no_longer()
    {
        using MessageCompressor compressor = Compressor(contextTakeover: false);
        byte[] noise = new byte[500];
        new Random(1).NextBytes(noise);
        compressor.TrySend(Opcode.Binary, noise);
        Assert.False(Assert.Single(_transport.Frames).Rsv1);
        Assert.Equal([noise], Received(contextTakeover: false));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Sends_a_message_as_it_is_while_too_many_are_being_compressed(bool contextTakeover)
    {
        using MessageCompressor compressor = Compressor(contextTakeover);
        compressor.TrySend(Opcode.Binary, Long);
        Assert.True(_limits.TryBeginCompression());
        compressor.TrySend(Opcode.Binary, Long);
        await compressor.SendAsync(Opcode.Binary, Long, Cancellation);
        _limits.EndCompression();
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal([true, false, false, true], _transport.Frames.Select(frame => frame.Rsv1));
        Assert.Equal([Long, Long, Long, Long], Received(contextTakeover));
    }

    [Fact]
    public async Task Stands_in_line_with_an_uncompressed_message_too()
    {
        using MessageCompressor compressor = Compressor(contextTakeover: false, limit: 300);
        _transport.HoldWrites();
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal(SendOutcome.Queued, _queue.TrySend(Opcode.Binary, Long));
        Assert.True(_limits.TryBeginCompression());
        Task<SendOutcome> waiting = compressor.SendAsync(Opcode.Binary, Long, Cancellation);
        Assert.False(waiting.IsCompleted);
        _transport.LetAllWritesEnd();
        Assert.Equal(SendOutcome.Queued, await waiting.InTime());
        await _queue.WhenDrained().InTime();
        Assert.Equal([Long, Long, Long], Received(contextTakeover: false));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_understands_every_message_though_some_that_stood_in_line_were_cancelled(bool contextTakeover)
    {
        using MessageCompressor compressor = Compressor(contextTakeover, limit: 60);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        _transport.HoldWrites();
        List<byte[]> sent = [];
        List<Task<SendOutcome>> sending = [];
        for (int i = 0; i < 20; i++)
        {
            byte[] message = Encoding.UTF8.GetBytes($"{i} {Convert.ToHexString(Long)}");
            bool cancelled = i % 3 == 2;
            sending.Add(compressor.SendAsync(Opcode.Binary, message, cancelled ? cancellation.Token : Cancellation));
            if (!cancelled || sending[i].IsCompleted)
                sent.Add(message);
        }

        await cancellation.CancelAsync();
        Assert.Equal(SendOutcome.Dropped, compressor.TrySend(Opcode.Binary, Long));
        _transport.LetAllWritesEnd();
        await Task.WhenAll(sending.Where(task => !task.IsCanceled)).InTime();
        Assert.Contains(sending, task => task.IsCanceled);
        await _queue.WhenDrained().InTime();
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal([.. sent, Long], Received(contextTakeover));
    }

    [Fact]
    public async Task Sixteen_threads_never_mix_up_the_context()
    {
        const int Threads = 16, Messages = 100;
        using MessageCompressor compressor = Compressor(contextTakeover: true, limit: 2_000);
        int writes = 0;
        _transport.OnWrite = () =>
        {
            if (writes++ % 3 != 0)
                return;
            _transport.HoldWrites();
            ThreadPool.UnsafeQueueUserWorkItem(_ => _transport.LetAllWritesEnd(), null);
        };
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            for (int i = 0; i < Messages; i++)
                await compressor.SendAsync(Opcode.Text, Encoding.UTF8.GetBytes($"{thread}:{i}:{new string('x', i)}{thread * 7919}"), Cancellation);
        }))).InTime();
        _transport.OnWrite = null;
        _transport.LetAllWritesEnd();
        await _queue.WhenDrained().InTime();

        int[] next = new int[Threads];
        foreach (byte[] message in Received(contextTakeover: true))
        {
            string[] parts = Encoding.UTF8.GetString(message).Split(':');
            int thread = int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture);
            Assert.Equal($"{next[thread]}:{new string('x', next[thread]++)}{thread * 7919}", $"{parts[1]}:{parts[2]}");
        }

        Assert.All(next, count => Assert.Equal(Messages, count));
    }

    [Fact]
    public void After_a_message_that_was_compressed_elsewhere_nothing_refers_to_what_came_before()
    {
        using MessageCompressor compressor = Compressor(contextTakeover: true);
        var buffer = new PooledBuffer(_pool);
        ReadOnlyMemory<byte> shared = compressor.Compress(Opcode.Binary, Encoding.UTF8.GetBytes(new string('s', 40_000)), ref buffer);
        compressor.TrySend(Opcode.Binary, Long);
        Assert.True(compressor.TrySendShared(shared.Span, 40_000, out SendOutcome outcome));
        Assert.Equal(SendOutcome.Sent, outcome);
        compressor.TrySend(Opcode.Binary, Long);
        buffer.Release();
        Assert.Equal([Long, Encoding.UTF8.GetBytes(new string('s', 40_000)), Long], Received(contextTakeover: true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_understands_what_was_compressed_while_a_message_in_fragments_had_the_turn(bool contextTakeover)
    {
        using MessageCompressor compressor = Compressor(contextTakeover);
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal(SendOutcome.Sent, await compressor.BeginFragmentsAsync(Cancellation));
        MessageDeflater deflater = compressor.BeginMessage()!;
        Assert.Null(compressor.BeginMessage());
        compressor.TrySend(Opcode.Binary, Long); // uncompressed, for one at once is the limit
        compressor.EndMessage(deflater);
        compressor.TrySend(Opcode.Binary, Long);
        compressor.TrySend(Opcode.Binary, Long);

        byte[] message = Encoding.UTF8.GetBytes(new string('s', 40_000));
        var buffer = new PooledBuffer(_pool);
        ReadOnlyMemory<byte> frame = compressor.Compress(Opcode.Binary, message, ref buffer);
        Assert.Equal(SendOutcome.Sent, await _queue.SendLastFragmentAsync(frame, message.Length, Cancellation));
        buffer.Release();
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal([Long, message, Long, Long, Long, Long], Received(contextTakeover));
        Assert.Equal([true, true, false, true, true, true], _transport.Frames.Select(frame => frame.Rsv1));
    }

    [Theory]
    [InlineData(SlowClientPolicy.Wait)]
    [InlineData(SlowClientPolicy.DropNewest)]
    [InlineData(SlowClientPolicy.Disconnect)]
    public async Task A_client_understands_what_passed_a_message_in_fragments_that_waited_for_its_turn(SlowClientPolicy policy)
    {
        using MessageCompressor compressor = Compressor(contextTakeover: true);
        _queue.Policy = policy;
        var buffer = new PooledBuffer(_pool);
        byte[] message = Encoding.UTF8.GetBytes(new string('s', 20_000));
        ReadOnlyMemory<byte> frame = compressor.Compress(Opcode.Binary, message, ref buffer);
        await compressor.BeginFragmentsAsync(Cancellation);
        Task<SendOutcome> second = compressor.BeginFragmentsAsync(Cancellation);
        Assert.False(second.IsCompleted);
        bool passes = compressor.TrySend(Opcode.Binary, Long).IsAccepted;
        await _queue.SendLastFragmentAsync(frame, message.Length, Cancellation);
        await second.InTime();
        compressor.TrySend(Opcode.Binary, Long);
        await _queue.SendLastFragmentAsync(frame, message.Length, Cancellation);
        compressor.TrySend(Opcode.Binary, Long);
        buffer.Release();
        Assert.Equal(policy != SlowClientPolicy.Wait, passes);
        List<byte[]> passed = passes ? [Long] : [];
        Assert.Equal([message, .. passed, message, Long, Long], Received(contextTakeover: true));
    }

    public static TheoryData<int, SlowClientPolicy> Seeds => new(
        from seed in Enumerable.Range(0, 20)
        from policy in (SlowClientPolicy[])[SlowClientPolicy.Wait, SlowClientPolicy.DropNewest]
        select (seed, policy));

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_client_understands_every_message_whatever_waits_is_replaced_or_is_dropped(int seed, SlowClientPolicy policy)
    {
        var random = new Random(seed);
        using MessageCompressor compressor = Compressor(contextTakeover: true, limit: 2000);
        _queue.Policy = policy;
        HashSet<string> sent = [];
        List<Task<SendOutcome>> sending = [];
        Queue<Task<SendOutcome>> turns = [];
        _transport.HoldWrites();
        for (int step = 0; step < 300; step++)
        {
            byte[] message = Message(random, step);
            switch (random.Next(12))
            {
                case < 4:
                    compressor.TrySend(Opcode.Binary, message);
                    break;
                case < 6:
                    sending.Add(compressor.SendAsync(Opcode.Binary, message, Cancellation));
                    break;
                case < 8:
                    SendShared(message, random.Next(2) == 0 ? null : $"{random.Next(3)}");
                    break;
                case 8:
                    turns.Enqueue(compressor.BeginFragmentsAsync(Cancellation));
                    break;
                case 9 when turns.TryPeek(out Task<SendOutcome>? turn) && turn.IsCompleted:
                    await EndTurnAsync(message);
                    _transport.HoldWrites();
                    break;
                default:
                    _transport.LetWriteEnd();
                    _transport.HoldWrites();
                    break;
            }
        }

        _transport.LetAllWritesEnd();
        while (turns.TryPeek(out Task<SendOutcome>? turn))
        {
            await turn.InTime();
            await EndTurnAsync(Message(random, 1000 + turns.Count));
        }

        await Task.WhenAll(sending).InTime();
        await _queue.WhenDrained().InTime();
        Assert.All(Received(contextTakeover: true), message => Assert.Contains(Encoding.ASCII.GetString(message), sent));

        void SendShared(byte[] message, string? key)
        {
            using var shared = SharedMessage.Of(Opcode.Binary, message, compress: true);
            shared.TrySendTo(_queue, compressor, key);
        }

        byte[] Message(Random random, int number)
        {
            string text = $"{number} {string.Join(' ', Enumerable.Range(0, 30).Select(_ => $"word {random.Next(9)}"))}";
            sent.Add(text);
            return Encoding.ASCII.GetBytes(text);
        }

        async Task EndTurnAsync(byte[] message)
        {
            _ = turns.Dequeue();
            if (random.Next(4) == 0)
            {
                _queue.TakeBackFragments();
                return;
            }

            var buffer = new PooledBuffer(_pool);
            Task<SendOutcome> last = _queue.SendLastFragmentAsync(compressor.Compress(Opcode.Binary, message, ref buffer), message.Length, Cancellation);
            if (!last.IsCompleted)
                _transport.LetAllWritesEnd();
            await last.InTime();
            buffer.Release();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Nothing_is_compressed_for_a_connection_that_is_closed(bool contextTakeover)
    {
        using MessageCompressor compressor = Compressor(contextTakeover);
        compressor.TrySend(Opcode.Binary, Long);
        _queue.Close(CloseCode.NormalClosure, "");
        Assert.Equal(SendOutcome.Closed, compressor.TrySend(Opcode.Binary, Long));
        Assert.Equal(SendOutcome.Closed, await compressor.SendAsync(Opcode.Binary, Long, Cancellation));
        Assert.Equal(2, _transport.Frames.Count);
    }

    [Fact]
    public void Nothing_is_kept_after_the_connections_end()
    {
        MessageCompressor compressor = Compressor(contextTakeover: true);
        compressor.TrySend(Opcode.Binary, Long);
        compressor.Dispose();
        Assert.Equal(SendOutcome.Closed, compressor.TrySend(Opcode.Binary, Long));
        Assert.Equal((0, 0L), (compressor.HeldBytes, _budget.Used));
        Compressor(contextTakeover: false).Dispose();
    }

    [Fact]
    public void The_compressor_of_a_client_with_context_takeover_counts_from_its_first_compressed_message_on()
    {
        using MessageCompressor compressor = Compressor(contextTakeover: true);
        Assert.Equal((0, 0L), (compressor.HeldBytes, _budget.Used));
        compressor.TrySend(Opcode.Binary, Long);
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal((MemoryBudget.DeflaterSize, (long)MemoryBudget.DeflaterSize), (compressor.HeldBytes, _budget.Used));
    }

    [Fact]
    public void When_memory_fails_the_next_message_refers_to_nothing()
    {
        using MessageCompressor compressor = Compressor(contextTakeover: true);
        compressor.TrySend(Opcode.Binary, Long);
        byte[] noise = new byte[5_000];
        new Random(1).NextBytes(noise);
        _pool.LargestRent = 1_000;
        Assert.Throws<InvalidOperationException>(() => compressor.TrySend(Opcode.Binary, noise));
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal([Long, Long], Received(contextTakeover: true));
    }

    [Fact]
    public async Task While_a_long_message_is_compressed_what_never_waits_goes_as_it_is_and_does_not_wait()
    {
        var pool = new BlockingPool(_pool);
        using MessageCompressor compressor = Compressor(contextTakeover: true, pool: pool);
        compressor.TrySend(Opcode.Binary, Long);
        var buffer = new PooledBuffer(_pool);
        ReadOnlyMemory<byte> shared = compressor.Compress(Opcode.Binary, new byte[40_000], ref buffer);
        pool.Block();
        Task compressing = Task.Run(() => compressor.TrySend(Opcode.Binary, Long), TestContext.Current.CancellationToken);
        await pool.WhenBlocked.InTime();

        Assert.Equal(SendOutcome.Sent, compressor.TrySend(Opcode.Binary, Long));
        Assert.False(compressor.TrySendShared(shared.Span, 40_000, out _));
        SentFrame frame = _transport.Frames[^1];
        Assert.False(frame.Rsv1);
        Assert.Equal(Long, frame.Payload);

        pool.Release();
        await compressing.InTime();
        // The client's window has only what was compressed, in the order in which it was.
        compressor.TrySend(Opcode.Binary, Long);
        Assert.Equal([Long, Long, Long, Long], Received(contextTakeover: true));
        buffer.Release();
    }

    [Fact]
    public async Task A_connection_that_ends_while_a_message_is_compressed_does_not_wait_and_leaves_no_compressor_behind()
    {
        var pool = new BlockingPool(_pool);
        MessageCompressor compressor = Compressor(contextTakeover: true, pool: pool);
        pool.Block();
        Task<SendOutcome> compressing = Task.Run(() => compressor.TrySend(Opcode.Binary, Long), TestContext.Current.CancellationToken);
        await pool.WhenBlocked.InTime();
        compressor.Dispose();
        pool.Release();
        await compressing.InTime();
        Assert.Equal(SendOutcome.Closed, compressor.TrySend(Opcode.Binary, Long));
        Assert.Equal((0, 0L), (compressor.HeldBytes, _budget.Used));
    }

    /// <summary>A pool in which a thread can be kept.</summary>
    private sealed class BlockingPool(System.Buffers.ArrayPool<byte> pool) : System.Buffers.ArrayPool<byte>
    {
        private readonly TaskCompletionSource _blocked = Timely.Signal();
        private readonly TaskCompletionSource _go = Timely.Signal();
        private volatile bool _blocks;

        public Task WhenBlocked => _blocked.Task;

        public void Block() => _blocks = true;

        public void Release() => _go.SetResult();

        public override byte[] Rent(int minimumLength)
        {
            if (_blocks)
            {
                _blocks = false;
                _blocked.SetResult();
                _go.Task.Wait(TimeSpan.FromSeconds(30));
            }

            return pool.Rent(minimumLength);
        }

        public override void Return(byte[] array, bool clearArray = false) => pool.Return(array, clearArray);
    }
}
