using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class TrafficTotalsTests : IDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly Heartbeat _heartbeat = new(new FakeTimeProvider(), TimeSpan.FromSeconds(1), _ => { });
    private readonly TrafficTotals _totals = new();

    public void Dispose() => _heartbeat.Dispose();

    [Fact]
    public void Runs_add_up_and_what_outlives_its_run_counts_on()
    {
        ConnectionTable first = BeginRun();
        ScriptedConnection gone = Add(first), stays = Add(first);
        Send(gone, 1);
        Send(stays, 10);
        Assert.Equal(11, _totals.Read().MessagesSent);
        first.Remove(gone);
        Assert.Equal(11, _totals.Read().MessagesSent);

        ConnectionTable second = BeginRun();
        Send(stays, 100);
        Send(Add(second), 1_000);
        Assert.Equal(1_111, _totals.Read().MessagesSent);
        first.Remove(stays);
        Assert.Equal(1_111, _totals.Read().MessagesSent);
        BeginRun(); // the first run is forgotten
        Assert.Equal(1_111, _totals.Read().MessagesSent);
    }

    private ConnectionTable BeginRun()
    {
        ConnectionTable table = new(100, 100, 100, 100, 100);
        _totals.Add(table);
        return table;
    }

    private ScriptedConnection Add(ConnectionTable table)
    {
        ScriptedConnection connection = new(new ScriptedTransport(), ConnectionStage.DefaultSettings(_pool), _heartbeat, new ServerLog(new FakeLogger()));
        table.Add(connection, out _);
        return connection;
    }

    private static void Send(ScriptedConnection connection, int count)
    {
        for (int i = 0; i < count; i++)
            connection.Queue.TrySend(Opcode.Text, "x"u8);
    }
}
