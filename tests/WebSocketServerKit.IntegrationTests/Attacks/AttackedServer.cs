using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Attacks;

/// <summary>Attacks measure the memory of the whole process, so nothing else runs beside them.</summary>
[CollectionDefinition(nameof(AttackedServer), DisableParallelization = true)]
public class AttacksRunAlone;

/// <summary>
/// An echo server on loopback. When it is disposed it checks what no attack may ever change: each client that came has left once, nobody is
/// left over, and nothing went wrong inside the server.
/// </summary>
internal sealed class AttackedServer : IAsyncDisposable
{
    private readonly FakeLogCollector _log = new();
    private readonly ConcurrentDictionary<long, int> _connected = new();
    private readonly ConcurrentQueue<string> _unobserved = [];
    private readonly Lock _gate = new();
    private readonly List<ClientDisconnectedEventArgs> _left = [];
    private TaskCompletionSource _oneMoreLeft = Async.Gate();

    private AttackedServer(WebSocketServerOptions options, Action<WebSocketServer>? subscribe)
    {
        options.Listen(new IPEndPoint(IPAddress.Loopback, 0), OverTlsAttribute.Server);
        Server = new WebSocketServer(options, LoggerFactory.Create(logging => logging.AddProvider(new FakeLoggerProvider(_log))));
        Server.ClientConnected += (_, e) => Assert.True(_connected.TryAdd(e.Client.Id, 0));
        Server.ClientDisconnected += (_, e) =>
        {
            _connected.AddOrUpdate(e.Client.Id, -1, (_, times) => times + 1);
            TaskCompletionSource oneMore;
            lock (_gate)
            {
                _left.Add(e);
                (oneMore, _oneMoreLeft) = (_oneMoreLeft, Async.Gate());
            }

            oneMore.SetResult();
        };
        if (subscribe is not null)
            subscribe(Server);
        else
            Server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        TaskScheduler.UnobservedTaskException += CountUnobserved;
    }

    /// <summary>A new token that is cancelled after 60 s: what would hang fails.</summary>
    public static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    public WebSocketServer Server { get; }

    public IPEndPoint EndPoint => (IPEndPoint)Server.EndPoints[0];

    /// <summary>Those who have left so far, in the order in which they did.</summary>
    public IReadOnlyList<ClientDisconnectedEventArgs> Left
    {
        get
        {
            lock (_gate)
                return [.. _left];
        }
    }

    /// <summary>Bytes on the managed heap after a full collection.</summary>
    public static long Heap => GC.GetTotalMemory(forceFullCollection: true);

    public static async Task<AttackedServer> StartAsync(WebSocketServerOptions? options = null, Action<WebSocketServer>? subscribe = null)
    {
        AttackedServer server = new(options ?? new WebSocketServerOptions(), subscribe);
        await server.Server.StartAsync();
        return server;
    }

    /// <summary>A client that has connected and said nothing.</summary>
    public Task<Attacker> ConnectAsync(int receiveBuffer = 0) => Attacker.ConnectAsync(EndPoint, receiveBuffer);

    /// <summary>A client whose handshake was accepted.</summary>
    public async Task<Attacker> OpenAsync(int receiveBuffer = 0)
    {
        Attacker attacker = await ConnectAsync(receiveBuffer);
        await attacker.ShakeHandsAsync();
        return attacker;
    }

    /// <summary>A well-behaved client comes, is served and leaves.</summary>
    public async Task AssertServesOthersAsync()
    {
        using Attacker other = await OpenAsync();
        byte[] question = "are you there?"u8.ToArray();
        await other.SendAsync(Attacker.Frame(0x81, question));
        Assert.Equal(question, (await other.ReceiveFrameAsync()).Payload);
        await other.CloseAsync();
    }

    /// <summary>Completes when so many have left.</summary>
    public async Task WhenLeftAsync(int count)
    {
        CancellationToken timely = Timely;
        while (true)
        {
            Task oneMore;
            lock (_gate)
            {
                if (_left.Count >= count)
                    return;
                oneMore = _oneMoreLeft.Task;
            }

            await oneMore.WaitAsync(timely);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Assert.Empty(Server.Clients);
        Assert.All(_connected, client => Assert.Equal(1, client.Value));
        Assert.Equal(_connected.Count, Left.Count);
        Assert.DoesNotContain(_log.GetSnapshot(), record => record.Level >= LogLevel.Error);

        GC.Collect();
        GC.WaitForPendingFinalizers();
        TaskScheduler.UnobservedTaskException -= CountUnobserved;
        Assert.True(_unobserved.IsEmpty, $"{_unobserved.Count} unobserved: {_unobserved.FirstOrDefault()}");
    }

    private void CountUnobserved(object? sender, UnobservedTaskExceptionEventArgs e) => _unobserved.Enqueue($"{e.Exception}");
}
