using System.Net.Sockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Limits;

public class AdmissionTests
{
    [Fact]
    public async Task MaxClients_turns_the_next_one_away_until_there_is_room()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxClients = 2);
        using TestClient first = await server.OpenAsync();
        using TestClient second = await server.OpenAsync();
        await AssertTurnedAwayAsync(server, "The server is full at present. Try again later.\n");
        Assert.Equal(2, server.Clients.Count);

        await first.LeaveAsync();
        await AssertServedAgainAsync(server);
    }

    [Fact]
    public async Task MaxClientsPerRemoteAddress_turns_the_next_one_from_there_away_until_there_is_room()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxClientsPerRemoteAddress = 2);
        using TestClient first = await server.OpenAsync();
        using TestClient second = await server.OpenAsync();
        await AssertTurnedAwayAsync(server, "There are too many connections from your address. Close some, or try again later.\n");

        first.Reset();
        await AssertServedAgainAsync(server);
    }

    [Fact]
    public async Task MaxConcurrentHandshakes_turns_the_next_one_away_until_one_is_over()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxConcurrentHandshakes = 1);
        using (TestClient open = await server.OpenAsync())
        using (TestClient slow = await TestClient.ConnectAsync(server.EndPoint))
        {
            await slow.WriteAsync("GET "u8.ToArray());
            await AssertTurnedAwayAsync(server, "The server is full at present. Try again later.\n");
            await open.SendAsync("an open client needs no room");
            Assert.Equal("an open client needs no room", await open.ReadTextAsync());
        }

        await AssertServedAgainAsync(server);
    }

    [Fact]
    public async Task A_flood_that_is_turned_away_is_cut_without_an_answer()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.MaxClients = 1;
            options.MaxConcurrentHandshakes = 2;
        });
        using TestClient inside = await server.OpenAsync();
        using TestClient second = await TestClient.ConnectAsync(server.EndPoint);
        using TestClient third = await TestClient.ConnectAsync(server.EndPoint);
        Assert.Equal(503, (await second.ReadAnswerAsync()).Status);
        Assert.Equal(503, (await third.ReadAnswerAsync()).Status);

        // Both answers are out, but neither has ended its side: that makes two on their way.
        // The reset may come so soon that not even connecting seems to succeed.
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            using TestClient fourth = await TestClient.ConnectAsync(server.EndPoint);
            await fourth.ReadAnswerAsync();
        });
        await inside.SendAsync("x");
        Assert.Equal("x", await inside.ReadTextAsync());
    }

    [Fact]
    public async Task A_head_that_is_too_large_or_has_too_many_lines_is_refused()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.MaxRequestHeadSize = 1_024;
            options.MaxHeaderLines = 10;
        });
        int spare = 1_024 - TestClient.Request("/", "X: ").Length;
        foreach ((int status, byte[] request) in ((int, byte[])[])
            [
                (101, TestClient.Request("/", "X: " + new string('x', spare))),
                (431, TestClient.Request("/", "X: " + new string('x', spare + 1))),
                (101, TestClient.Request("/", "A: 1", "B: 2", "C: 3", "D: 4", "E: 5")),
                (431, TestClient.Request("/", "A: 1", "B: 2", "C: 3", "D: 4", "E: 5", "F: 6")),
            ])
        {
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            await client.WriteAsync(request);
            Assert.Equal(status, (await client.ReadAnswerAsync()).Status);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("GET / HTT")]
    [InlineData("GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: ")]
    public async Task HandshakeTimeout_ends_a_request_that_does_not_come(string beginning)
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.HandshakeTimeout = TimeSpan.FromMilliseconds(100));
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(System.Text.Encoding.Latin1.GetBytes(beginning));
        ReceivedAnswer answer = await client.ReadAnswerAsync();
        Assert.Equal((408, "The request did not come in time. Send it right after connecting.\n"), (answer.Status, answer.Body));
        await client.AssertEndAsync();
    }

    [Fact]
    public async Task A_handler_that_takes_long_to_decide_does_not_use_up_the_HandshakeTimeout()
    {
        TaskCompletionSource gate = Async.Gate();
        TaskCompletionSource asked = Async.Gate();
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += async (_, _) =>
            {
                asked.SetResult();
                await gate.Task;
            },
            options => options.TimeProvider = time);
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request());
        await asked.Task.Timely();
        for (int second = 0; second < 60; second++)
            time.Advance(TimeSpan.FromSeconds(1));
        gate.SetResult();
        Assert.Equal(101, (await client.ReadAnswerAsync()).Status);
    }

    private static async Task AssertTurnedAwayAsync(TestServer server, string body)
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        ReceivedAnswer answer = await client.ReadAnswerAsync();
        Assert.Equal((503, "5", body), (answer.Status, answer.Headers["Retry-After"], answer.Body));
        await client.AssertEndAsync();
    }

    // Room is there once the server has seen the end of the one who left.
    private static async Task AssertServedAgainAsync(TestServer server)
    {
        CancellationToken timely = TestServer.Timely;
        while (true)
        {
            timely.ThrowIfCancellationRequested();
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            await client.WriteAsync(TestClient.Request());
            if ((await client.ReadAnswerAsync()).Status == 503)
                continue;
            await client.SendAsync("let in");
            Assert.Equal("let in", await client.ReadTextAsync());
            return;
        }
    }
}
