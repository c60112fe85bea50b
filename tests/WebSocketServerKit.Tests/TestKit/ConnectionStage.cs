using System.Buffers;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.TestKit;

/// <summary>
/// One connection with everything around it scripted: transport, clock, log, memory. Disposed, it makes sure that the connection has given
/// back all that it had.
/// </summary>
internal sealed class ConnectionStage : IAsyncDisposable
{
    private Task? _running;

    public ConnectionStage(Func<ConnectionSettings, ConnectionSettings>? change = null, int segmentSize = 0)
    {
        Transport = new ScriptedTransport(segmentSize);
        Settings = (change ?? (settings => settings))(DefaultSettings(Pool));
        Heartbeat = new Heartbeat(Time, TimeSpan.FromSeconds(1), now => Connection!.Beat(now));
        Connection = new ScriptedConnection(Transport, Settings, Heartbeat, new ServerLog(Log));
    }

    public FakeTimeProvider Time { get; } = new();

    public LeakCheckingPool Pool { get; } = new();

    public FakeLogger Log { get; } = new();

    public ScriptedTransport Transport { get; }

    public ConnectionSettings Settings { get; }

    public Heartbeat Heartbeat { get; }

    public ScriptedConnection Connection { get; }

    /// <summary>Set by a test whose handlers were given up: then the reader and its buffers are left to them.</summary>
    public bool IsAbandoned { get; set; }

    /// <summary>Set by a test in which ClientDisconnected waits for handlers, and so may come behind the release.</summary>
    public bool IsToldLate { get; set; }

    public static ConnectionSettings DefaultSettings(ArrayPool<byte> pool) => new()
    {
        MaxMessageSize = 1024 * 1024,
        MaxFragmentsPerMessage = 1000,
        MaxRequestHeadSize = 8192,
        MaxHeaderLines = 100,
        SendQueueLimit = 1024 * 1024,
        HandshakeTimeout = TimeSpan.FromSeconds(10),
        PingInterval = TimeSpan.FromSeconds(20),
        PingTimeout = TimeSpan.FromSeconds(15),
        CloseTimeout = TimeSpan.FromSeconds(5),
        MaxCloseDuration = TimeSpan.FromSeconds(60),
        SlowHandlerThreshold = TimeSpan.FromSeconds(4),
        CloseOnHandlerException = true,
        Budget = BudgetOf(pool),
        Clock = StoppedClock(),
    };

    /// <summary>A budget that never ends.</summary>
    public static MemoryBudget BudgetOf(ArrayPool<byte> pool) => new(long.MaxValue, pool);

    /// <summary>A clock whose ticks are the test's: no slice is ever over, and no cork overdue, because the test was slow.</summary>
    public static SliceClock StoppedClock() => new(_ => { });

    public void Start() => _running = Connection.RunAsync();

    /// <summary>Starts, shakes hands and waits until the connection waits for frames.</summary>
    public Task OpenAsync() => OpenAsync(RequestHeads.Handshake);

    /// <summary>The same with another request; gives back the answer.</summary>
    public async Task<string> OpenAsync(string request)
    {
        Start();
        Transport.Receive(request);
        string answer = Encoding.ASCII.GetString(await Transport.NextWriteAsync());
        Assert.StartsWith("HTTP/1.1 101 ", answer, StringComparison.Ordinal);
        await Connection.Called("Connected");
        await Transport.WhenIdle;
        return answer;
    }

    /// <summary>So many beats of the heartbeat, one second each.</summary>
    public void Beats(int seconds)
    {
        for (int i = 0; i < seconds; i++)
            Time.Advance(TimeSpan.FromSeconds(1));
    }

    /// <summary>The connection is over, and all is given back.</summary>
    public async Task AssertReleasedAsync()
    {
        await Connection.Called("Released");
        await _running!.InTime();
        if (Settings.EventContext is null && !IsToldLate)
            Assert.Equal("Released", Connection.Calls[^1]);
        Assert.Equal(1, Transport.Disposals);
        Assert.Empty(Transport.Breaches);
        // Who answers a connection that is being turned away gives its buffer back by itself.
        if (!IsAbandoned)
            await Polling.UntilAsync(() => Pool.Rented == 0);
    }

    /// <summary>The frames sent so far, as text.</summary>
    public string Sent => string.Join('\n', Transport.Frames);

    public string Calls => string.Join('\n', Connection.Calls);

    public IEnumerable<FakeLogRecord> Logged(int id) => Log.Collector.GetSnapshot().Where(record => record.Id.Id == id);

    public void AssertQuietLog() => Assert.DoesNotContain(Log.Collector.GetSnapshot(), record => record.Level > LogLevel.Debug);

    public async ValueTask DisposeAsync()
    {
        Heartbeat.Dispose();
        if (_running is null)
        {
            await Transport.DisposeAsync();
            return;
        }

        Connection.EndStop();
        await AssertReleasedAsync();
    }
}
