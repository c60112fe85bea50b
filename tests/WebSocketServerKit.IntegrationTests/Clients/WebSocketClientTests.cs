using System.IO.Compression;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Compression;
using WebSocketServerKit.Contract;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

/// <summary>Sending to one client.</summary>
public class WebSocketClientTests
{
    public static MatrixTheoryData<int, bool> Sizes => new([0, 1, 125, 126, 65_535, 65_536, 1024 * 1024, 3_000_000], [false, true]);

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Messages_of_every_size_arrive_whole_as_text_and_as_binary(int size, bool text)
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.SendQueueLimit = 4 * 1024 * 1024);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        byte[] payload = [.. Enumerable.Range(0, size).Select(i => (byte)('a' + i % 26))];
        string message = Encoding.ASCII.GetString(payload);

        Task sending = Task.Run(
            async () =>
            {
                if (text)
                {
                    await client.SendAsync(message, TestServer.Timely);
                    await Polling.UntilAsync(() => client.TrySend(message).IsAccepted);
                }
                else
                {
                    await client.SendAsync(payload, cancellationToken: TestServer.Timely);
                    await Polling.UntilAsync(() => client.TrySend(payload).IsAccepted);
                }
            },
            TestServer.Timely);
        for (int i = 0; i < 2; i++)
        {
            ReceivedFrame frame = await raw.ReadFrameAsync();
            Assert.Equal((text ? Opcode.Text : Opcode.Binary, true), (frame.Opcode, frame.Fin));
            Assert.True(payload.AsSpan().SequenceEqual(frame.Payload));
        }

        await sending;
        Assert.Equal((2, 2L * size), (client.MessagesSent, client.BytesSent));
        await Polling.UntilAsync(() => client.UnsentBytes == 0);
        raw.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(70_000)]
    [InlineData(1024 * 1024)]
    public async Task The_platforms_client_gets_its_messages_back(int size)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using ClientWebSocket client = await server.ConnectWebSocketAsync();
        byte[] payload = new byte[size];
        Random.Shared.NextBytes(payload);
        await client.SendAsync(payload, WebSocketMessageType.Binary, true, TestServer.Timely);
        byte[] buffer = new byte[size];
        int count = 0;
        ValueWebSocketReceiveResult result;
        do
        {
            result = await client.ReceiveAsync(buffer.AsMemory(count), TestServer.Timely);
            count += result.Count;
        }
        while (!result.EndOfMessage);
        Assert.Equal(payload, buffer);
    }

    [Fact]
    public async Task Text_is_valid_UTF_8_whatever_the_string_and_bytes_that_are_not_are_refused_as_text()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await client.SendAsync("lone \ud800 surrogate", TestServer.Timely);
        await client.SendAsync("grüße"u8.ToArray(), WebSocketMessageType.Text, TestServer.Timely);
        Assert.Equal("lone \ufffd surrogate", await raw.ReadTextAsync());
        Assert.Equal("grüße", await raw.ReadTextAsync());

        Assert.Throws<ArgumentException>(() => client.TrySend([0xFF], WebSocketMessageType.Text));
        await Assert.ThrowsAsync<ArgumentException>(async () => await client.SendAsync([0xFF], WebSocketMessageType.Text, TestServer.Timely));
        Assert.Throws<ArgumentOutOfRangeException>(() => client.TrySend([], WebSocketMessageType.Close));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.CloseAsync(CloseCode.NoStatusReceived, cancellationToken: TestServer.Timely));
        await Assert.ThrowsAsync<ArgumentException>(() => client.CloseAsync(1000, new string('x', 124), cancellationToken: TestServer.Timely));
        Assert.True(client.IsOpen);
        raw.Dispose();
    }

    [Fact]
    public async Task A_message_can_be_written_by_anything_that_writes_to_a_stream_while_it_is_being_sent()
    {
        await using TestServer server = await TestServer.StartAsync(subscribe: server => server.MessageReceived += async (_, e) =>
        {
            await e.Client.SendAsync(message => JsonSerializer.SerializeAsync(message, Enumerable.Range(0, 100_000)), WebSocketMessageType.Text);
            await e.Client.SendAsync(async message =>
            {
                await using GZipStream zipped = new(message, CompressionLevel.Fastest);
                await zipped.WriteAsync(new byte[3_000_000]);
            });
        });
        using ClientWebSocket client = await server.ConnectWebSocketAsync();
        await client.SendAsync("go"u8.ToArray(), WebSocketMessageType.Text, true, TestServer.Timely);
        (WebSocketMessageType type, byte[] json) = await client.ReceiveAsync();
        Assert.Equal(WebSocketMessageType.Text, type);
        Assert.Equal(Enumerable.Range(0, 100_000), JsonSerializer.Deserialize<int[]>(json));
        (type, byte[] zip) = await client.ReceiveAsync();
        Assert.Equal(WebSocketMessageType.Binary, type);
        using GZipStream unzipped = new(new MemoryStream(zip), CompressionMode.Decompress);
        using MemoryStream bytes = new();
        await unzipped.CopyToAsync(bytes, TestServer.Timely);
        Assert.Equal(3_000_000, bytes.Length);
    }

    [Fact]
    public async Task While_a_message_is_being_written_broadcasts_go_behind_it_and_pings_between()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        ValueTask<TimeSpan> pong = default;
        List<string> frames = [];
        await client.SendAsync(
            async message =>
            {
                await message.WriteAsync("begin "u8.ToArray());
                await message.FlushAsync();
                await ReadAsync(); // a flush may take a moment to leave
                Assert.Equal(SendResult.Queued, client.TrySend("broadcast"));
                pong = client.PingAsync(TestServer.Timely);
                await message.WriteAsync("end"u8.ToArray());
            },
            WebSocketMessageType.Text,
            cancellationToken: TestServer.Timely);
        for (int i = 0; i < 3; i++)
            await ReadAsync();

        Assert.Equal(["Text False begin ", "Ping", "Continuation True end", "Text True broadcast"], frames);
        await client.CloseAsync(TestServer.Timely);
        await Assert.ThrowsAsync<WebSocketException>(async () => await pong);
        raw.Dispose();

        async Task ReadAsync()
        {
            ReceivedFrame frame = await raw.ReadFrameAsync();
            frames.Add(frame.Opcode == Opcode.Ping ? "Ping" : $"{frame.Opcode} {frame.Fin} {Encoding.ASCII.GetString(frame.Payload)}");
        }
    }

    [Fact]
    public async Task When_the_writer_throws_before_anything_was_sent_the_client_stays_and_gets_nothing_of_it()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await Assert.ThrowsAsync<FileNotFoundException>(() => client.SendAsync(
            async message =>
            {
                await message.WriteAsync("never"u8.ToArray());
                throw new FileNotFoundException();
            },
            cancellationToken: TestServer.Timely).AsTask());
        await client.SendAsync("next", TestServer.Timely);
        Assert.Equal("next", await raw.ReadTextAsync());
        Assert.Equal(1, client.MessagesSent);
        raw.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_the_writer_throws_amid_a_message_the_client_is_closed_with_1011_and_told_why(bool inHandler)
    {
        FileNotFoundException failure = new();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) => await SendHalfAsync(e.Client),
            options => options.HandlerExceptions = HandlerExceptionPolicy.KeepClient);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        if (inHandler)
            await raw.SendAsync("go");
        else
            Assert.Same(failure, await Assert.ThrowsAsync<FileNotFoundException>(() => SendHalfAsync(client).AsTask()));
        ReceivedFrame half = await raw.ReadFrameAsync();
        Assert.Equal((Opcode.Binary, false), (half.Opcode, half.Fin));
        ReceivedFrame close = await raw.ReadFrameAsync();
        Assert.Equal((1011, "message could not be finished"), (close.CloseCode, close.CloseReason));
        await raw.SendCloseAsync(1011);
        raw.Dispose();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal(DisconnectCause.MessageUnfinished, end.Cause);
        Assert.Same(failure, end.Exception);

        ValueTask SendHalfAsync(WebSocketClient client) => client.SendAsync(
            async message =>
            {
                await message.WriteAsync("half"u8.ToArray());
                await message.FlushAsync();
                await message.WriteAsync("more"u8.ToArray());
                throw failure;
            },
            cancellationToken: TestServer.Timely);
    }

    [Fact]
    public async Task Cancelled_while_it_waits_for_its_turn_a_message_is_not_written_and_the_client_stays()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using CancellationTokenSource cancellation = new();
        await client.SendAsync(
            async message =>
            {
                await message.WriteAsync("first"u8.ToArray());
                Task second = client.SendAsync(_ => throw new InvalidOperationException("It has no turn."), cancellationToken: cancellation.Token).AsTask();
                Assert.False(second.IsCompleted);
                await cancellation.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
            },
            WebSocketMessageType.Text,
            cancellationToken: TestServer.Timely);
        Assert.Equal("first", await raw.ReadTextAsync());
        Assert.True(client.IsOpen);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.SendAsync(_ => Task.CompletedTask, WebSocketMessageType.Close, cancellationToken: TestServer.Timely).AsTask());
        raw.Dispose();
    }

    [Fact]
    public async Task A_message_that_had_to_wait_for_its_turn_is_written_where_its_handler_runs()
    {
        using var window = new SingleThread();
        TaskCompletionSource<bool> writtenThere = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                Task second = Task.CompletedTask;
                await e.Client.SendAsync(async first =>
                {
                    second = e.Client.SendAsync(_ =>
                    {
                        writtenThere.SetResult(window.IsCurrent);
                        return Task.CompletedTask;
                    }).AsTask();
                    await first.WriteAsync("first"u8.ToArray());
                });
                await second;
            },
            options => options.EventContext = window);
        (TestClient raw, _) = await server.ConnectAsync();
        await raw.SendAsync("go");
        Assert.True(await writtenThere.Task.Timely());
        Assert.Equal("first"u8.ToArray(), (await raw.ReadFrameAsync()).Payload);
        Assert.Empty((await raw.ReadFrameAsync()).Payload);
        raw.Dispose();
    }

    [Fact]
    public async Task A_writer_whose_client_leaves_is_told_and_a_handler_need_not_care()
    {
        TaskCompletionSource<Exception> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) => await e.Client.SendAsync(async message =>
        {
            byte[] block = new byte[100_000];
            try
            {
                while (true)
                    await message.WriteAsync(block);
            }
            catch (Exception exception)
            {
                told.SetResult(exception);
                throw;
            }
        }));
        (TestClient raw, _) = await server.ConnectAsync();
        await raw.SendAsync("go");
        await raw.ReadFrameAsync();
        raw.Reset();
        Assert.IsType<WebSocketException>(await told.Task.Timely());
        Assert.Equal(DisconnectCause.ConnectionLost, (await server.NextEndAsync()).Cause);
        Assert.Empty(server.Log.Troubles);
    }

    [Fact]
    public async Task The_longest_close_reason_arrives_whole()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        string reason = new('x', 123);
        Task close = client.CloseAsync(4999, reason, TestServer.Timely);
        ReceivedFrame frame = await raw.ReadFrameAsync();
        Assert.Equal((4999, reason), (frame.CloseCode, frame.CloseReason));
        await raw.SendCloseAsync(4999);
        await close.Timely();
        raw.Dispose();
    }

    [Fact]
    public async Task The_Close_frame_follows_all_that_was_accepted_and_nothing_follows_it()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.SendQueueLimit = 64 * 1024 * 1024);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        byte[] block = new byte[100_000];
        for (int i = 0; i < 200; i++)
            Assert.True(client.TrySend(block).IsAccepted);
        Task close = client.CloseAsync(cancellationToken: TestServer.Timely);
        Assert.False(client.TrySend(block).IsAccepted);

        for (int i = 0; i < 200; i++)
            Assert.Equal(block.Length, (await raw.ReadFrameAsync()).Payload.Length);
        Assert.Equal(1000, (await raw.ReadFrameAsync()).CloseCode);
        await raw.SendCloseAsync(1000);
        await raw.AssertEndAsync();
        raw.Dispose();
        await close.Timely();
    }

    [Fact]
    public async Task Forwarding_to_a_client_that_has_left_does_not_cost_the_sender_its_connection()
    {
        WebSocketClient? gone = null;
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            if (e.Text == "forward")
                await gone!.SendAsync(e.Text);
            await e.Client.SendAsync("still here");
        });
        (TestClient leaving, gone) = await server.ConnectAsync();
        await leaving.LeaveAsync();
        await server.NextEndAsync();
        using TestClient sender = await server.OpenAsync();
        await sender.SendAsync("forward");
        await sender.SendAsync("next");
        Assert.Equal("still here", await sender.ReadTextAsync());
        Assert.Equal(LogLevel.Debug, Assert.Single(server.Log.Of(11)).Level);
        Assert.Empty(server.Log.Of(10));
        leaving.Dispose();
    }

    [Fact]
    public async Task Sending_to_a_client_that_has_left_tells_so()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync("/x");
        await raw.LeaveAsync();
        await server.NextEndAsync();

        WebSocketException failure = await Assert.ThrowsAsync<WebSocketException>(() => client.SendAsync("x", TestServer.Timely).AsTask());
        Assert.Equal(WebSocketError.ConnectionClosedPrematurely, failure.WebSocketErrorCode);
        Assert.StartsWith($"The message was not sent: client {client.Id} (127.0.0.1:", failure.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<WebSocketException>(() => client.SendAsync(new byte[1], cancellationToken: TestServer.Timely).AsTask());
        Assert.False(client.TrySend("x").IsAccepted);
        Assert.False(client.TrySend([1]).IsAccepted);
        Assert.False(client.IsOpen);
        Assert.Equal(0, client.UnsentBytes);
        await client.CloseAsync(cancellationToken: TestServer.Timely);
        client.Abort();
        server.AssertNoMoreEnds();
    }

    [Fact]
    public async Task A_client_that_never_reads_fills_its_own_queue_and_no_more()
    {
        const int Limit = 256 * 1024;
        const int Block = 16 * 1024;
        await using TestServer server = await TestServer.StartEchoAsync(options => options.SendQueueLimit = Limit);
        (TestClient deaf, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 4096);
        (TestClient other, WebSocketClient otherClient) = await server.ConnectAsync();
        byte[] block = new byte[Block];
        long accepted = await FillAsync(client, block);

        // Full: nothing goes without waiting, and the memory is bounded.
        Assert.False(client.TrySend(block).IsAccepted);
        Assert.False(client.TrySend(new string('x', Block)).IsAccepted);
        Assert.InRange(client.UnsentBytes, Limit - Block - 16, Limit);
        Assert.Equal(accepted, client.MessagesSent);

        // A send waits, and cancelling it leaves the connection alive.
        using var cancel = new CancellationTokenSource();
        Task waiting = client.SendAsync(block, cancellationToken: cancel.Token).AsTask();
        Task alsoWaiting = client.SendAsync("behind it", TestServer.Timely).AsTask();
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.SendAsync("x", new CancellationToken(canceled: true)).AsTask());
        Assert.False(alsoWaiting.IsCompleted);
        Assert.True(client.IsOpen);

        // A broadcast leaves it out alone, and others are served.
        BroadcastResult result = server.Clients.Broadcast(block);
        Assert.Equal((1, 1), (result.Accepted, result.Dropped));
        Assert.Equal(Block, (await other.ReadFrameAsync()).Payload.Length);
        await other.SendAsync("x");
        Assert.Equal("x", await other.ReadTextAsync());
        await Polling.UntilAsync(() => otherClient.UnsentBytes == 0);

        // When it reads, all that was accepted comes, and then what waited.
        for (long i = 0; i < accepted; i++)
            Assert.Equal((Opcode.Binary, Block), (await deaf.ReadFrameAsync()) is var frame ? (frame.Opcode, frame.Payload.Length) : default);
        Assert.Equal("behind it", await deaf.ReadTextAsync());
        await alsoWaiting.Timely();
        await deaf.SendAsync("alive");
        Assert.Equal("alive", await deaf.ReadTextAsync());
        deaf.Dispose();
        other.Dispose();
    }

    [Fact]
    public async Task A_waiting_send_ends_when_the_client_is_closed_aborted_or_cut()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.SendQueueLimit = 64 * 1024;
            options.CloseTimeout = TimeSpan.FromMilliseconds(100);
        });
        foreach (string end in (string[])["closed", "aborted", "cut"])
        {
            (TestClient deaf, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 4096);
            await FillAsync(client, new byte[16 * 1024]);
            Task waiting = client.SendAsync(new byte[16 * 1024], cancellationToken: TestServer.Timely).AsTask();
            Assert.False(waiting.IsCompleted);
            if (end == "closed")
                _ = client.CloseAsync(cancellationToken: TestServer.Timely);
            else if (end == "aborted")
                client.Abort();
            else
                deaf.Reset();
            await Assert.ThrowsAsync<WebSocketException>(() => waiting);
            await server.NextEndAsync();
            deaf.Dispose();
        }
    }

    [Fact]
    public async Task A_client_that_takes_nothing_is_given_up_like_one_that_is_silent()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.SendQueueLimit = 64 * 1024;
            options.PingInterval = TimeSpan.FromMilliseconds(300);
            options.PingTimeout = TimeSpan.FromMilliseconds(300);
        });
        (TestClient deaf, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 4096);
        try
        {
            while (true)
                await client.SendAsync(new byte[16 * 1024], cancellationToken: TestServer.Timely);
        }
        catch (WebSocketException)
        {
            Assert.False(client.IsOpen);
        }

        Assert.Contains((await server.NextEndAsync()).Cause, (DisconnectCause[])[DisconnectCause.SendTimeout, DisconnectCause.PingTimeout]);
        deaf.Dispose();
    }

    [Fact]
    public async Task A_client_on_a_slow_line_that_gets_on_with_a_large_message_is_not_given_up()
    {
        const int Part = 12 * 1024 * 1024; // more than the system's buffers take, so that each part read shows that the server got on
        const int Parts = 6;
        var time = new FakeTimeProvider();
        await using TestServer server = await TestServer.StartEchoAsync(options => options.TimeProvider = time);
        (TestClient slow, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 64 * 1024);
        Assert.True(client.TrySend(new byte[Part * Parts]).IsAccepted); // alone it may be larger than the queue

        // 15 seconds for each part: the whole takes much longer than the 40 that a silent client is given.
        for (int part = 0; part < Parts; part++)
        {
            await slow.SkipAsync(Part);
            for (int second = 0; second < 15; second++)
                time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(client.IsOpen);
        Assert.Equal(1, client.MessagesSent);
        slow.Dispose();
    }

    [Fact]
    public async Task Replies_to_a_burst_never_find_the_queue_full_of_what_merely_gathers()
    {
        const int Count = 1_000;
        int refused = 0;
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, e) =>
            {
                if (!e.Client.TrySend(e.Payload).IsAccepted)
                    refused++;
            },
            options => options.SendQueueLimit = 1_024);
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(Enumerable.Range(0, Count).SelectMany(_ => TestClient.Frame(Opcode.Binary, new byte[60])).ToArray());
        await client.SendCloseAsync(1000);
        await server.NextEndAsync();
        Assert.Equal(0, refused); // the system's buffers have room for all of them
    }

    [Fact]
    public async Task Times_and_totals_of_a_client_are_told()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2031, 5, 6, 7, 8, 9, TimeSpan.Zero));
        await using TestServer server = await TestServer.StartEchoAsync(options => options.TimeProvider = time);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        Assert.Equal(time.GetUtcNow(), client.ConnectedAt);
        Assert.Null(client.State);
        Assert.Null(client.User);
        Assert.Null(client.Subprotocol);
        for (int i = 1; i <= 3; i++)
        {
            await raw.SendAsync(new byte[i * 100]);
            await raw.ReadFrameAsync();
        }

        Assert.Equal((3, 600, 3, 600), (client.MessagesReceived, client.BytesReceived, client.MessagesSent, client.BytesSent));
        raw.Dispose();
    }

    // Sends until the queue has been full for a while: the system's own buffers take some time to fill.
    private static async Task<long> FillAsync(WebSocketClient client, byte[] block)
    {
        long accepted = 0;
        int fullSince = 0;
        while (fullSince < 20)
        {
            if (client.TrySend(block).IsAccepted)
            {
                accepted++;
                fullSince = 0;
            }
            else
            {
                fullSince++;
                await Task.Delay(10);
            }
        }

        return accepted;
    }

    [Fact]
    public async Task Messages_that_nobody_waits_for_do_not_fill_the_memory_when_the_client_does_not_read()
    {
        await using TestServer server = await TestServer.StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 16 * 1024);
        byte[] payload = new byte[64 * 1024];
        List<Task> sends = [.. Enumerable.Range(0, 1_000).Select(_ => client.SendAsync(payload, cancellationToken: TestServer.Timely).AsTask())];
        // The queue, as much again in line, and what lies in buffers that grow by doubling.
        Assert.InRange(server.Server.BufferedBytes, 1024 * 1024, 6 * 1024 * 1024);
        WebSocketException refused = await Assert.ThrowsAsync<WebSocketException>(() => sends[^1]);
        Assert.Contains("reads too slowly", refused.Message, StringComparison.Ordinal);
        Assert.Contains("TrySend", refused.Message, StringComparison.Ordinal);
        Assert.Equal(WebSocketError.InvalidState, refused.WebSocketErrorCode);
        Assert.True(client.IsOpen);

        // Those that were accepted come, in their order, when it reads again.
        int accepted = sends.Count(send => !send.IsFaulted);
        await raw.SkipAsync((payload.Length + 10L) * accepted);
        await Task.WhenAll(sends.Where(send => !send.IsFaulted)).Timely();
        await client.SendAsync("and on", TestServer.Timely);
        Assert.Equal("and on", await raw.ReadTextAsync());
        Assert.All(sends.Where(send => send.IsFaulted), send => Assert.IsType<WebSocketException>(send.Exception!.InnerException));
        raw.Dispose();
    }

    [Fact]
    public async Task A_handler_that_forwards_to_a_client_that_is_too_slow_does_not_lose_its_own_client()
    {
        WebSocketClient? slow = null;
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += async (_, e) =>
            {
                Task[] forwards = [.. Enumerable.Range(0, 200).Select(_ => slow!.SendAsync(new byte[64 * 1024]).AsTask())];
                // All fail that come behind a full line; one of them is the handler's exception, and the others are looked at.
                foreach (Task forward in forwards)
                    _ = forward.ContinueWith(static forward => forward.Exception, TaskScheduler.Default);
                await forwards[^1];
            });
        (TestClient deaf, slow) = await server.ConnectAsync(receiveBuffer: 16 * 1024);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await raw.SendAsync("forward this");
        await Polling.UntilAsync(() => server.Log.Of(11).Count > 0);
        Assert.True(client.IsOpen);
        Assert.Empty(server.Log.Of(10));
        deaf.Dispose();
        raw.Dispose();
    }
}
