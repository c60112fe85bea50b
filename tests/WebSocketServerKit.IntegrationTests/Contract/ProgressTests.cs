using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>Time counts from the last progress: a client that reads slowly gets all that was accepted for it.</summary>
public class ProgressTests
{
    private const int Size = 900_000;

    private static Task<TestServer> StartAsync(Action<WebSocketServer>? subscribe = null, Action<WebSocketServerOptions>? configure = null) => TestServer.StartAsync(
        subscribe,
        options =>
        {
            options.TimeProvider = new FakeTimeProvider();
            configure?.Invoke(options);
        });

    // Two seconds pass for each piece that the client reads: far more in all than a client is given that stands still.
    private static async Task ReadSlowlyAsync(TestServer server, TestClient client, int count)
    {
        const int Piece = 50_000;
        for (int read = 0; read < count; read += Piece)
        {
            await client.SkipAsync(Math.Min(Piece, count - read));
            server.Pass(TimeSpan.FromSeconds(2));
        }
    }

    [Fact]
    public async Task A_slow_reader_gets_all_that_was_accepted_before_CloseAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the system does not tell how far the peer has read.");
        await using TestServer server = await StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 16 * 1024);
        Assert.True(client.TrySend(new byte[Size]).IsAccepted);
        Task closing = client.CloseAsync(CloseCode.NormalClosure, "bye", TestServer.Timely);
        await ReadSlowlyAsync(server, raw, Size + 10);
        Assert.Equal((Opcode.Close, "bye"), await raw.ReadFrameAsync() is var frame ? (frame.Opcode, frame.CloseReason) : default);
        await raw.SendCloseAsync(1000);
        await closing.Timely();
        await raw.AssertEndAsync();
        Assert.True((await server.NextEndAsync()).WasClean);
        raw.Dispose();
    }

    [Fact]
    public async Task A_slow_reader_gets_all_that_was_accepted_before_StopAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the system does not tell how far the peer has read.");
        await using TestServer server = await StartAsync(configure: options => options.StopTimeout = TimeSpan.FromMinutes(5));
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 16 * 1024);
        Assert.True(client.TrySend(new byte[Size]).IsAccepted);
        Task<StopResult> stopping = server.Server.StopAsync(TestServer.Timely);
        await ReadSlowlyAsync(server, raw, Size + 10);
        Assert.Equal(1001, (await raw.ReadFrameAsync()).CloseCode);
        await raw.SendCloseAsync(1001);
        await raw.AssertEndAsync();
        raw.Dispose();
        Assert.Equal(new StopResult { ClosedCleanly = 1 }, await stopping.Timely());
    }

    [Fact]
    public async Task A_slow_reader_gets_the_whole_answer_to_its_plain_HTTP_request()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the system does not tell how far the peer has read.");
        byte[] page = new byte[2_000_000];
        await using TestServer server = await StartAsync(
            server => server.HttpRequestReceived += (_, e) => e.Respond(System.Net.HttpStatusCode.OK, page),
            options => options.MaxCloseDuration = TimeSpan.FromMinutes(10));
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint, receiveBuffer: 16 * 1024);
        await client.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        ReceivedAnswer answer = await client.ReadAnswerAsync(toHead: true);
        Assert.Equal("2000000", answer.Headers["Content-Length"]);
        await ReadSlowlyAsync(server, client, page.Length);
        await client.AssertEndAsync();
    }

    [Fact]
    public async Task A_reader_that_is_slower_than_MaxCloseDuration_allows_is_cut()
    {
        await using TestServer server = await StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 16 * 1024);
        Assert.True(client.TrySend(new byte[Size]).IsAccepted);
        Task closing = client.CloseAsync(cancellationToken: TestServer.Timely);
        bool isCut = false;
        for (int i = 0; i < 40 && !isCut; i++)
        {
            isCut = await Record.ExceptionAsync(() => raw.SkipAsync(5_000)) is System.Net.Sockets.SocketException;
            server.Pass(TimeSpan.FromSeconds(2));
        }

        Assert.True(isCut);
        await closing.Timely();
        Assert.False((await server.NextEndAsync()).WasClean);
        raw.Dispose();
    }

    [Fact]
    public async Task A_reader_that_stands_still_is_cut_after_CloseTimeout()
    {
        await using TestServer server = await StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 16 * 1024);
        Assert.True(client.TrySend(new byte[Size]).IsAccepted);
        Task closing = client.CloseAsync(cancellationToken: TestServer.Timely);
        server.Pass(TimeSpan.FromSeconds(8));
        await closing.Timely();
        Assert.False((await server.NextEndAsync()).WasClean);
        raw.Dispose();
    }

    [Fact]
    public async Task A_client_that_reads_what_is_sent_to_it_slowly_is_not_taken_for_one_that_takes_nothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the system does not tell how far the peer has read.");
        await using TestServer server = await StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 16 * 1024);
        Assert.True(client.TrySend(new byte[Size]).IsAccepted);
        for (int i = 0; i < 30; i++)
        {
            await raw.SkipAsync(20_000);
            server.Pass(TimeSpan.FromSeconds(10));
            Assert.True(client.IsOpen);
        }

        raw.Dispose();
        await server.NextEndAsync();
    }
}
