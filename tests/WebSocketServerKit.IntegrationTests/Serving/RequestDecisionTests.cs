using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

/// <summary>Who decides about a request: the server's own rules come before the host. What hosts can decide is tested with <see cref="ClientSession"/>.</summary>
public class RequestDecisionTests
{
    private static async Task<ReceivedAnswer> AskAsync(TestServer server, byte[] request)
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(request);
        ReceivedAnswer answer = await client.ReadAnswerAsync();
        await client.AssertEndAsync();
        return answer;
    }

    [Fact]
    public async Task The_host_is_not_asked_about_what_the_rules_refuse()
    {
        int asked = 0;
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.Handshaking += (_, _) => Interlocked.Increment(ref asked);
                server.HttpRequestReceived += (_, _) => Interlocked.Increment(ref asked);
            });
        Assert.Equal(403, (await AskAsync(server, TestClient.Request("/", "Origin: https://evil.example"))).Status);
        Assert.Equal(400, (await AskAsync(server, "no request\r\n\r\n"u8.ToArray())).Status);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task A_handler_that_fails_to_answer_a_plain_request_is_answered_for_with_500()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.HttpRequestReceived += (_, _) => throw new InvalidTimeZoneException());
        Assert.Equal(500, (await AskAsync(server, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray())).Status);
    }

    [Fact]
    public async Task A_client_that_finds_the_server_full_is_told_when_to_try_again()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxClients = 1);
        using TestClient first = await server.OpenAsync();
        using TestClient second = await TestClient.ConnectAsync(server.EndPoint);
        ReceivedAnswer answer = await second.ReadAnswerAsync();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "5"), ((HttpStatusCode)answer.Status, answer.Headers["Retry-After"]));
        Assert.Equal("The server is full at present. Try again later.\n", answer.Body);
    }

    [Fact]
    public async Task A_handler_gives_one_client_limits_of_its_own_and_the_others_keep_those_of_the_server()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxMessageSize = 4);
        server.Server.Handshaking += (_, e) =>
        {
            if (e.Request.Path == "/large")
                e.Options.MaxMessageSize = 8;
        };
        using TestClient large = await server.OpenAsync("/large");
        using TestClient other = await server.OpenAsync("/");
        await large.SendAsync(new byte[8]);
        Assert.Equal(8, (await large.ReadFrameAsync()).Payload.Length);
        await large.SendAsync(new byte[9]);
        await large.AssertClosedAsync(1009, "message too big");
        await other.SendAsync(new byte[5]);
        await other.AssertClosedAsync(1009, "message too big");
    }

    [Fact]
    public async Task Options_that_a_handler_sets_wrongly_are_answered_for_with_500_and_named_in_the_log()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += (_, e) => e.Options.SendQueueLimit = 5);
        Assert.Equal(500, (await AskAsync(server, TestClient.Request("/"))).Status);
        Assert.Equal("HandshakingEventArgs.Options.SendQueueLimit is 5; it must be from 1024 to 1073741824.", Assert.Single(server.Log.Of(10)).Exception!.Message);
        Assert.Empty(server.Clients);
    }

    [Fact]
    public async Task A_handler_denies_one_client_the_compression_that_the_others_get()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.PerMessageDeflate = new PerMessageDeflateOptions());
        server.Server.Handshaking += (_, e) => e.Options.AllowsCompression = e.Request.Path != "/secret";
        foreach ((string path, string? expected) in ((string, string?)[])[("/secret", null), ("/", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")])
        {
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            await client.WriteAsync(TestClient.Request(path, "Sec-WebSocket-Extensions: permessage-deflate"));
            ReceivedAnswer answer = await client.ReadAnswerAsync();
            Assert.Equal((101, expected), (answer.Status, answer.Headers.GetValueOrDefault("Sec-WebSocket-Extensions")));
        }
    }
}
