using System.Collections.Concurrent;
using System.Net;
using StackExchange.Redis;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.History;

/// <summary>A server with a history, and a connection to Redis of its own. Clients get <c>offset text</c>; a gap comes as <c>gap first-last</c>.</summary>
internal sealed class HistoryNode : IAsyncDisposable
{
    public const string Stream = "room";

    private readonly ConcurrentDictionary<string, TaskCompletionSource<WebSocketClient>> _connected = [];

    private HistoryNode(ConnectionMultiplexer redis, WebSocketServer server, RedisHistory history)
    {
        (Redis, Server, History) = (redis, server, history);
        server.ClientConnected += (_, e) => _connected[e.Client.QueryString].SetResult(e.Client);
        history.Gap += (_, e) => e.Client.TrySend(e.Gap.IsKnown ? $"gap {e.Gap.First}-{e.Gap.Last}" : "gap");
    }

    public ConnectionMultiplexer Redis { get; }

    public WebSocketServer Server { get; }

    public RedisHistory History { get; }

    public static Task<HistoryNode> StartAsync(RedisServer redis, RedisHistoryOptions? options = null, WebSocketServerOptions? serverOptions = null, string more = "") =>
        StartAsync(redis.Configuration + more, options, serverOptions);

    public static async Task<HistoryNode> StartAsync(string redis, RedisHistoryOptions? options = null, WebSocketServerOptions? serverOptions = null)
    {
        options ??= new RedisHistoryOptions();
        options.Format ??= message => PreparedMessage.FromText($"{message.Offset} {message.Text}");
        ConfigurationOptions configuration = ConfigurationOptions.Parse($"{redis},allowAdmin=true");
        configuration.ReconnectRetryPolicy = new LinearRetry(50);
        ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(configuration);
        serverOptions ??= new WebSocketServerOptions();
        serverOptions.PingInterval = Timeout.InfiniteTimeSpan;
        WebSocketServer server = new(serverOptions.Listen("http://127.0.0.1:0"));
        var node = new HistoryNode(connection, server, new RedisHistory(connection, "test", options));
        await server.StartAsync(TestContext.Current.CancellationToken);
        return node;
    }

    /// <summary>Connects a client that is in no stream.</summary>
    /// <param name="receiveBuffer">How many bytes the system may hold for the client; null for its default.</param>
    public async Task<HistoryClient> ConnectAsync(int? receiveBuffer = null)
    {
        string id = Guid.NewGuid().ToString("N");
        TaskCompletionSource<WebSocketClient> connected = _connected[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        RawClient raw = await RawClient.ConnectAsync((IPEndPoint)Server.EndPoints[0], receiveBuffer);
        await raw.WriteAsync(RawClient.Request($"/?{id}"));
        await raw.ReadAcceptanceAsync();
        return new HistoryClient(raw, await connected.Task.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    /// <summary>Connects a client, and resumes the stream.</summary>
    public async Task<HistoryClient> JoinAsync(HistoryOffset? from = null, int last = 0)
    {
        HistoryClient client = await ConnectAsync();
        await ResumeAsync(client, from, last);
        return client;
    }

    public async Task<HistoryResume> ResumeAsync(HistoryClient client, HistoryOffset? from = null, int last = 0) =>
        await History.ResumeAsync(client.Client, Stream, from, last, TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(30));

    public Task<HistoryOffset> PublishAsync(string text) => History.PublishAsync(Stream, text, TestContext.Current.CancellationToken);

    /// <summary>Publishes its numbers as text.</summary>
    public async Task<HistoryOffset> PublishAsync(int first, int last)
    {
        HistoryOffset offset = default;
        for (int i = first; i <= last; i++)
            offset = await PublishAsync($"{i}");
        return offset;
    }

    /// <summary>How many connections of Redis have subscribed to the stream.</summary>
    public async Task<long> SubscribersAsync() => (long)((RedisResult[])(await Redis.GetDatabase().ExecuteAsync("PUBSUB", "NUMSUB", "{test}:history:room"))!)[1];

    /// <summary>Lets Redis cut the connections of all nodes over which channels come.</summary>
    public async Task CutSubscriptionsAsync() => await Redis.GetDatabase().ExecuteAsync("CLIENT", "KILL", "TYPE", "pubsub");

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await History.DisposeAsync();
        await Redis.DisposeAsync();
    }
}

/// <summary>Both ends of a connection.</summary>
internal sealed record HistoryClient(RawClient Raw, WebSocketClient Client) : IAsyncDisposable
{
    /// <summary>The offset of the last message that it has read.</summary>
    public HistoryOffset? Last { get; private set; }

    /// <summary>Reads the text of the next message.</summary>
    public async Task<string> ReadAsync()
    {
        string text = (await Raw.ReadAsync() ?? throw new InvalidDataException("The connection has ended.")).Text;
        if (text.StartsWith("gap", StringComparison.Ordinal))
            return text;
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        Last = HistoryOffset.Parse(text[..space]);
        return text[(space + 1)..];
    }

    /// <summary>Reads messages that are numbers in order.</summary>
    public async Task ReadAsync(int first, int last)
    {
        for (int i = first; i <= last; i++)
            Assert.Equal($"{i}", await ReadAsync());
    }

    public async ValueTask DisposeAsync() => await Raw.DisposeAsync();
}
