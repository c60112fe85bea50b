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
        using RawClient client = await server.OpenAsync();
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
        using RawClient client = await server.OpenAsync();
        for (int i = 0; i < Count / 100; i++)
            await client.WriteAsync(Enumerable.Range(0, 100).SelectMany(n => RawClient.Frame(Opcode.Binary, Enumerable.Repeat((byte)n, Size).ToArray())).ToArray());

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
        using RawClient client = await server.OpenAsync();

        // A message in fragments of 7 bytes that cut characters, with a ping between them, in writes of 1,000 bytes.
        byte[] stream =
        [
            .. Enumerable.Range(0, (bytes.Length + 6) / 7).SelectMany(i => RawClient.Frame(
                i == 0 ? Opcode.Text : Opcode.Continuation, bytes.AsSpan(i * 7, Math.Min(7, bytes.Length - i * 7)), fin: (i + 1) * 7 >= bytes.Length)
                .Concat(i == 9 ? RawClient.Frame(Opcode.Ping, "between"u8) : [])),
            .. RawClient.Text("next"),
        ];
        for (int i = 0; i < stream.Length; i += 1_000)
            await client.WriteAsync(stream.AsMemory(i, Math.Min(1_000, stream.Length - i)));

        ServerFrame pong = await client.ReadFrameAsync();
        Assert.Equal((Opcode.Pong, "between"), (pong.Opcode, pong.Text));
        Assert.Equal(sent, await client.ReadTextAsync());
        Assert.Equal("next", await client.ReadTextAsync());
    }

    private static void AssertInvalid<T>(Func<T> access)
    {
        InvalidOperationException thrown = Assert.Throws<InvalidOperationException>(() => access());
        Assert.StartsWith("The payload of this message is no longer valid", thrown.Message, StringComparison.Ordinal);
    }
}
