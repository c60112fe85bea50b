using System.Text;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

public class PayloadTests
{
    [Fact]
    public async Task A_payload_is_valid_while_async_handlers_run_and_throws_after_they_have_ended()
    {
        TaskCompletionSource gate = Async.Gate();
        TaskCompletionSource<MessageReceivedEventArgs> received = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.MessageReceived += (_, e) => received.SetResult(e);
            server.MessageReceived += async (_, e) =>
            {
                await gate.Task;
                e.Client.TrySend(e.Text + " in the handler");
            };
        });
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("payload");
        MessageReceivedEventArgs message = await received.Task.Timely();

        // Another thread may read it as long as one handler goes on.
        ReadOnlyMemory<byte> memory = message.PayloadMemory;
        Assert.Equal("payload", message.Text);
        Assert.Equal("payload"u8, message.Payload);
        Assert.Equal("payload"u8, memory.Span);
        Assert.Equal("payload"u8, message.ToArray());
        gate.SetResult();
        Assert.Equal("payload in the handler", await client.ReadTextAsync());
        await client.LeaveAsync();
        await server.NextEndAsync();

        AssertInvalid(() => message.Payload.Length);
        AssertInvalid(() => message.PayloadMemory.Length);
        AssertInvalid(() => memory.Span.Length);
        AssertInvalid(() => memory.ToArray());
        AssertInvalid(() =>
        {
            using System.Buffers.MemoryHandle pin = memory.Pin();
            return pin;
        });
        AssertInvalid(() => message.Text);
        AssertInvalid(() => message.ToArray());
    }

    [Fact]
    public async Task A_payload_kept_too_long_throws_and_never_shows_another_messages_bytes()
    {
        const int Count = 20_000;
        const int Size = 64;
        int strange = 0;
        int refused = 0;
        TaskCompletionSource done = Async.Gate();
        var pokers = new List<Task>();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) =>
        {
            byte mine = e.Payload[0];
            if (e.Client.MessagesReceived % 100 == 0)
            {
                // Fire and forget: the mistake that the check is there for.
                pokers.Add(Task.Run(() =>
                {
                    try
                    {
                        while (true)
                        {
                            if (e.Payload.Length != Size)
                                Interlocked.Increment(ref strange);
                        }
                    }
                    catch (InvalidOperationException)
                    {
                        Interlocked.Increment(ref refused);
                    }
                }));
            }

            if (e.Payload.Length != Size || e.Payload.ContainsAnyExcept(mine))
                Interlocked.Increment(ref strange);
            if (e.Client.MessagesReceived == Count)
                done.SetResult();
        });
        using TestClient client = await server.OpenAsync();
        for (int i = 0; i < Count / 100; i++)
            await client.WriteAsync(Enumerable.Range(0, 100).SelectMany(n => TestClient.Frame(Opcode.Binary, Enumerable.Repeat((byte)n, Size).ToArray())).ToArray());

        await done.Task.Timely();
        await client.LeaveAsync();
        await server.NextEndAsync();
        await Task.WhenAll(pokers).Timely();
        Assert.Equal(0, strange);
        Assert.Equal(Count / 100, refused);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Payloads_are_whole_however_they_are_cut_into_segments_and_fragments(bool waits)
    {
        string sent = string.Concat(Enumerable.Range(0, 5_000).Select(i => $"ünï{i}"));
        byte[] bytes = Encoding.UTF8.GetBytes(sent);
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            if (waits)
                await Task.Yield();
            e.Client.TrySend(e.Payload, e.MessageType);
        });
        using TestClient client = await server.OpenAsync();

        // A message in fragments of 7 bytes that cut characters, with a ping between them, in writes of 1,000 bytes.
        byte[] stream =
        [
            .. Enumerable.Range(0, (bytes.Length + 6) / 7).SelectMany(i => TestClient.Frame(
                i == 0 ? Opcode.Text : Opcode.Continuation, bytes.AsSpan(i * 7, Math.Min(7, bytes.Length - i * 7)), fin: (i + 1) * 7 >= bytes.Length)
                .Concat(i == 9 ? TestClient.Frame(Opcode.Ping, "between"u8) : [])),
            .. TestClient.Text("next"),
        ];
        for (int i = 0; i < stream.Length; i += 1_000)
            await client.WriteAsync(stream.AsMemory(i, Math.Min(1_000, stream.Length - i)));

        ReceivedFrame pong = await client.ReadFrameAsync();
        Assert.Equal((Opcode.Pong, "between"), (pong.Opcode, pong.Text));
        Assert.Equal(sent, await client.ReadTextAsync());
        Assert.Equal("next", await client.ReadTextAsync());
    }

    private static void AssertInvalid<T>(Func<T> access)
    {
        InvalidOperationException thrown = Assert.Throws<InvalidOperationException>(() => access());
        Assert.StartsWith("The payload of this message is no longer valid", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copy_that_another_thread_takes_while_the_handler_returns_is_of_this_message_or_is_refused()
    {
        const int Count = 30_000;
        const int Size = 32 * 1024;
        int strange = 0, taken = 0, refused = 0;
        TaskCompletionSource done = Async.Gate();
        int left = 2;
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) =>
        {
            byte mine = e.Payload[0];
            bool asText = e.Client.MessagesReceived % 2 == 0;
            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    try
                    {
#pragma warning disable WSK0003 // this is the mistake of a host
                        byte[] copy = asText ? System.Text.Encoding.UTF8.GetBytes(e.Text) : e.ToArray();
#pragma warning restore WSK0003
                        Interlocked.Increment(ref taken);
                        if (copy.Length != Size || copy.AsSpan().ContainsAnyExcept(mine))
                            Interlocked.Increment(ref strange);
                    }
                    catch (InvalidOperationException)
                    {
                        Interlocked.Increment(ref refused);
                    }
                },
                null);
            if (e.Client.MessagesReceived == Count / 2 && Interlocked.Decrement(ref left) == 0)
                done.SetResult();
        });
        using TestClient first = await server.OpenAsync(), second = await server.OpenAsync();
        await Task.WhenAll(SendAsync(first, 'a'), SendAsync(second, 'n'));
        await done.Task.Timely();
        await Polling.UntilAsync(() => Volatile.Read(ref taken) + Volatile.Read(ref refused) == Count);
        Assert.Equal(0, strange);

        // Each message is of one letter of its client's, so that a byte of any other shows.
        static async Task SendAsync(TestClient client, char first)
        {
            byte[][] frames = [.. Enumerable.Range(0, 13).Select(i => TestClient.Frame(Opcode.Binary, Enumerable.Repeat((byte)(first + i), Size).ToArray()))];
            for (int i = 0; i < Count / 2; i++)
                await client.WriteAsync(frames[i % frames.Length]);
        }
    }

    [Fact]
    public async Task A_payload_that_is_pinned_stays_valid_and_holds_back_the_next_message_until_it_is_not()
    {
        System.Buffers.MemoryHandle pin = default;
        TaskCompletionSource pinned = Async.Gate(), second = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) =>
        {
            if (e.Text != "first")
            {
                second.SetResult();
                return;
            }

            pin = e.PayloadMemory.Pin();
            pinned.SetResult();
        });
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync((byte[])[.. TestClient.Text("first"), .. TestClient.Text("second")]);
        await pinned.Task.Timely();
        Assert.Equal("first", PinnedText(pin, 5));
        Assert.False(second.Task.IsCompleted);
        pin.Dispose();
        await second.Task.Timely();
        await client.LeaveAsync();
    }

    [Fact]
    public async Task A_payload_that_is_pinned_stays_as_it_is_when_a_handler_lets_the_next_message_come()
    {
        System.Buffers.MemoryHandle pin = default;
        TaskCompletionSource pinned = Async.Gate(), second = Async.Gate(), go = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            if (e.Text != "first")
            {
                second.SetResult();
                return;
            }

            pin = e.PayloadMemory.Pin();
            e.ContinueReceiving();
            pinned.SetResult();
            await go.Task;
        });
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync((byte[])[.. TestClient.Text("first"), .. TestClient.Text("second")]);
        await pinned.Task.Timely();
        await client.WriteAsync(TestClient.Text("third"));
        Assert.Equal("first", PinnedText(pin, 5));
        Assert.False(second.Task.IsCompleted);
        pin.Dispose();
        await second.Task.Timely();
        go.SetResult();
        await client.LeaveAsync();
    }

    private static unsafe string PinnedText(System.Buffers.MemoryHandle pin, int length) => Encoding.UTF8.GetString((byte*)pin.Pointer, length);
}
