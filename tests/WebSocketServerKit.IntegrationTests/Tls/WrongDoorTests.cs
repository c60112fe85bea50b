using System.Net;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>Clients that speak TLS where it is not spoken, and those that do not where it is. The clock stands still, so no timeout helps.</summary>
public class WrongDoorTests
{
    private const int PlainOnTls = 27;
    private const int TlsOnPlain = 28;

    private static Task<TestServer> StartAsync(bool tls) => TestServer.StartEchoAsync(options =>
    {
        options.UseTimeProvider(new FakeTimeProvider());
        options.Listen(new IPEndPoint(IPAddress.Loopback, 0), tls ? OverTlsAttribute.Listen : null);
    });

    [Fact]
    public async Task A_plain_client_on_the_TLS_port_is_answered_400_that_says_https()
    {
        await using TestServer server = await StartAsync(tls: true);
        foreach (string request in (string[])["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", Encoding.Latin1.GetString(TestClient.Request()), "G"])
        {
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            await client.WriteAsync(Encoding.Latin1.GetBytes(request));
            ReceivedAnswer answer = await client.ReadAnswerAsync();
            Assert.Equal((400, "This port speaks TLS. Connect with wss:// or https:// instead of ws:// or http://.\n", "close"), (answer.Status, answer.Body, answer.Headers["Connection"]));
            await client.AssertEndAsync();
        }

        AssertWarnedOnce(server, PlainOnTls);
    }

    [Fact]
    public async Task A_plain_WebSocket_client_on_the_TLS_port_is_told_400()
    {
        await using TestServer server = await StartAsync(tls: true);
        for (int i = 0; i < 3; i++)
        {
            using var client = new ClientWebSocket();
            client.Options.CollectHttpResponseDetails = true;
            await Assert.ThrowsAsync<WebSocketException>(() => client.ConnectAsync(new Uri($"ws://{server.EndPoint}/"), TestServer.Timely));
            Assert.Equal(HttpStatusCode.BadRequest, client.HttpStatusCode);
        }

        AssertWarnedOnce(server, PlainOnTls);
    }

    [Fact]
    public async Task A_TLS_client_on_a_plain_port_is_ended_at_once()
    {
        await using TestServer server = await StartAsync(tls: false);
        for (int i = 0; i < 3; i++)
            Assert.True(await Record.ExceptionAsync(() => SecureStream.ConnectAsync(server.EndPoint)) is AuthenticationException or IOException);
        await Polling.UntilAsync(() => server.Log.Of(TlsOnPlain).Count > 0);
        AssertWarnedOnce(server, TlsOnPlain);
    }

    [Fact]
    public async Task Others_are_served_by_the_same_server_with_and_without_TLS()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options
            .Listen(new IPEndPoint(IPAddress.Loopback, 0))
            .Listen(new IPEndPoint(IPAddress.Loopback, 0), OverTlsAttribute.Listen));
        using TestClient plain = await server.OpenAsync();
        using SecureStream secure = await SecureStream.ConnectAsync(server.Server.EndPoints[1]);
        await secure.EchoAsync();
        await plain.SendAsync("plain");
        Assert.Equal("plain", await plain.ReadTextAsync());
        Assert.Equal(1, server.Clients.Count(client => client.Tls is not null));
    }

    // Debug lines tell each one, so that a host can find out who it is.
    private static void AssertWarnedOnce(TestServer server, int id)
    {
        Assert.Equal(LogLevel.Warning, Assert.Single(server.Log.Of(id)).Level);
        Assert.Single(server.Log.Troubles);
        Assert.True(server.Log.All.Count(line => line.Level == LogLevel.Debug && line.Message.Contains("127.0.0.1", StringComparison.Ordinal)) >= 2);
    }
}
