using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Attacks;

/// <summary>Streams that break every promise of a stream. They end their own connection, and harm neither the server nor other clients.</summary>
public class StreamAttackTests
{
    private static readonly byte[] RequestAndMessage = [.. TestClient.Request(), .. TestClient.Text("hello")];

    public enum Member
    {
        Read,
        Write,
        Flush,
    }

    public enum Failure
    {
        Synchronous,
        Later,
    }

    public static TheoryData<Member, Failure> EveryFailure()
    {
        TheoryData<Member, Failure> all = [];
        foreach (Member member in Enum.GetValues<Member>())
        {
            foreach (Failure failure in Enum.GetValues<Failure>())
                all.Add(member, failure);
        }

        return all;
    }

    [Theory]
    [MemberData(nameof(EveryFailure))]
    public async Task A_stream_that_throws_is_a_lost_connection(Member member, Failure failure)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using var stream = new FakeStream();
        Task<int> Throw() => failure == Failure.Synchronous ? throw new InvalidTimeZoneException("no IOException at all") : ThrowLaterAsync();
        async Task<int> ThrowLaterAsync()
        {
            await Task.Yield();
            throw new InvalidTimeZoneException("no IOException at all");
        }

        if (member == Member.Read)
            stream.OnRead = (_, _) => new ValueTask<int>(Throw());
        stream.Feed(RequestAndMessage);
        // The first write is the answer to the request.
        if (member == Member.Write)
            stream.OnWrite = (_, _) => stream.Writes.Length == 0 ? ValueTask.CompletedTask : new ValueTask(Throw());
        if (member == Member.Flush)
            stream.OnFlush = () => stream.Writes.Length == 1 ? Task.CompletedTask : Throw();
        await server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely).Timely();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal(DisconnectCause.ConnectionLost, end.Cause);
        Assert.Contains("no IOException at all", end.Exception!.Message, StringComparison.Ordinal);
        Assert.Equal(1, stream.Disposals);
        Assert.Equal(0, server.Server.BufferedBytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stream_that_throws_when_it_is_disposed_of_ends_all_the_same(bool isSynchronous)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using var stream = new FakeStream { OnRead = (_, _) => ValueTask.FromResult(0) };
        stream.OnDispose = () => stream.Disposals > 1 ? ValueTask.CompletedTask
            : isSynchronous ? throw new InvalidTimeZoneException() : ValueTask.FromException(new InvalidTimeZoneException());
        stream.Feed(TestClient.Request());
        await server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely).Timely();
        Assert.Equal(DisconnectCause.ConnectionLost, (await server.NextEndAsync()).Cause);
        await stream.DisposeAsync();
    }

    [Fact]
    public async Task A_stream_that_is_at_its_end_at_once_is_disposed_of()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using var stream = new FakeStream { OnRead = (_, _) => ValueTask.FromResult(0) };
        await server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely).Timely();
        Assert.Equal(1, stream.Disposals);
        server.AssertNoMoreEnds();
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public async Task A_stream_that_counts_wrong_is_a_lost_connection(int count)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using var stream = new FakeStream { OnRead = (buffer, _) => ValueTask.FromResult(buffer.IsEmpty ? 0 : count) };
        stream.Feed(TestClient.Request());
        await server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely).Timely();
        Assert.IsType<IOException>((await server.NextEndAsync()).Exception);
    }

    [Fact]
    public async Task A_stream_that_gives_one_byte_at_a_time_is_served()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await using var stream = new FakeStream();
        stream.Feed([.. RequestAndMessage, .. TestClient.Close(1000)], atOnce: 1);
        await server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely).Timely();
        Assert.True((await server.NextEndAsync()).WasClean);
        byte[] written = [.. stream.Writes.SelectMany(bytes => bytes)];
        Assert.True(written.AsSpan().EndsWith((byte[])[0x81, 5, .. "hello"u8, 0x88, 2, 0x03, 0xE8]), Convert.ToHexString(written));
    }

    [Fact]
    public async Task A_stream_that_blocks_its_caller_holds_up_neither_the_host_nor_the_stop()
    {
        using var unblock = new ManualResetEventSlim();
        await using TestServer server = await TestServer.StartEchoAsync(options => options.StopTimeout = TimeSpan.FromMilliseconds(100));
        await using var stream = new FakeStream
        {
            OnRead = (_, _) =>
            {
                unblock.Wait(TestServer.Timely);
                return ValueTask.FromResult(0);
            },
            OnDispose = () =>
            {
                unblock.Wait(TestServer.Timely);
                return ValueTask.CompletedTask;
            },
        };
        Task served = server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely); // on this thread, and it returns
        await server.Server.StopAsync(TestServer.Timely).Timely();
        Assert.False(served.IsCompleted); // the stream is not disposed of yet
        unblock.Set();
        await served.Timely();
    }

    [Fact]
    public async Task A_write_that_blocks_its_thread_holds_up_no_sender()
    {
        using var unblock = new ManualResetEventSlim();
        await using TestServer server = await TestServer.StartAsync();
        await using var stream = new FakeStream();
        stream.OnWrite = (_, _) =>
        {
            if (stream.Writes.Length > 0)
                unblock.Wait(TestServer.Timely);
            return ValueTask.CompletedTask;
        };
        stream.Feed(TestClient.Request());
        Task served = server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely);
        WebSocketClient client = await server.NextClientAsync();
        Assert.True(client.TrySend("one").IsAccepted);
        Assert.True(client.TrySend("two").IsAccepted);
        client.Abort();
        await server.NextEndAsync();
        await served.Timely(); // nobody waits for the write
        unblock.Set();
    }

    [Fact]
    public async Task A_stream_that_hangs_in_everything_is_cut_and_given_up()
    {
        await using TestServer server = await TestServer.StartAsync(configure: options => options.StopTimeout = TimeSpan.FromMilliseconds(100));
        TaskCompletionSource end = Async.Gate();
        await using var stream = new FakeStream
        {
            OnRead = async (_, _) =>
            {
                await end.Task;
                return 0;
            },
            OnDispose = () => new ValueTask(end.Task),
        };
        stream.Feed(TestClient.Request());
        stream.OnWrite = (_, _) => stream.Writes.Length == 0 ? ValueTask.CompletedTask : new ValueTask(end.Task);
        Task served = server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely);
        await server.NextClientAsync();
        StopResult result = await server.Server.StopAsync(TestServer.Timely).Timely();
        Assert.Equal((0, 1), (result.ClosedCleanly, result.Aborted));
        Assert.False(served.IsCompleted);
        end.SetResult();
        await served.Timely();
    }

    [Fact]
    public async Task A_stream_that_hangs_after_a_polite_end_keeps_its_place_for_the_close_timeout_only()
    {
        await using TestServer server = await TestServer.StartAsync(configure: options =>
        {
            options.MaxClients = 1;
            options.CloseTimeout = TimeSpan.FromMilliseconds(100);
        });
        TaskCompletionSource end = Async.Gate();
        await using var stream = new FakeStream { OnDispose = () => new ValueTask(end.Task) };
        stream.Feed([.. TestClient.Request(), .. TestClient.Close(1000)]);
        Task served = server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely);
        Assert.True((await server.NextEndAsync()).WasClean);
        string answer;
        do
        {
            await using FedClient next = await FedClient.ConnectAsync(server.Server, Carrier.Pipes);
            await next.WriteAsync(TestClient.Request());
            answer = await next.ReadHeadAsync();
            next.Lose();
            await next.Served.Timely();
        }
        while (!answer.StartsWith("HTTP/1.1 101 ", StringComparison.Ordinal));

        Assert.False(served.IsCompleted);
        end.SetResult();
        await served.Timely();
    }

    [Fact]
    public async Task Streams_that_always_have_more_at_once_keep_no_thread_from_others()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        byte[] frame = TestClient.Text(""); // the most work for each byte
        using CancellationTokenSource cut = new();
        List<Task> served = [];
        for (int i = 0; i < 2 * Environment.ProcessorCount + 2; i++)
        {
            int at = 0;
            var stream = new FakeStream
            {
                OnRead = (buffer, token) =>
                {
                    token.ThrowIfCancellationRequested();
                    for (int read = 0; read < buffer.Length; read++)
                        buffer.Span[read] = frame[at++ % frame.Length];
                    return ValueTask.FromResult(buffer.Length);
                },
            };
            stream.Feed(TestClient.Request());
            stream.OnWrite = (_, _) => ValueTask.CompletedTask;
            served.Add(server.Server.AcceptAsync(stream, cancellationToken: cut.Token));
            await server.NextClientAsync();
        }

        await using FedClient client = await FedClient.OpenAsync(server.Server, Carrier.Network);
        for (int i = 0; i < 10; i++)
        {
            await client.SendAsync("hello");
            Assert.Equal("hello", await client.ReadTextAsync());
        }

        await cut.CancelAsync();
        foreach (Task task in served)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task.Timely());
    }

    [Fact]
    public async Task A_request_over_a_stream_that_never_answers_gives_its_place_back()
    {
        await using TestServer server = await TestServer.StartAsync(configure: options =>
        {
            options.HandshakeTimeout = TimeSpan.FromMilliseconds(100);
            options.CloseTimeout = TimeSpan.FromMilliseconds(100);
        });
        await using var stream = new FakeStream { OnWrite = async (_, token) => await Task.Delay(Timeout.Infinite, token) };
        await server.Server.AcceptAsync(stream, cancellationToken: TestServer.Timely).Timely();
        Assert.Equal(1, stream.Disposals);
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
    }
}
