using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Limits;

public class RateLimitTests
{
    [Theory]
    [InlineData(1_000)]
    [InlineData(100)]
    public async Task MaxMessagesPerSecond_slows_a_client_to_just_that_and_loses_nothing(int heartbeatMilliseconds)
    {
        const int PerSecond = 10;
        const int Seconds = 5;
        var time = new FakeTimeProvider();
        int received = 0;
        bool inOrder = true;
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, e) =>
            {
                inOrder &= e.Text == $"{received}";
                Interlocked.Increment(ref received);
            },
            options =>
            {
                options.TimeProvider = time;
                options.MaxMessagesPerSecond = PerSecond;
                options.CloseTimeout = TimeSpan.FromMilliseconds(heartbeatMilliseconds * 4);
            });
        using TestClient client = await server.OpenAsync();

        // All of them lie in one read: the limit has to hold within it.
        await client.WriteAsync(Enumerable.Range(0, PerSecond * Seconds).SelectMany(i => TestClient.Text($"{i}")).ToArray());
        var heartbeat = TimeSpan.FromMilliseconds(heartbeatMilliseconds);
        for (var passed = TimeSpan.Zero; passed < TimeSpan.FromSeconds(Seconds - 1); passed += heartbeat)
        {
            // A burst of one second's worth, then one by one as time goes by; those that are due come, and no more.
            int due = PerSecond + (int)(passed.TotalSeconds * PerSecond);
            await Polling.UntilAsync(() => Volatile.Read(ref received) >= due);
            Assert.Equal(due, Volatile.Read(ref received));
            time.Advance(heartbeat);
        }

        await Polling.UntilAsync(() => Volatile.Read(ref received) == PerSecond * Seconds);
        Assert.True(inOrder);
        using TestClient other = await server.OpenAsync();
        await other.SendAsync("50"); // its own allowance
        await Polling.UntilAsync(() => Volatile.Read(ref received) > PerSecond * Seconds);
    }

    [Fact]
    public async Task MaxBytesPerSecond_slows_a_client_and_loses_nothing()
    {
        const int Size = 10_000 - 8; // with its frame header
        var time = new FakeTimeProvider();
        int received = 0;
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, _) => Interlocked.Increment(ref received),
            options =>
            {
                options.TimeProvider = time;
                options.MaxBytesPerSecond = 10_000;
            });
        (TestClient client, _) = await server.ConnectAsync();
        await client.WriteAsync(Enumerable.Range(0, 20).SelectMany(_ => TestClient.Frame(Opcode.Binary, new byte[Size])).ToArray());

        // 200,000 bytes take 19 seconds and a burst; whatever was read before it was counted has to be paid for.
        int seconds = 0;
        while (Volatile.Read(ref received) < 20)
        {
            // After a beat the loop has either gone on or waits for the next one; nothing outside tells which.
            await Task.Delay(5, TestServer.Timely);
            if (Volatile.Read(ref received) >= 20)
                break;
            Assert.True(Volatile.Read(ref received) <= seconds + 2, $"{received} messages after {seconds} s");
            time.Advance(TimeSpan.FromSeconds(1));
            seconds++;
        }

        Assert.True(seconds >= 18, $"{seconds} s");
        await client.LeaveAsync();
        Assert.True((await server.NextEndAsync()).WasClean);
    }

    [Fact]
    public async Task A_client_that_is_held_back_can_be_closed_and_is_not_pinged_to_death()
    {
        var time = new FakeTimeProvider();
        int received = 0;
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, _) => Interlocked.Increment(ref received),
            options =>
            {
                options.TimeProvider = time;
                options.MaxMessagesPerSecond = 1;
                options.CloseTimeout = TimeSpan.FromHours(1);
            });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        await raw.WriteAsync(Enumerable.Range(0, 1_000).SelectMany(i => TestClient.Text($"{i}")).ToArray());
        for (int second = 0; second < 60; second++)
        {
            await Polling.UntilAsync(() => Volatile.Read(ref received) > second);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(client.IsOpen);
        Task close = client.CloseAsync(cancellationToken: TestServer.Timely);
        Assert.Equal(Opcode.Close, (await raw.ReadFrameAsync()).Opcode);
        await raw.SendCloseAsync(1000);
        time.Advance(TimeSpan.FromSeconds(1)); // the next beat lets it read on, to the end
        await close.Timely();
        raw.Dispose();
        Assert.True((await server.NextEndAsync()).WasClean);
    }

    [Fact]
    public async Task MaxBytesPerSecond_counts_what_a_message_inflates_to()
    {
        const int PerSecond = 100_000;
        var time = new FakeTimeProvider();
        long received = 0;
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, e) => Interlocked.Add(ref received, e.Payload.Length),
            options =>
            {
                options.TimeProvider = time;
                options.MaxBytesPerSecond = PerSecond;
                options.PerMessageDeflate = new PerMessageDeflateOptions();
            });
        using System.Net.WebSockets.ClientWebSocket client = await server.ConnectWebSocketAsync(
            configure: options => options.DangerousDeflateOptions = new System.Net.WebSockets.WebSocketDeflateOptions());
        // 50,000 bytes that are about a hundred on the wire.
        for (int i = 0; i < 20; i++)
            await client.SendAsync(new byte[PerSecond / 2], System.Net.WebSockets.WebSocketMessageType.Binary, endOfMessage: true, TestServer.Timely);
        await Polling.UntilAsync(() => Volatile.Read(ref received) == PerSecond);
        for (int second = 1; second <= 5; second++)
        {
            server.Pass(TimeSpan.FromSeconds(1));
            await Polling.UntilAsync(() => Volatile.Read(ref received) >= PerSecond * (second + 1L) - PerSecond / 2);
            Assert.InRange(Volatile.Read(ref received), 0, PerSecond * (second + 1L));
        }
    }
}
