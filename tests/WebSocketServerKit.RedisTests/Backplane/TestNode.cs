using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Backplane;

/// <summary>A server that records what it receives, and its connection with Redis.</summary>
internal sealed class TestNode : IBackplaneReceiver, IAsyncDisposable
{
    private readonly Channel<(string Channel, string Message)> _received = Channel.CreateUnbounded<(string, string)>();
    private readonly FakeLogCollector _logs;

    private TestNode(FakeLogCollector logs) => _logs = logs;

    public string NodeId { get; } = Guid.NewGuid().ToString("N");

    public RedisBackplane Backplane { get; private set; } = null!;

    public IBackplaneConnection Connection { get; private set; } = null!;

    /// <summary>Called for each message, on the thread that brings it.</summary>
    public Action<string>? OnReceive { get; set; }

    public int Received => _received.Reader.Count;

    public IReadOnlyList<FakeLogRecord> Logs => _logs.GetSnapshot();

    public static async Task<TestNode> StartAsync(RedisServer redis, Action<RedisBackplaneOptions>? configure = null, string more = "", string prefix = "chat")
    {
        (RedisBackplaneOptions options, FakeLogCollector logs) = Options(configure);
        return await StartAsync(new RedisBackplane(redis.Configuration + more, prefix, options), logs);
    }

    public static async Task<TestNode> StartAsync(string configuration)
    {
        (RedisBackplaneOptions options, FakeLogCollector logs) = Options();
        return await StartAsync(new RedisBackplane(configuration, "chat", options), logs);
    }

    public static async Task<TestNode> StartAsync(RedisBackplane backplane, FakeLogCollector? logs = null)
    {
        TestNode node = new(logs ?? new FakeLogCollector()) { Backplane = backplane };
        node.Connection = await backplane.ConnectAsync(node, TestContext.Current.CancellationToken);
        return node;
    }

    public static (RedisBackplaneOptions Options, FakeLogCollector Logs) Options(Action<RedisBackplaneOptions>? configure = null)
    {
        FakeLogCollector logs = new();
        RedisBackplaneOptions options = new() { LoggerFactory = LoggerFactory.Create(builder => builder.AddProvider(new FakeLoggerProvider(logs))) };
        configure?.Invoke(options);
        return (options, logs);
    }

    public Task SubscribeAsync(string channel) => Connection.SubscribeAsync(channel);

    public bool TryPublish(string channel, string message) => Connection.TryPublish(channel, Encoding.UTF8.GetBytes(message));

    public Task<int> PublishAsync(string channel, string message) => Connection.PublishAsync(channel, Encoding.UTF8.GetBytes(message), TestContext.Current.CancellationToken);

    /// <summary>Publishes as soon as there is room, and waits until Redis has answered it, and so all that was published before.</summary>
    public async Task PublishWithRoomAsync(string channel, string message)
    {
        Task published = Task.CompletedTask;
        await Polling.UntilAsync(() => (published = PublishAsync(channel, message)).Exception is null);
        await published;
    }

    public async Task<(string Channel, string Message)> NextAsync() =>
        await _received.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    public async Task<List<string>> TakeAsync(int count)
    {
        List<string> messages = [];
        while (messages.Count < count)
            messages.Add((await NextAsync()).Message);
        return messages;
    }

    public bool HasLogged(int id) => Logs.Any(record => record.Id.Id == id);

    public void Receive(string channel, ReadOnlySpan<ReadOnlyMemory<byte>> messages)
    {
        foreach (ReadOnlyMemory<byte> message in messages)
        {
            string text = Encoding.UTF8.GetString(message.Span);
            OnReceive?.Invoke(text);
            _received.Writer.TryWrite((channel, text));
        }
    }

    public ValueTask DisposeAsync() => Connection.DisposeAsync();
}
