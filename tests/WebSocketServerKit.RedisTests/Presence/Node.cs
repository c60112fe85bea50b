using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Presence;

/// <summary>A server with its presence. Its clients say in their request who they are, and are connected through memory.</summary>
internal sealed class Node : IAsyncDisposable
{
    public const string Prefix = "chat";

    private readonly ConcurrentDictionary<string, TaskCompletionSource<WebSocketClient>> _expected = new(StringComparer.Ordinal);
    private int _connections;

    private Node(IConnectionMultiplexer redis, RedisPresenceOptions options, string prefix)
    {
        Server = new WebSocketServer(new WebSocketServerOptions { StopTimeout = TimeSpan.FromMilliseconds(10) });
        Server.Handshaking += (_, e) => e.UserId = Uri.UnescapeDataString(e.Request.QueryString.Split('&')[0]) is { Length: > 0 } user ? user : null;
        Server.ClientConnected += (_, e) => _expected[e.Client.QueryString].SetResult(e.Client);
        Presence = new RedisPresence(Server, redis, prefix, options, new LoggerFactory([new FakeLoggerProvider(Log)]));
    }

    public WebSocketServer Server { get; }

    public RedisPresence Presence { get; }

    public FakeLogCollector Log { get; } = new();

    /// <summary>How a node is that a test does not let die: it does not expire however loaded the machine is.</summary>
    public static RedisPresenceOptions Lasting => new() { HeartbeatInterval = TimeSpan.FromMilliseconds(50), Expiry = TimeSpan.FromMinutes(5) };

    /// <summary>How a node is that a test lets die.</summary>
    public static RedisPresenceOptions Mortal => new() { HeartbeatInterval = TimeSpan.FromMilliseconds(100), Expiry = TimeSpan.FromMilliseconds(300) };

    /// <summary>How a node is that does nothing by itself but write changes.</summary>
    public static RedisPresenceOptions Silent => new() { HeartbeatInterval = TimeSpan.FromMinutes(1), Expiry = TimeSpan.FromMinutes(5), TimeProvider = new FakeTimeProvider() };

    /// <summary>A node whose presence is started.</summary>
    public static async Task<Node> StartAsync(IConnectionMultiplexer redis, RedisPresenceOptions? options = null)
    {
        Node node = await MakeAsync(redis, options);
        await node.Presence.StartAsync(TestContext.Current.CancellationToken);
        return node;
    }

    /// <summary>A node whose server is started, but not its presence.</summary>
    public static async Task<Node> MakeAsync(IConnectionMultiplexer redis, RedisPresenceOptions? options = null, string prefix = Prefix)
    {
        var node = new Node(redis, options ?? Lasting, prefix);
        await node.Server.StartAsync(TestContext.Current.CancellationToken);
        return node;
    }

    /// <summary>Connects a client; its <see cref="WebSocketClient.Abort"/> lets it leave.</summary>
    public async Task<WebSocketClient> ConnectAsync(string user = "", string path = "/", params string[] groups)
    {
        string query = $"{Uri.EscapeDataString(user)}&{Interlocked.Increment(ref _connections)}";
        TaskCompletionSource<WebSocketClient> connected = _expected[query] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Pipe toServer = new(), toClient = new();
        _ = Server.AcceptAsync(new Duplex(toServer.Reader, toClient.Writer));
        await toServer.Writer.WriteAsync(Encoding.Latin1.GetBytes(RawClient.Request($"{path}?{query}")));
        WebSocketClient client = await connected.Task.WaitAsync(TimeSpan.FromSeconds(30));
        foreach (string group in groups)
            Assert.True(client.Join(group));
        return client;
    }

    public async Task ConnectManyAsync(int count, params string[] groups)
    {
        for (int i = 0; i < count; i++)
            await ConnectAsync($"user{i}", "/many", groups);
    }

    /// <summary>The presence ends as in a crash.</summary>
    public Task DieAsync() => Presence.AbandonAsync();

    public async ValueTask DisposeAsync()
    {
        await Presence.DisposeAsync();
        foreach (WebSocketClient client in Server.Clients)
            client.Abort();
        await Server.DisposeAsync();
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
