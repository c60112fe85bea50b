using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Memory;

public sealed class MemoryBudgetTests : IAsyncDisposable
{
    private const int MiB = 1024 * 1024;
    private const int Limit = 2_050_000;
    private const int HalfMessage = 500_000; // it lies in an array of up to 525,000 bytes, as that grows by doubling

    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogger _logger = new();
    private readonly LeakCheckingPool _pool = new();
    private readonly Heartbeat _heartbeat;
    private readonly ServerLog _log;
    private readonly MemoryBudget _budget;
    private readonly List<(ScriptedConnection Connection, ScriptedTransport Transport, Task Running)> _clients = [];

    public MemoryBudgetTests()
    {
        _log = new ServerLog(_logger);
        _budget = new MemoryBudget(Limit, _pool, _log);
        _heartbeat = new Heartbeat(_time, TimeSpan.FromSeconds(1), now =>
        {
            foreach (ScriptedConnection connection in Connections)
                connection.Beat(now);
            _budget.Relieve(() => Connections, _heartbeat!);
        });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (ScriptedConnection connection in Connections)
            connection.EndStop();
        _heartbeat.Dispose(); // those who are held back wait for a beat
        foreach ((_, _, Task running) in _clients)
            await running.InTime();
        Assert.Equal((0L, 0), (_budget.Used, _pool.Rented));
    }

    private ScriptedConnection[] Connections => [.. _clients.Select(client => client.Connection)];

    private IEnumerable<FakeLogRecord> Logged(int id) => _logger.Collector.GetSnapshot().Where(record => record.Id.Id == id);

    private async Task<(ScriptedConnection Connection, ScriptedTransport Transport)> OpenAsync()
    {
        ScriptedTransport transport = new();
        ConnectionSettings settings = ConnectionStage.DefaultSettings(_pool) with { Budget = _budget, SendQueueLimit = Limit };
        ScriptedConnection connection = new(transport, settings, _heartbeat, _log);
        _clients.Add((connection, transport, connection.RunAsync()));
        transport.Receive(RequestHeads.Handshake);
        await connection.Called("Connected");
        await transport.WhenIdle;
        return (connection, transport);
    }

    // A message that has not come to its end: the server holds it.
    private async Task<(ScriptedConnection Connection, ScriptedTransport Transport)> OpenWithHalfAMessageAsync()
    {
        (ScriptedConnection connection, ScriptedTransport transport) = await OpenAsync();
        transport.Receive(Frames.Frame(Opcode.Binary, new byte[HalfMessage], fin: false));
        await transport.WhenIdle;
        Assert.InRange(connection.HeldBytes, HalfMessage, 525_000);
        return (connection, transport);
    }

    private static void AssertClosedForMemory(ScriptedConnection connection, ScriptedTransport transport)
    {
        Assert.Equal((DisconnectCause.MemoryBudgetExceeded, 1013), (connection.Ending!.Cause, (int)connection.Ending.Code));
        Assert.Equal((1013, "server is short of memory"), ((int)transport.Frames[^1].ReadClose().Code, transport.Frames[^1].ReadClose().Reason));
    }

    [Fact]
    public async Task Below_three_quarters_nobody_is_paused_or_closed()
    {
        (ScriptedConnection connection, _) = await OpenWithHalfAMessageAsync();
        await OpenWithHalfAMessageAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(_budget.IsShort);
        Assert.True(connection.IsOpen);
        Assert.Empty(Logged(14));
    }

    [Fact]
    public async Task Near_the_limit_those_who_hold_most_are_not_read_from_and_the_others_are()
    {
        (ScriptedConnection large, ScriptedTransport toLarge) = await OpenWithHalfAMessageAsync();
        await OpenWithHalfAMessageAsync();
        await OpenWithHalfAMessageAsync();
        (ScriptedConnection small, ScriptedTransport toSmall) = await OpenAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_budget.IsShort);
        Assert.True(_budget.Pauses(large.HeldBytes));
        Assert.False(_budget.Pauses(small.HeldBytes));

        toSmall.Receive(Frames.Text("goes on"));
        await small.Called("Message goes on");
        // The read that was under way is the last one.
        toLarge.Receive(Frames.Frame(Opcode.Continuation, "1"u8, fin: false));
        await Polling.UntilAsync(() => large.IsHoldingBack);
        toLarge.Receive(Frames.Frame(Opcode.Continuation, "2"u8, fin: false));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(toLarge.HasUnread);
        Assert.True(large.IsOpen);
    }

    [Fact]
    public async Task Above_the_limit_the_largest_are_closed_with_1013_and_what_they_held_is_given_back()
    {
        List<(ScriptedConnection Connection, ScriptedTransport Transport)> clients = [];
        for (int i = 0; i < 3; i++)
            clients.Add(await OpenWithHalfAMessageAsync());
        (ScriptedConnection small, _) = await OpenAsync();
        _budget.Count(2 * HalfMessage); // an array beyond the limit would pause the client that it is for
        _time.Advance(TimeSpan.FromSeconds(1));
        // Two, so that there is some room afterwards.
        (ScriptedConnection Connection, ScriptedTransport Transport)[] closed = [.. clients.Where(client => !client.Connection.IsOpen)];
        Assert.Equal(2, closed.Length);
        Assert.All(closed, client => AssertClosedForMemory(client.Connection, client.Transport));
        Assert.True(small.IsOpen);

        // They have a second to answer, however slow they are.
        _time.Advance(TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(1));
        foreach ((ScriptedConnection connection, _) in closed)
            await connection.Called("Released");
        Assert.InRange(_budget.Used, 3 * HalfMessage, Limit);
        _budget.Count(-2 * HalfMessage);
        Assert.Equal(LogLevel.Warning, Assert.Single(Logged(14)).Level);
    }

    [Fact]
    public async Task Far_above_the_limit_a_client_that_has_just_grown_is_closed_before_the_largest_are_known()
    {
        _budget.Count(HalfMessage); // together with the first two it is above the limit, which pauses them
        (ScriptedConnection first, _) = await OpenWithHalfAMessageAsync();
        (ScriptedConnection second, _) = await OpenWithHalfAMessageAsync();
        (ScriptedConnection small, ScriptedTransport toSmall) = await OpenAsync();
        (ScriptedConnection last, ScriptedTransport toLast) = await OpenAsync();
        _budget.Count(2 * HalfMessage);
        toLast.Receive(Frames.Frame(Opcode.Binary, new byte[HalfMessage], fin: false));
        await Polling.UntilAsync(() => toLast.Frames.Count > 0); // no beat has ranked the clients
        AssertClosedForMemory(last, toLast);
        Assert.True(first.IsOpen && second.IsOpen);

        toSmall.Receive(Frames.Text("goes on"));
        await small.Called("Message goes on");
        _budget.Count(-3 * HalfMessage);
    }

    [Fact]
    public async Task A_client_that_was_paused_is_read_from_again_when_there_is_room()
    {
        (ScriptedConnection paused, ScriptedTransport toPaused) = await OpenWithHalfAMessageAsync();
        (ScriptedConnection other, _) = await OpenWithHalfAMessageAsync();
        await OpenWithHalfAMessageAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_budget.IsShort);
        toPaused.Receive(Frames.Frame(Opcode.Continuation, "."u8, fin: false));
        await Polling.UntilAsync(() => paused.IsHoldingBack);
        toPaused.Receive(Frames.Frame(Opcode.Continuation, "!"u8));

        other.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, 1006, ""));
        await other.Called("Released");
        _time.Advance(TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(1));
        await Polling.UntilAsync(() => paused.MessagesReceived == 1);
        Assert.Single(Logged(14));
        Assert.Single(Logged(15));
    }

    [Fact]
    public async Task Where_the_memory_stays_short_one_client_after_the_other_makes_room()
    {
        List<ScriptedConnection> clients = [];
        for (int i = 0; i < 3; i++)
            clients.Add((await OpenWithHalfAMessageAsync()).Connection);
        for (int i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.All(clients, client => Assert.True(client.IsOpen));
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        ScriptedConnection closed = Assert.Single(clients, client => !client.IsOpen);
        Assert.Equal(DisconnectCause.MemoryBudgetExceeded, closed.Ending!.Cause);
    }

    [Fact]
    public async Task What_waits_for_a_client_that_does_not_read_counts_and_is_thrown_away_when_it_is_closed()
    {
        (ScriptedConnection connection, ScriptedTransport transport) = await OpenAsync();
        transport.HoldWrites();
        connection.Queue.TrySend(Opcode.Binary, new byte[MiB / 4]);
        connection.Queue.TrySend(Opcode.Binary, new byte[3 * MiB / 2]);
        Task<SendOutcome> inLine = connection.Queue.WaitAndSendFrameAsync(new byte[MiB / 2], 0, TestContext.Current.CancellationToken);
        Assert.InRange(_budget.Used, 2 * MiB, 3 * MiB);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(DisconnectCause.MemoryBudgetExceeded, connection.Ending!.Cause);
        Assert.Equal(SendOutcome.Closed, await inLine.InTime());
        Assert.InRange(_budget.Used, MiB / 4, MiB / 2); // what the transport is busy with
        transport.LetAllWritesEnd();
    }

    [Fact]
    public async Task Between_two_beats_a_large_array_asks_for_relief()
    {
        TaskCompletionSource asked = Timely.Signal();
        _budget.BecameShort = () => asked.TrySetResult();
        byte[] first = _budget.Pool.Rent(MiB);
        Assert.False(asked.Task.IsCompleted);
        byte[] second = _budget.Pool.Rent(MiB);
        await asked.Task.InTime();
        _budget.Pool.Return(first);
        _budget.Pool.Return(second);
    }

    [Fact]
    public void Where_relief_itself_fails_that_is_logged_and_tried_again()
    {
        byte[] array = _budget.Pool.Rent(Limit);
        _budget.Relieve(() => throw new InvalidOperationException(), _heartbeat);
        FakeLogRecord record = Assert.Single(Logged(16));
        Assert.IsType<InvalidOperationException>(record.Exception);
        _budget.Relieve(() => [], _heartbeat);
        Assert.Single(Logged(14));
        _budget.Pool.Return(array);
    }

    [Fact]
    public void Memory_that_hovers_around_the_threshold_is_logged_once_and_its_end_when_there_is_plenty()
    {
        const long Near = Limit - Limit / 4;
        _budget.Count(Near);
        for (int i = 0; i < 5; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.True(_budget.IsShort);
            _budget.Count(-1);
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.False(_budget.IsShort);
            _budget.Count(1);
        }

        Assert.Single(Logged(14));
        Assert.Empty(Logged(15));
        _budget.Count(-Limit / 8 - 1);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Single(Logged(15));
        _budget.Count(Limit / 8 + 1);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, Logged(14).Count());
        _budget.Count(-Near);
    }

    [Fact]
    public void What_is_not_of_the_pool_counts_too()
    {
        _budget.Count(MemoryBudget.InflaterSize);
        Assert.Equal(MemoryBudget.InflaterSize, _budget.Used);
        _budget.Count(-MemoryBudget.InflaterSize);
        Assert.Equal(0, _budget.Used);
    }
}
