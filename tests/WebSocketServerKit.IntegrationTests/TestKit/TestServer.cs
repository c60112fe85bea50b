using System.Net;
using System.Net.WebSockets;
using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;

namespace WebSocketServerKit.TestKit;

/// <summary>A server on a loopback port of its own, whose clients and their ends a test takes one by one.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly Channel<WebSocketClient> _connected = Channel.CreateUnbounded<WebSocketClient>();
    private readonly Channel<ClientDisconnectedEventArgs> _disconnected = Channel.CreateUnbounded<ClientDisconnectedEventArgs>();

    private TestServer(WebSocketServerOptions options)
    {
        Options = options;
        Server = new WebSocketServer(options, Log);
    }

    /// <summary>A new token that is cancelled after 30 s: what would hang fails.</summary>
    public static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public WebSocketServer Server { get; }

    public WebSocketServerOptions Options { get; }

    public LogLines Log { get; } = new();

    public IPEndPoint EndPoint => (IPEndPoint)Server.EndPoints[0];

    public ClientRegistry Clients => Server.Clients;

    public static async Task<TestServer> StartAsync(Action<WebSocketServer>? subscribe = null, Action<WebSocketServerOptions>? configure = null)
    {
        // On a busy machine a client may be silent for longer than the default, and then a ping would come where a test expects a message.
        var options = new WebSocketServerOptions { PingInterval = TimeSpan.FromMinutes(5) };
        configure?.Invoke(options);
        if (options.Places.Count + options.Urls.Count == 0)
            options.Listen(new IPEndPoint(IPAddress.Loopback, 0), OverTlsAttribute.Server);
        var server = new TestServer(options);
        subscribe?.Invoke(server.Server);
        server.TakeBehindTheHandlers();
        await server.Server.StartAsync();
        return server;
    }

    /// <summary>A server that sends every message back.</summary>
    public static Task<TestServer> StartEchoAsync(Action<WebSocketServerOptions>? configure = null) => StartAsync(
        server => server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType), configure);

    /// <summary>An option that makes the server look at the time every 25 ms, for tests that wait for what it sees then.</summary>
    public static void LookOften(WebSocketServerOptions options) => options.SlowHandlerThreshold = TimeSpan.FromMilliseconds(100);

    /// <summary>So much time passes on a clock of the test's own, and the server looks at it again and again.</summary>
    public void Pass(TimeSpan time)
    {
        var clock = (FakeTimeProvider)Options.TimeProvider;
        for (TimeSpan passed = TimeSpan.Zero; passed < time; passed += Options.HeartbeatInterval)
            clock.Advance(Options.HeartbeatInterval);
    }

    /// <summary>The next client for which ClientConnected was raised.</summary>
    public async Task<WebSocketClient> NextClientAsync() => await _connected.Reader.ReadAsync(Timely);

    /// <summary>The next end of a client.</summary>
    public async Task<ClientDisconnectedEventArgs> NextEndAsync() => await _disconnected.Reader.ReadAsync(Timely);

    /// <summary>No end of a client is there that nobody took.</summary>
    public void AssertNoMoreEnds() => Assert.False(_disconnected.Reader.TryRead(out _), "ClientDisconnected was raised once more.");

    // A test that takes a client relies on what all its handlers have done, and those of a path are called after those of the server.
    private void TakeBehindTheHandlers()
    {
        HashSet<WebSocketPath> paths = [.. from template in Server.Paths?.Templates ?? [] select Server.Path(template.Text)];
        foreach (WebSocketPath path in paths)
        {
            path.ClientConnected += (_, e) => _connected.Writer.TryWrite(e.Client);
            path.ClientDisconnected += (_, e) => _disconnected.Writer.TryWrite(e);
        }

        Server.ClientConnected += (_, e) => _ = IsTakenByItsPath(e.Client) || _connected.Writer.TryWrite(e.Client);
        Server.ClientDisconnected += (_, e) => _ = IsTakenByItsPath(e.Client) || _disconnected.Writer.TryWrite(e);

        bool IsTakenByItsPath(WebSocketClient client) => client.MatchedPath is { } path && paths.Contains(path);
    }

    public Task<TestClient> OpenAsync(string target = "/", int? receiveBuffer = null) => TestClient.OpenAsync(EndPoint, target, receiveBuffer);

    /// <summary>A client and what the server has of it. One at a time.</summary>
    public async Task<(TestClient Raw, WebSocketClient Client)> ConnectAsync(string target = "/", int? receiveBuffer = null)
    {
        TestClient raw = await OpenAsync(target, receiveBuffer);
        return (raw, await NextClientAsync());
    }

    /// <summary>The platform's own client.</summary>
    public async Task<ClientWebSocket> ConnectWebSocketAsync(string target = "/", Action<ClientWebSocketOptions>? configure = null)
    {
        var client = new ClientWebSocket();
        if (OverTlsAttribute.Client is { } tls)
            client.Options.RemoteCertificateValidationCallback = tls.RemoteCertificateValidationCallback;
        configure?.Invoke(client.Options);
        await client.ConnectAsync(new Uri($"{(OverTlsAttribute.Client is null ? "ws" : "wss")}://{EndPoint}{target}"), Timely);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        Task disposed = Server.DisposeAsync().AsTask();
        // A clock that only the test moves has to move, lest waits never end.
        while (Options.TimeProvider is FakeTimeProvider time && await Task.WhenAny(disposed, Task.Delay(1)) != disposed)
            time.Advance(TimeSpan.FromSeconds(1));
        await disposed.Timely();
    }
}
