using System.Net;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Health as the host sees it, and as a plain HTTP request does.</summary>
public sealed class WebSocketServerHealthTests
{
    private static async Task<ReceivedAnswer> AskAsync(IPEndPoint server, string path, string method = "GET")
    {
        using TestClient client = await TestClient.ConnectAsync(server);
        await client.WriteAsync(System.Text.Encoding.Latin1.GetBytes($"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        return await client.ReadAnswerAsync(toHead: method == "HEAD");
    }

    [Fact]
    public async Task Follows_the_server_from_before_its_start_to_after_its_stop()
    {
        await using var server = new WebSocketServer(new WebSocketServerOptions { Urls = ["http://127.0.0.1:0"], MaxClients = 7, MaxBufferedBytes = 2_000_000 });
        Assert.Equal("unhealthy: the server is not started", server.Health.ToString());
        await server.StartAsync(TestServer.Timely);
        WebSocketServerHealth health = server.Health;
        Assert.Equal((true, true, false, 0, 7, 2_000_000L), (health.IsListening, health.IsAccepting, health.IsDraining, health.Clients, health.MaxClients, health.MaxBufferedBytes));
        await server.StopAsync(TestServer.Timely);
        Assert.Equal((false, false, "the server is not started"), (server.Health.IsListening, server.Health.IsAccepting, server.Health.Reason));
    }

    [Fact]
    public async Task Is_told_by_plain_HTTP_in_one_line_that_nobody_may_cache()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.AnswerHealth());
        foreach (string path in (string[])["/healthz", "/readyz"])
        {
            ReceivedAnswer answer = await AskAsync(server.EndPoint, path);
            Assert.Equal((200, "healthy\n", "no-store"), (answer.Status, answer.Body, answer.Headers["Cache-Control"]));
            Assert.Equal(200, (await AskAsync(server.EndPoint, path, "HEAD")).Status);
            ReceivedAnswer other = await AskAsync(server.EndPoint, path, "DELETE");
            Assert.Equal((405, "GET, HEAD"), (other.Status, other.Headers["Allow"]));
        }
    }

    [Fact]
    public async Task A_server_that_stops_lives_and_is_not_ready()
    {
        FakeTimeProvider time = new();
        await using TestServer server = await TestServer.StartAsync(server => server.AnswerHealth("/alive", "/ready"), options =>
        {
            options.TimeProvider = time;
            options.HandshakeTimeout = TimeSpan.FromHours(1);
        });
        Assert.Equal(200, (await AskAsync(server.EndPoint, "/ready")).Status);
        IPEndPoint endPoint = server.EndPoint;
        using CancellationTokenSource cut = new();
        Task stopping = server.Server.StopAsync(new StopOptions { ReadinessDelay = TimeSpan.FromMinutes(1) }, cut.Token);
        ReceivedAnswer ready = await AskAsync(endPoint, "/ready");
        Assert.Equal((503, "unhealthy: the server is stopping\n"), (ready.Status, ready.Body));
        Assert.Equal(200, (await AskAsync(endPoint, "/alive")).Status);
        await cut.CancelAsync();
        await stopping.Timely();
    }

    [Fact]
    public async Task Paths_that_are_not_asked_for_are_left_to_other_handlers_and_so_is_what_they_have_answered()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.HttpRequestReceived += (_, e) =>
            {
                if (e.Request.Path == "/readyz")
                    e.Respond(HttpStatusCode.Accepted, "mine");
            };
            server.AnswerHealth(livePath: null);
        });
        Assert.Equal((202, "mine"), (await AskAsync(server.EndPoint, "/readyz") is var mine ? mine.Status : 0, mine.Body));
        Assert.Equal(426, (await AskAsync(server.EndPoint, "/healthz")).Status);
        Assert.Equal(426, (await AskAsync(server.EndPoint, "/readyz/more")).Status);
    }

    [Fact]
    public async Task A_path_without_a_slash_is_refused()
    {
        await using var server = new WebSocketServer("http://127.0.0.1:0");
        Assert.Contains("begins with a slash", Assert.Throws<ArgumentException>(() => server.AnswerHealth("healthz")).Message, StringComparison.Ordinal);
        Assert.Contains("begins with a slash", Assert.Throws<ArgumentException>(() => server.AnswerHealth(readyPath: "")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_server_lives_and_is_not_ready()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.AnswerHealth(), options => options.MaxClients = 1);
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();
        const string Full = "degraded: 1 clients are connected, as many as MaxClients allows; further ones get 503\n";
        ReceivedAnswer live = await AskAsync(server.EndPoint, "/healthz"), ready = await AskAsync(server.EndPoint, "/readyz");
        Assert.Equal(((200, Full), (503, Full)), ((live.Status, live.Body), (ready.Status, ready.Body)));

        using TestClient further = await TestClient.ConnectAsync(server.EndPoint);
        await further.WriteAsync(TestClient.Request());
        Assert.Equal("The server is full at present. Try again later.\n", (await further.ReadAnswerAsync()).Body);
    }

    [Fact]
    public async Task Who_connects_to_a_full_server_and_says_nothing_keeps_no_check_out()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.AnswerHealth(), options => (options.MaxClients, options.MaxConcurrentHandshakes, options.MaxConcurrentHandshakesPerRemoteAddress) = (1, 2, 2));
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();
        using TestClient silent = await TestClient.ConnectAsync(server.EndPoint), more = await TestClient.ConnectAsync(server.EndPoint);
        Assert.Equal(200, (await AskAsync(server.EndPoint, "/healthz")).Status);
        Assert.Equal(503, (await AskAsync(server.EndPoint, "/readyz")).Status);
    }

    [Fact]
    public async Task The_clients_and_a_full_server_are_seen()
    {
        await using TestServer server = await TestServer.StartAsync(configure: options => options.MaxClients = 1);
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();
        WebSocketServerHealth health = server.Server.Health;
        Assert.Equal((1, 1, false, WebSocketServerHealthStatus.Degraded), (health.Clients, health.MaxClients, health.IsAccepting, health.Status));
    }
}
