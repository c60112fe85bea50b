using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Contract;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

/// <summary>Messages that are read while they are received, over the network.</summary>
public class MessageStreamTests
{
    private readonly TaskCompletionSource _go = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<MessageStream> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Exception?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static byte[] Noise(int length)
    {
        byte[] noise = new byte[length];
        new Random(length).NextBytes(noise);
        return noise;
    }

    // Handlers wait for the test, and then read to the end.
    private Task<TestServer> StartAsync(Action<WebSocketServerOptions>? configure = null) => TestServer.StartAsync(
        server => server.OnMessageStream(async (_, message) =>
        {
            _begun.TrySetResult(message);
            await _go.Task;
            try
            {
                await message.CopyToAsync(Stream.Null);
                _ended.TrySetResult(null);
            }
            catch (Exception exception)
            {
                _ended.TrySetResult(exception);
                throw;
            }
        }),
        options =>
        {
            TestServer.LookOften(options);
            options.StreamMessagesFrom = 100;
            configure?.Invoke(options);
        });

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_message_far_above_the_limit_for_whole_ones_comes_out_as_it_was_sent(bool compressed, bool text)
    {
        byte[] sent = text ? Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 600_000).Select(i => $"{i}ä€"))) : Noise(5_000_000);
        TaskCompletionSource<(bool, byte[])> received = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(
            server => server.OnMessageStream(async (client, message) =>
            {
                using MemoryStream whole = new();
                await message.CopyToAsync(whole, TestServer.Timely);
                Assert.Same(client, message.Client);
                received.SetResult((message.IsText, whole.ToArray()));
            }),
            options =>
            {
                options.StreamMessagesFrom = 1000;
                options.MaxMessageSize = 10_000;
                options.PerMessageDeflate = new PerMessageDeflateOptions();
            });
        using ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options => options.DangerousDeflateOptions = compressed ? new WebSocketDeflateOptions() : null);
        for (int i = 0; i < sent.Length; i += 1_000_000)
        {
            int count = Math.Min(1_000_000, sent.Length - i);
            await client.SendAsync(sent.AsMemory(i, count), text ? WebSocketMessageType.Text : WebSocketMessageType.Binary, endOfMessage: i + count == sent.Length, TestServer.Timely);
        }

        (bool isText, byte[] bytes) = await received.Task.WaitAsync(TestServer.Timely);
        Assert.Equal(text, isText);
        Assert.True(bytes.AsSpan().SequenceEqual(sent));
    }

    [Fact]
    public async Task A_text_can_be_read_line_by_line_by_a_reader_that_disposes_of_the_stream()
    {
        List<string> lines = [];
        await using TestServer server = await TestServer.StartAsync(
            server => server.OnMessageStream(async (client, message) =>
            {
                using (StreamReader reader = new(message))
                {
                    while (await reader.ReadLineAsync(TestServer.Timely) is { } line)
                        lines.Add(line);
                }

                await client.SendAsync($"{lines.Count} lines");
            }),
            options => options.StreamMessagesFrom = 0);
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(TestClient.Frame(Opcode.Text, "one\ntwo\nth"u8, fin: false));
        await client.WriteAsync(TestClient.Frame(Opcode.Continuation, "ree"u8));
        Assert.Equal("3 lines", await client.ReadTextAsync());
        Assert.Equal(["one", "two", "three"], lines);
    }

    [Fact]
    public async Task It_is_read_asynchronously_and_forwards_and_only_as_long_as_its_handler_runs()
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        await client.SendAsync(new byte[200]);
        MessageStream message = await _begun.Task.WaitAsync(TestServer.Timely);
        Assert.Equal((true, false, false, false), (message.CanRead, message.CanSeek, message.CanWrite, message.IsText));
        Assert.Contains("ReadAsync", Assert.Throws<NotSupportedException>(() => message.Read(new byte[1], 0, 1)).Message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => message.Read(new byte[1].AsSpan()));
        Assert.Throws<NotSupportedException>(() => message.ReadByte());
        Assert.Throws<NotSupportedException>(() => message.Length);
        Assert.Throws<NotSupportedException>(() => message.Position);
        Assert.Throws<NotSupportedException>(() => message.Position = 0);
        Assert.Throws<NotSupportedException>(() => message.Seek(0, SeekOrigin.Begin));
        Assert.Throws<NotSupportedException>(() => message.SetLength(0));
        Assert.Contains("SendAsync", Assert.Throws<NotSupportedException>(() => message.Write([1], 0, 1)).Message, StringComparison.Ordinal);
        message.Flush();
#pragma warning disable CA1835 // both overloads are promised
        Assert.Equal(3, await message.ReadAsync(new byte[5], 1, 3, TestServer.Timely));
#pragma warning restore CA1835
        _go.SetResult();
        Assert.Null(await _ended.Task.WaitAsync(TestServer.Timely));
        await Polling.UntilAsync(() => !message.CanRead);
        Assert.Contains("handler has ended", (await Assert.ThrowsAsync<ObjectDisposedException>(() => message.ReadAsync(new byte[1], TestServer.Timely).AsTask())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_does_not_read_stops_the_client_by_TCP_and_keeps_the_server_small()
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        byte[] frame = TestClient.Frame(Opcode.Binary, new byte[50_000_000]);
        Task sending = client.WriteAsync(frame);
        await _begun.Task.WaitAsync(TestServer.Timely);
        // The server has waited for the handler for so long that it says so. What the system's buffers take was taken long before.
        await Polling.UntilAsync(() => server.Log.Of(12).Count > 0);
        Assert.InRange(server.Server.BufferedBytes, 0, 1_000_000);
        Assert.False(sending.IsCompleted);
        _go.SetResult();
        await sending.WaitAsync(TestServer.Timely);
        Assert.Null(await _ended.Task.WaitAsync(TestServer.Timely));
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
    }

    [Fact]
    public async Task A_client_that_closes_in_the_middle_interrupts_the_message_and_leaves_cleanly()
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        _go.SetResult();
        await client.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[200], fin: false));
        await client.SendCloseAsync(1001);
        await client.AssertClosedAsync(1001);
        Assert.IsAssignableFrom<IOException>(await _ended.Task.WaitAsync(TestServer.Timely));
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.Closed, true), (end.Cause, end.WasClean));
        // The handler let the exception through, and that is no failure of it.
        Assert.Empty(server.Log.Of(10));
    }

    [Fact]
    public async Task A_client_that_is_reset_in_the_middle_interrupts_the_message()
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        _go.SetResult();
        await client.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[200], fin: false));
        await _begun.Task.WaitAsync(TestServer.Timely);
        client.Reset();
        Assert.IsAssignableFrom<IOException>(await _ended.Task.WaitAsync(TestServer.Timely));
        Assert.Equal(DisconnectCause.ConnectionLost, (await server.NextEndAsync()).Cause);
    }

    [Fact]
    public async Task A_stop_in_the_middle_interrupts_the_message_and_the_client_is_told()
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        _go.SetResult();
        await client.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[200], fin: false));
        await _begun.Task.WaitAsync(TestServer.Timely);
        Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
        Assert.IsAssignableFrom<IOException>(await _ended.Task.WaitAsync(TestServer.Timely));
        Assert.Equal(1001, (await client.ReadFrameAsync()).CloseCode);
        await client.SendCloseAsync(1001);
        await client.AssertEndAsync();
        Assert.Equal(1, (await stop.WaitAsync(TestServer.Timely)).ClosedCleanly);
    }

    [Fact]
    public async Task Without_a_handler_for_them_large_messages_are_raised_whole_within_the_limit_for_whole_ones()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.StreamMessagesFrom = 10;
            options.MaxMessageSize = 100;
        });
        using TestClient client = await server.OpenAsync();
        await client.SendAsync(new string('x', 100));
        Assert.Equal(100, (await client.ReadTextAsync()).Length);
        await client.SendAsync(new string('x', 101));
        await client.AssertClosedAsync(1009);
    }

    [Fact]
    public async Task A_client_may_have_sizes_of_its_own()
    {
        List<string> received = [];
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.Handshaking += (_, e) =>
                {
                    if (e.Request.Path == "/all")
                        (e.Options.StreamMessagesFrom, e.Options.MaxStreamedMessageSize) = (0, 50);
                    else if (e.Request.Path == "/none")
                        e.Options.StreamMessagesFrom = long.MaxValue;
                };
                server.MessageReceived += (_, e) => received.Add($"whole {e.Text}");
                server.OnMessageStream(async (_, message) =>
                {
                    using StreamReader reader = new(message);
                    received.Add($"stream {await reader.ReadToEndAsync(TestServer.Timely)}");
                });
            },
            options => options.StreamMessagesFrom = 3);
        foreach (string path in (string[])["/", "/all", "/none"])
        {
            using TestClient client = await server.OpenAsync(path);
            await client.SendAsync("ab");
            await client.SendAsync("abc");
            await client.LeaveAsync();
        }

        Assert.Equal(["whole ab", "stream abc", "stream ab", "stream abc", "whole ab", "whole abc"], received);
        using TestClient large = await server.OpenAsync("/all");
        await large.SendAsync(new string('x', 51));
        await large.AssertClosedAsync(1009);
    }

    [Fact]
    public async Task In_the_context_of_a_window_the_handler_and_its_continuations_run_on_the_windows_thread()
    {
        using SingleThread window = new();
        TaskCompletionSource<(bool, bool, long)> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (TestServer server = await TestServer.StartAsync(
            server => server.OnMessageStream(async (_, message) =>
            {
                bool began = window.IsCurrent;
                long length = 0;
                byte[] buffer = new byte[1000];
                int count;
                while ((count = await message.ReadAsync(buffer)) > 0)
                    length += count;
                done.SetResult((began, window.IsCurrent, length));
            }),
            options =>
            {
                options.StreamMessagesFrom = 0;
                options.EventContext = window;
            }))
        {
            using TestClient client = await server.OpenAsync();
            await client.SendAsync(new byte[3_000_000]);
            Assert.Equal((true, true, 3_000_000), await done.Task.WaitAsync(TestServer.Timely));
            await client.LeaveAsync();
        }
    }

    [Fact]
    public async Task Many_clients_stream_at_the_same_time_with_messages_of_every_size_between_pings()
    {
        long sum = 0;
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += async (_, e) => await e.Client.SendAsync($"{e.Payload.Length}");
                server.OnMessageStream(async (client, message) =>
                {
                    long length = 0;
                    byte[] buffer = new byte[10_000];
                    int count;
                    // Some read one part only.
                    while ((count = await message.ReadAsync(buffer)) > 0 && length % 7 != 3)
                        length += count;
                    Interlocked.Add(ref sum, length);
                    await client.SendAsync("streamed");
                });
            },
            options => options.StreamMessagesFrom = 5_000);
        await Parallel.ForAsync(0, 8, TestServer.Timely, async (i, _) =>
        {
            using TestClient client = await server.OpenAsync();
            var random = new Random(i);
            for (int message = 0; message < 60; message++)
            {
                int size = random.Next(4) == 0 ? random.Next(1_000_000) : random.Next(10_000);
                await client.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[size / 2], fin: false));
                await client.WriteAsync(TestClient.Frame(Opcode.Ping, "p"u8));
                await client.WriteAsync(TestClient.Frame(Opcode.Continuation, new byte[size - size / 2]));
                List<string> answers = [];
                for (int frame = 0; frame < 2; frame++)
                {
                    ReceivedFrame received = await client.ReadFrameAsync();
                    answers.Add(received.Opcode == Opcode.Pong ? "pong" : received.Text);
                }

                answers.Remove("pong");
                Assert.Equal(size >= 5_000 ? "streamed" : $"{size}", Assert.Single(answers));
            }

            await client.LeaveAsync();
        });
        Assert.NotEqual(0, sum);
    }
}
