using System.IO.Compression;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using CsCheck;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class StreamedMessageTests : IDisposable
{
    private const int MaxFragment = 64 * 1024 - 10;

    private static readonly PerMessageDeflateParameters Agreed = new(ServerNoContextTakeover: true, ClientNoContextTakeover: true);

    private readonly ClientBench _bench = new();
    private readonly LeakCheckingPool _pool = new();
    private readonly SliceClock _clock = ConnectionStage.StoppedClock();
    private readonly CompressionLimits _limits = new(maxConcurrentCompressions: 2, maxContexts: 1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _bench.Dispose();
        _pool.AssertNothingRented();
        // Every compressor was given back.
        Assert.True(_limits.TryBeginCompression());
        Assert.True(_limits.TryBeginCompression());
    }

    private static byte[] Noise(int count)
    {
        byte[] noise = new byte[count];
        new Random(count).NextBytes(noise);
        return noise;
    }

    private async Task<(StreamedMessage Message, ScriptedTransport Transport, SendQueue Queue)> BeginAsync(
        WebSocketMessageType type = WebSocketMessageType.Binary, PerMessageDeflateParameters? agreed = null, int limit = 1 << 20, CancellationTokenSource? cancellation = null)
    {
        WebSocketClient client = _bench.Client(limit: limit);
        SendQueue queue = _bench.ConnectionOf(client).Queue;
        Assert.Equal(SendOutcome.Sent, await queue.BeginFragmentsAsync(Cancellation));
        MessageCompressor? compressor = agreed is { } parameters
            ? new MessageCompressor(queue, parameters, new CompressionSettings(parameters, CompressionLevel.Fastest, MinMessageSize: 100, _limits), new MemoryBudget(long.MaxValue, _pool))
            : null;
        Opcode opcode = type == WebSocketMessageType.Text ? Opcode.Text : Opcode.Binary;
        return (new StreamedMessage(client, queue, compressor, opcode, _pool, _clock, cancellation?.Token ?? default), _bench.TransportOf(client), queue);
    }

    // What is held has been held for long enough: it is sent.
    private async Task LetGoAsync(StreamedMessage message, ScriptedTransport transport)
    {
        int writes = transport.Writes.Count;
        _clock.AddTick();
        _clock.AddTick();
        while (transport.Writes.Count == writes)
            await transport.NextWriteAsync();
        // It waits for what the clock does.
        await message.FlushAsync(Cancellation);
    }

    // The one message that was sent, put together as a client does.
    private static byte[] Received(ScriptedTransport transport, Opcode opcode = Opcode.Binary)
    {
        IReadOnlyList<SentFrame> frames = transport.Frames;
        Assert.Equal([opcode, .. Enumerable.Repeat(Opcode.Continuation, frames.Count - 1)], frames.Select(frame => frame.Opcode));
        Assert.Equal([.. Enumerable.Repeat(false, frames.Count - 1), true], frames.Select(frame => frame.Fin));
        Assert.All(frames.Skip(1), frame => Assert.False(frame.Rsv1));
        byte[] payload = [.. frames.SelectMany(frame => frame.Payload)];
        return frames[0].Rsv1 ? new Zlib().Inflate(payload) : payload;
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(MaxFragment, 1)]
    [InlineData(MaxFragment + 1, 2)]
    [InlineData(2 * MaxFragment, 2)]
    [InlineData(3 * MaxFragment + 7, 4)]
    public async Task Leaves_in_as_few_frames_as_its_length_allows(int length, int frames)
    {
        (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync();
        byte[] payload = Noise(length);
        for (int i = 0; i < length; i += 50_000)
            await message.WriteAsync(payload.AsMemory(i, Math.Min(50_000, length - i)), Cancellation);
        await message.EndAsync();
        message.Release();
        Assert.Equal(payload, Received(transport));
        Assert.Equal(frames, transport.Frames.Count);
        Assert.Equal((1, length), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public async Task What_was_flushed_is_sent_after_a_tick_without_another_write_and_keeps_no_memory()
    {
        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync(WebSocketMessageType.Text);
        await message.FlushAsync(Cancellation);
        Assert.Empty(transport.Writes);
#pragma warning disable CA1835 // both overloads are promised
        await message.WriteAsync("-grü-"u8.ToArray(), 1, 4, Cancellation);
#pragma warning restore CA1835
        await message.FlushAsync(Cancellation);
        await message.FlushAsync(Cancellation);
        _clock.AddTick();
        Assert.Empty(transport.Writes);
        await LetGoAsync(message, transport);
        Assert.Equal("Text grü…", Assert.Single(transport.Frames).ToString());
        Assert.Equal(0, _pool.Rented);
        await message.WriteAsync("ße"u8.ToArray(), Cancellation);
        await message.EndAsync();
        Assert.False(message.Release());
        Assert.Equal("Text grü…\nContinuation ße", string.Join('\n', transport.Frames));
    }

    [Fact]
    public async Task What_was_flushed_is_sent_at_once_when_more_is_written_and_with_the_end_when_the_message_ends()
    {
        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync();
        await message.WriteAsync("a"u8.ToArray(), Cancellation);
        await message.FlushAsync(Cancellation);
        await message.WriteAsync(Array.Empty<byte>(), Cancellation);
        Assert.Empty(transport.Writes);
        await message.WriteAsync("b"u8.ToArray(), Cancellation);
        Assert.Equal("Binary a…", string.Join('\n', transport.Frames));
        await message.FlushAsync(Cancellation);
        await message.EndAsync();
        Assert.False(message.Release());
        Assert.Equal("Binary a…\nContinuation b", string.Join('\n', transport.Frames));
    }

    public static TheoryData<string, Func<Stream, Task>> Writers { get; } = new()
    {
        { "StreamWriter", async message => { await using var writer = new StreamWriter(message); await writer.WriteAsync("[1,2]"); } },
        { "StreamWriter that is flushed", async message => { await using var writer = new StreamWriter(message); await writer.WriteAsync("[1,2]"); await writer.FlushAsync(Cancellation); } },
        { "Utf8JsonWriter", async message => { await using var writer = new Utf8JsonWriter(message); WriteTo(writer); } },
        { "Utf8JsonWriter that is flushed", async message => { await using var writer = new Utf8JsonWriter(message); WriteTo(writer); await writer.FlushAsync(Cancellation); } },
        { "JsonSerializer", message => JsonSerializer.SerializeAsync(message, new[] { 1, 2 }, cancellationToken: Cancellation) },
        { "PipeWriter", async message => { PipeWriter writer = PipeWriter.Create(message); await writer.WriteAsync("[1,2]"u8.ToArray(), Cancellation); await writer.CompleteAsync(); } },
    };

    private static void WriteTo(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(1);
        writer.WriteNumberValue(2);
        writer.WriteEndArray();
    }

    [Theory]
    [MemberData(nameof(Writers))]
    public async Task No_empty_fragment_follows_the_flush_at_the_end_of_a_writer(string writer, Func<Stream, Task> write)
    {
        Assert.NotEmpty(writer);
        foreach (PerMessageDeflateParameters? agreed in (PerMessageDeflateParameters?[])[null, Agreed])
        {
            (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync(WebSocketMessageType.Text, agreed);
            await write(message);
            await message.EndAsync();
            Assert.False(message.Release());
            Assert.Equal("Text [1,2]", string.Join('\n', transport.Frames));
        }
    }

    [Fact]
    public async Task A_message_that_ended_before_the_tick_is_left_alone_by_it()
    {
        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync();
        await message.WriteAsync("a"u8.ToArray(), Cancellation);
        await message.FlushAsync(Cancellation);
        await message.EndAsync();
        message.Release();
        message.Execute();
        Assert.Equal("Binary a", string.Join('\n', transport.Frames));

        // Another one failed before a fragment was sent: it can be taken back.
        (message, transport, _) = await BeginAsync();
        await message.WriteAsync("a"u8.ToArray(), Cancellation);
        await message.FlushAsync(Cancellation);
        Assert.True(message.Release());
        message.Execute();
        Assert.Empty(transport.Writes);
    }

    [Fact]
    public async Task A_write_waits_for_what_the_clock_is_sending_and_the_message_cannot_be_taken_back_meanwhile()
    {
        (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync(limit: 100);
        transport.HoldWrites();
        queue.Ping(new byte[100]);
        await message.WriteAsync("a"u8.ToArray(), Cancellation);
        await message.FlushAsync(Cancellation);
        message.Execute();
        message.Execute(); // once is enough
        Task write = message.WriteAsync("b"u8.ToArray(), Cancellation).AsTask();
        Task second = message.WriteAsync("c"u8.ToArray(), Cancellation).AsTask();
        Assert.False(write.IsCompleted);
        Assert.False(second.IsCompleted);
        transport.LetAllWritesEnd();
        // Whoever comes first, the other one learns of its mistake, or comes after.
        await Task.WhenAll(write, second).ContinueWith(_ => { }, TaskScheduler.Default).InTime();
        Assert.False(message.Release());

        (message, transport, queue) = await BeginAsync(limit: 100);
        transport.HoldWrites();
        queue.Ping(new byte[100]);
        await message.WriteAsync("a"u8.ToArray(), Cancellation);
        await message.FlushAsync(Cancellation);
        message.Execute();
        Assert.False(message.Release());
        Assert.NotEqual(0, _pool.Rented);
        transport.LetAllWritesEnd();
        await Polling.UntilAsync(() => _pool.Rented == 0);
    }

    [Fact]
    public async Task A_tick_during_a_flush_is_made_up_for()
    {
        (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync(limit: 100);
        transport.HoldWrites();
        queue.Ping(new byte[100]);
        await message.WriteAsync("a"u8.ToArray(), Cancellation);
        await message.FlushAsync(Cancellation);
        Task write = message.WriteAsync("b"u8.ToArray(), Cancellation).AsTask();
        Assert.False(write.IsCompleted);
        // The write sends what was held, so there is nothing to do.
        message.Execute();
        transport.LetAllWritesEnd();
        await write.InTime();
        await message.FlushAsync(Cancellation);
        await LetGoAsync(message, transport);
        await message.EndAsync();
        message.Release();
        await queue.WhenDrained().InTime();
        Assert.Equal("Binary a…\nContinuation b…\nContinuation ", string.Join('\n', transport.Frames.Where(frame => frame.Opcode != Opcode.Ping)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tick_after_a_flush_leaves_alone_what_was_written_since(bool compressed)
    {
        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync(agreed: compressed ? Agreed : null);
        byte[] first = Noise(1000), second = Noise(2000);
        await message.WriteAsync(first, Cancellation);
        await message.FlushAsync(Cancellation);
        await message.WriteAsync(second, Cancellation);
        message.Execute();
        await message.EndAsync();
        Assert.False(message.Release());
        Assert.Equal([.. first, .. second], Received(transport));
    }

    [Fact]
    public async Task What_the_clock_could_not_send_is_told_to_the_next_call()
    {
        foreach (bool ends in (bool[])[false, true])
        {
            (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync();
            await message.WriteAsync("a"u8.ToArray(), Cancellation);
            await message.FlushAsync(Cancellation);
            queue.Close(CloseCode.NormalClosure, "");
            message.Execute();
            Task next = ends ? message.EndAsync() : message.WriteAsync("b"u8.ToArray(), Cancellation).AsTask();
            Assert.Contains("has left", (await Assert.ThrowsAsync<WebSocketException>(() => next)).Message, StringComparison.Ordinal);
            Assert.True(message.Release());
            Assert.Equal(Opcode.Close, Assert.Single(transport.Frames).Opcode);
        }
    }

    [Fact]
    public async Task A_flush_of_a_compressed_message_lets_the_client_read_all_that_was_written()
    {
        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync(agreed: Agreed);
        for (int i = 1; i <= 3; i++)
        {
            await message.WriteAsync("again and again, "u8.ToArray(), Cancellation);
            await message.FlushAsync(Cancellation);
            await LetGoAsync(message, transport);
            Assert.Equal(i, transport.Frames.Count);
            byte[] soFar = new Zlib().Inflate([.. transport.Frames.SelectMany(frame => frame.Payload)]);
            Assert.Equal(string.Concat(Enumerable.Repeat("again and again, ", i)), Encoding.ASCII.GetString(soFar));
        }

        await message.EndAsync();
        message.Release();
        Assert.Equal("again and again, again and again, again and again, "u8, Received(transport));
        Assert.True(transport.Frames[0].Rsv1);
    }

    [Theory]
    [InlineData(99, false)]
    [InlineData(100, true)]
    [InlineData(200_000, true)]
    public async Task Is_compressed_when_it_is_long_enough(int length, bool compressed)
    {
        (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync(agreed: Agreed);
        byte[] payload = new byte[length];
        await message.WriteAsync(payload, Cancellation);
        await message.EndAsync();
        message.Release();
        Assert.Equal(payload, Received(transport));
        Assert.Equal(compressed, transport.Frames[0].Rsv1);
        Assert.Equal((1, length), (queue.MessagesSent, queue.BytesSent));
        if (compressed)
            Assert.InRange(transport.Written.Length, 1, length / 2);
    }

    [Fact]
    public async Task Leaves_as_it_is_when_compression_makes_it_no_shorter_or_too_much_is_being_compressed()
    {
        (StreamedMessage noise, ScriptedTransport noiseTransport, _) = await BeginAsync(agreed: Agreed);
        await noise.WriteAsync(Noise(1_000), Cancellation);
        await noise.EndAsync();
        noise.Release();
        Assert.Equal(Noise(1_000), Received(noiseTransport));
        Assert.False(noiseTransport.Frames[0].Rsv1);

        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync(agreed: Agreed);
        Assert.True(_limits.TryBeginCompression());
        Assert.True(_limits.TryBeginCompression());
        await message.WriteAsync(new byte[70_000], Cancellation);
        _limits.EndCompression();
        _limits.EndCompression();
        await message.WriteAsync(new byte[70_000], Cancellation);
        await message.EndAsync();
        message.Release();
        Assert.Equal(new byte[140_000], Received(transport));
        Assert.False(transport.Frames[0].Rsv1);
    }

    [Fact]
    public Task Any_message_comes_out_as_it_was_written_whatever_the_pieces_the_flushes_the_ticks_and_the_parameters() =>
        Gen.Select(
            Gen.Bool,
            Gen.OneOf(Gen.Const((int?)null), Gen.Int[8, 15].Select(bits => (int?)bits)),
            Gen.Select(Gen.Frequency((5, Gen.Int[0, 300]), (1, Gen.Int[60_000, 140_000])), Gen.Frequency((2, Gen.Const(false)), (1, Gen.Const(true))), Gen.Bool, Gen.Int[0, 3]).Array[0, 6]).SampleAsync(
            async (text, windowBits, pieces) =>
            {
                PerMessageDeflateParameters? agreed = windowBits is { } bits ? Agreed with { ServerMaxWindowBits = bits } : null;
                (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync(text ? WebSocketMessageType.Text : WebSocketMessageType.Binary, agreed);
                List<byte> written = [];
                foreach ((int length, bool flush, bool noise, int tick) in pieces)
                {
                    byte[] piece = Noise(length);
                    if (text || !noise)
                        Array.Fill(piece, (byte)'a');
                    written.AddRange(piece);
                    await message.WriteAsync(piece, Cancellation);
                    if (flush)
                        await message.FlushAsync(Cancellation);
                    if (tick == 1)
                        message.Execute();
                    else if (tick == 2)
                        ThreadPool.UnsafeQueueUserWorkItem(message, preferLocal: false);
                }

                await message.EndAsync();
                message.Release();
                Assert.Equal(written, Received(transport, text ? Opcode.Text : Opcode.Binary));
                Assert.Equal((1, written.Count), (queue.MessagesSent, queue.BytesSent));
            },
            iter: 100,
            threads: 1);

    [Fact]
    public async Task A_text_may_be_cut_within_a_character_but_must_be_valid_as_a_whole()
    {
        byte[] euro = "€"u8.ToArray();
        (StreamedMessage cut, ScriptedTransport transport, _) = await BeginAsync(WebSocketMessageType.Text);
        await cut.WriteAsync(euro.AsMemory(0, 1), Cancellation);
        await cut.FlushAsync(Cancellation);
        await cut.WriteAsync(euro.AsMemory(1), Cancellation);
        await cut.EndAsync();
        cut.Release();
        Assert.Equal("€"u8, Received(transport, Opcode.Text));

        (StreamedMessage unfinished, transport, _) = await BeginAsync(WebSocketMessageType.Text);
        await unfinished.WriteAsync(euro.AsMemory(0, 2), Cancellation);
        Assert.Contains("valid UTF-8", (await Assert.ThrowsAsync<ArgumentException>(unfinished.EndAsync)).Message, StringComparison.Ordinal);
        Assert.True(unfinished.Release());
        Assert.Empty(transport.Writes);

        (StreamedMessage invalid, transport, _) = await BeginAsync(WebSocketMessageType.Text);
        await Assert.ThrowsAsync<ArgumentException>(() => invalid.WriteAsync(new byte[] { 0xFF }, Cancellation).AsTask());
        Assert.True(invalid.Release());
        Assert.Empty(transport.Writes);
    }

    [Fact]
    public async Task Is_not_finished_when_a_write_failed_and_that_was_ignored()
    {
        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync(WebSocketMessageType.Text);
        await message.WriteAsync("begin"u8.ToArray(), Cancellation);
        await message.FlushAsync(Cancellation);
        await LetGoAsync(message, transport);
        await Assert.ThrowsAsync<ArgumentException>(() => message.WriteAsync(new byte[] { 0xFF }, Cancellation).AsTask());
        await message.WriteAsync("end"u8.ToArray(), Cancellation);
        Assert.Contains("not whole", (await Assert.ThrowsAsync<InvalidOperationException>(message.EndAsync)).Message, StringComparison.Ordinal);
        Assert.False(message.Release());
    }

    [Fact]
    public async Task Waits_for_a_slow_client_and_never_queues_more_than_the_limit()
    {
        (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync(limit: 200_000);
        transport.HoldWrites();
        byte[] payload = Noise(1_000_000);
        Task writing = message.WriteAsync(payload, Cancellation).AsTask();
        while (!writing.IsCompleted)
        {
            Assert.InRange(queue.BufferedBytes, 0, 200_000);
            // All may be written before the sender's thread gets to say so; then no further write comes.
            await Task.WhenAny(transport.NextWriteAsync(), writing);
            transport.LetWriteEnd();
        }

        await writing;
        transport.LetAllWritesEnd();
        await message.EndAsync();
        message.Release();
        await queue.WhenDrained().InTime();
        Assert.Equal(payload, Received(transport));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_write_that_waits_for_room_is_cancelled_by_its_own_token_or_by_that_of_the_message(bool own)
    {
        using var cancellation = new CancellationTokenSource();
        (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync(limit: 100, cancellation: own ? null : cancellation);
        transport.HoldWrites();
        await message.WriteAsync(new byte[100], Cancellation);
        await message.FlushAsync(Cancellation);
        await message.WriteAsync(new byte[100], Cancellation);
        await message.FlushAsync(Cancellation);
        Task write = message.WriteAsync(new byte[100], own ? cancellation.Token : default).AsTask();
        Assert.False(write.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
        Assert.False(message.Release());
        transport.LetAllWritesEnd();
        await queue.WhenDrained().InTime();
        Assert.Equal(100, Assert.Single(transport.Frames).Payload.Length);
    }

    [Fact]
    public async Task A_second_writer_and_an_end_before_the_write_get_an_exception_and_the_message_cannot_be_taken_back()
    {
        (StreamedMessage message, ScriptedTransport transport, SendQueue queue) = await BeginAsync(agreed: Agreed, limit: 100);
        transport.HoldWrites();
        queue.Ping(default);
        Task writing = message.WriteAsync(Noise(70_000), Cancellation).AsTask();
        Assert.False(writing.IsCompleted);
        Assert.Contains("Await each write", (await Assert.ThrowsAsync<InvalidOperationException>(() => message.WriteAsync(Noise(1), Cancellation).AsTask())).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => message.FlushAsync(Cancellation));
        await Assert.ThrowsAsync<InvalidOperationException>(message.EndAsync);
        Assert.False(message.Release());
        transport.LetAllWritesEnd();
        await writing.InTime();
        await queue.WhenDrained().InTime();
    }

    [Fact]
    public async Task Writes_after_the_end_get_an_exception_that_says_so()
    {
        (StreamedMessage message, _, _) = await BeginAsync();
        await message.EndAsync();
        message.Release();
        Assert.Contains("has ended", (await Assert.ThrowsAsync<ObjectDisposedException>(() => message.WriteAsync(Noise(1), Cancellation).AsTask())).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => message.FlushAsync(Cancellation));
    }

    [Fact]
    public async Task Writes_to_a_client_that_has_left_say_so()
    {
        (StreamedMessage message, _, SendQueue queue) = await BeginAsync();
        await message.WriteAsync(Noise(1), Cancellation);
        queue.Close(CloseCode.NormalClosure, "");
        Assert.Contains("has left", (await Assert.ThrowsAsync<WebSocketException>(() => message.FlushAsync(Cancellation))).Message, StringComparison.Ordinal);
        Assert.True(message.Release());

        (message, _, queue) = await BeginAsync();
        queue.Close(CloseCode.NormalClosure, "");
        await Assert.ThrowsAsync<WebSocketException>(message.EndAsync);
        Assert.True(message.Release());
    }

    [Fact]
    public async Task Takes_asynchronous_writes_alone()
    {
        (StreamedMessage message, ScriptedTransport transport, _) = await BeginAsync();
        Assert.Equal((false, false, true), (message.CanRead, message.CanSeek, message.CanWrite));
        Assert.Contains("WriteAsync", Assert.Throws<NotSupportedException>(() => message.Write([1])).Message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => message.Write([1], 0, 1));
        Assert.Throws<NotSupportedException>(() => message.WriteByte(1));
        Assert.Throws<NotSupportedException>(() => message.Read([0], 0, 1));
        Assert.Throws<NotSupportedException>(() => message.Length);
        Assert.Throws<NotSupportedException>(() => message.Position);
        Assert.Throws<NotSupportedException>(() => message.Position = 0);
        Assert.Throws<NotSupportedException>(() => message.Seek(0, SeekOrigin.Begin));
        Assert.Throws<NotSupportedException>(() => message.SetLength(0));
        // A stream in layers ends what is below it: the message ends with the function that writes it.
        await using (var layer = new BufferedStream(message))
            await layer.WriteAsync("layer"u8.ToArray(), Cancellation);
        message.Flush();
        await message.EndAsync();
        message.Release();
        Assert.Equal("layer"u8, Received(transport));
    }
}
