using System.Net;
using WebSocketServerKit.Testing.Memory;

namespace WebSocketServerKit.Testing;

/// <summary>Connects the clients of a test to a <see cref="WebSocketServer"/>, in memory, and waits for the server.</summary>
/// <remarks>The server has to be started, and needs no place to listen: <c>new WebSocketServer(new WebSocketServerOptions())</c>. If it has one, it listens there as well; the clients of the test do not use it.</remarks>
public static class TestingExtensions
{
    private static readonly TimeSpan DefaultTimeout = new TestClientOptions().Timeout;

    /// <summary>
    /// Connects a client: <c>await using TestClient client = await server.ConnectAsync("/chat")</c>. Completes when the server has accepted it, so that it is in <see cref="WebSocketServer.Clients"/>;
    /// the handlers of <see cref="WebSocketServer.ClientConnected"/> may still run. Neither TLS nor the PROXY protocol of the server's end points count for it.
    /// </summary>
    /// <param name="server">The server, which is started.</param>
    /// <param name="target">The path and the query of its request, percent-encoded.</param>
    /// <param name="configure">Sets options of the client: headers, subprotocols, its user, its address.</param>
    /// <exception cref="ArgumentException">The target does not begin with a slash, or has a space or a line end.</exception>
    /// <exception cref="HandshakeRefusedException">The server has refused the client. The exception has the answer: status, headers, body.</exception>
    /// <exception cref="ConnectionClosedException">The server has ended the connection without an answer.</exception>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    /// <exception cref="TimeoutException">The server has not answered in time: handlers of <see cref="WebSocketServer.Handshaking"/> have not ended.</exception>
    public static Task<TestClient> ConnectAsync(
        this WebSocketServer server, string target = "/", Action<TestClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(target);
        return TestClient.ConnectAsync(server, target, TestClientOptions.Of(configure), ownsServer: false);
    }

    /// <summary>Tries to connect a client, which the server has to refuse with this status.</summary>
    /// <param name="server">The server, which is started.</param>
    /// <param name="status">The status of the answer.</param>
    /// <param name="target">The path and the query of the request, percent-encoded.</param>
    /// <param name="configure">Sets options of the client.</param>
    /// <returns>The answer.</returns>
    /// <exception cref="ExpectationFailedException">The server has accepted the client, or has refused it with another status.</exception>
    /// <exception cref="ConnectionClosedException">The server has ended the connection without an answer.</exception>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    /// <exception cref="TimeoutException">The server has not answered in time.</exception>
    public static async Task<TestResponse> ExpectRefusedAsync(
        this WebSocketServer server, HttpStatusCode status, string target = "/", Action<TestClientOptions>? configure = null)
    {
        string actual;
        try
        {
            using TestClient client = await server.ConnectAsync(target, configure).ConfigureAwait(false);
            actual = client.Response.ToString();
        }
        catch (HandshakeRefusedException refused) when (refused.Status == status)
        {
            return refused.Response;
        }
        catch (HandshakeRefusedException refused)
        {
            actual = refused.Response.ToString();
        }

        throw new ExpectationFailedException($"The server's answer to the request for {target} is something else.", $"{(int)status} {status}", actual);
    }

    /// <summary>
    /// Opens a connection and sends nothing: for the tests of a request that no client would send, or of one that does not come. The test writes and reads every byte, with the asynchronous methods of
    /// the stream. Disposing of it ends the connection.
    /// </summary>
    /// <param name="server">The server, which is started.</param>
    /// <param name="configure">Sets options of the connection: addresses, user, buffer. Those of the request do not count.</param>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    public static Stream OpenStream(this WebSocketServer server, Action<TestClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        return new MemoryConnection(server, TestClientOptions.Of(configure), isRead: false).ClientEnd;
    }

    /// <summary>
    /// An HTTP client whose requests reach the server in memory: for the tests of handlers of <see cref="WebSocketServer.HttpRequestReceived"/>, such as a health check. Its base address is
    /// <c>http://localhost/</c>.
    /// </summary>
    /// <param name="server">The server. It has to be started when a request is sent.</param>
    /// <param name="configure">Sets options of the connections: addresses, user.</param>
    public static HttpClient CreateHttpClient(this WebSocketServer server, Action<TestClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectCallback = (_, _) => ValueTask.FromResult(server.OpenStream(configure)),
        };
        return new HttpClient(handler) { BaseAddress = new Uri("http://localhost/") };
    }

    /// <summary>
    /// Waits until the server has nothing more to do for the clients of the test: it has read what they have sent, their handlers have ended (async ones included), and they have received what was
    /// sent to them. Then a test can look at what handlers have done. Paused clients are not waited for to receive.
    /// </summary>
    /// <remarks>
    /// Not seen are: work that handlers start and do not await; handlers that have called <see cref="MessageReceivedEventArgs.ContinueReceiving"/>; handlers of ClientExpiring, ClientOverRate and
    /// ClientSlow, which run beside the others.
    /// </remarks>
    /// <param name="server">The server.</param>
    /// <param name="timeout">The real time that it may take; null for 10 s, <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <exception cref="TimeoutException">It took longer; the message tells which client is busy with what.</exception>
    public static Task WhenIdleAsync(this WebSocketServer server, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        return ServerConnections.Of(server).WhenAtRestAsync(waitsForHandlers: true, timeout ?? DefaultTimeout, CancellationToken.None);
    }

    /// <summary>
    /// Moves a fake clock on, as time passes for real: <c>await server.AdvanceAsync(clock.Advance, TimeSpan.FromMinutes(5))</c>, where the clock is what
    /// <see cref="WebSocketServerOptions.UseTimeProvider"/> was given, such as a <c>FakeTimeProvider</c>. The clock moves in steps, one for each time that the server looks at its deadlines. After each
    /// step the clients of the test have time to do what clients do, such as to answer a ping.
    /// </summary>
    /// <remarks>
    /// One large step of the clock alone would send a ping and time it out before any client could answer. Handlers that await something are not waited for, since that may be the clock; those that
    /// the clock wakes up run beside the next steps. So does a client that the server reads more slowly, because it has sent too much.
    /// </remarks>
    /// <param name="server">The server, whose clock it is.</param>
    /// <param name="advance">Moves the clock on by a time.</param>
    /// <param name="time">The time that passes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <exception cref="TimeoutException">After a step the clients and the server were not at rest within 10 s of real time; the message tells why.</exception>
    public static async Task AdvanceAsync(this WebSocketServer server, Action<TimeSpan> advance, TimeSpan time)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(advance);
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        ServerConnections connections = ServerConnections.Of(server);
        await connections.WhenAtRestAsync(waitsForHandlers: false, DefaultTimeout, CancellationToken.None).ConfigureAwait(false);
        while (time > TimeSpan.Zero)
        {
            TimeSpan step = time < server.HeartbeatInterval ? time : server.HeartbeatInterval;
            advance(step);
            time -= step;
            await connections.WhenAtRestAsync(waitsForHandlers: false, DefaultTimeout, CancellationToken.None).ConfigureAwait(false);
        }
    }
}
