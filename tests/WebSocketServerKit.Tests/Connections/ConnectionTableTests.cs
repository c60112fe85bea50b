using System.Net;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections;

public sealed class ConnectionTableTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly LeakCheckingPool _pool = new();
    private readonly Heartbeat _heartbeat;
    private readonly FakeLogger _logger = new();
    private readonly ServerLog _log;

    public ConnectionTableTests()
    {
        _heartbeat = new Heartbeat(_time, TimeSpan.FromSeconds(1), _ => { });
        _log = new ServerLog(_logger);
    }

    public void Dispose() => _heartbeat.Dispose();

    private ScriptedConnection From(string address) =>
        new(new ScriptedTransport(remoteAddress: address), ConnectionStage.DefaultSettings(_pool), _heartbeat, _log);

    private static ConnectionTable Table(int maxClients = 100, int maxPerAddress = 100, int maxHandshakes = 100, int maxTurnedAway = 100) =>
        new(maxClients, maxPerAddress, maxHandshakes, maxHandshakes, maxTurnedAway);

    private static Admission Add(ConnectionTable table, ConnectionLifetime connection)
    {
        Admission admission = table.Add(connection, out ConnectionLifetime? givesWay);
        Assert.Null(givesWay);
        return admission;
    }

    [Fact]
    public void Admits_clients_up_to_the_limit_and_the_next_when_one_has_left()
    {
        ConnectionTable table = Table(maxClients: 2);
        ScriptedConnection first = From("203.0.113.1");
        Assert.Equal(Admission.Admitted, Add(table, first));
        Assert.Equal(Admission.Admitted, Add(table, From("203.0.113.2")));
        ScriptedConnection third = From("203.0.113.3");
        Assert.Equal(Admission.TooManyClients, Add(table, third));
        Assert.Equal(Admission.TooManyClients, third.Admission);
        Assert.Equal((3, 1), (table.Count, table.TurnedAway));

        // That one which was turned away leaves makes no room for another.
        table.Remove(third);
        ScriptedConnection fourth = From("203.0.113.4");
        Assert.Equal(Admission.TooManyClients, Add(table, fourth));
        table.Remove(first);
        Assert.Equal(Admission.Admitted, Add(table, From("203.0.113.5")));
        Assert.Equal((3, 1), (table.Count, table.TurnedAway));
    }

    [Fact]
    public void A_connection_counts_for_the_address_that_it_came_from_although_the_host_changes_its_end_point()
    {
        ConnectionTable table = Table(maxPerAddress: 1);
        ScriptedConnection first = From("203.0.113.1");
        Assert.Equal(Admission.Admitted, Add(table, first));
        ((IPEndPoint)first.RemoteEndPoint).Address = IPAddress.Parse("203.0.113.2");
        Assert.Equal(Admission.Admitted, Add(table, From("203.0.113.2")));
        Assert.Equal(Admission.TooManyFromAddress, Add(table, From("203.0.113.1")));
        table.HandshakeEnded(first);
        table.Remove(first);
        Assert.Equal(Admission.Admitted, Add(table, From("203.0.113.1")));
        Assert.Equal(Admission.TooManyFromAddress, Add(table, From("203.0.113.2")));
    }

    [Fact]
    public void Counts_per_remote_address_whatever_the_port()
    {
        ConnectionTable table = Table(maxPerAddress: 2);
        ScriptedConnection first = From("203.0.113.1");
        Add(table, first);
        Add(table, From("203.0.113.1"));
        Assert.Equal(Admission.TooManyFromAddress, Add(table, From("203.0.113.1")));
        Assert.Equal(Admission.Admitted, Add(table, From("203.0.113.2")));
        table.Remove(first);
        Assert.Equal(Admission.Admitted, Add(table, From("203.0.113.1")));
        Assert.Equal(Admission.TooManyFromAddress, Add(table, From("203.0.113.1")));
    }

    [Fact]
    public void Counts_handshakes_that_are_under_way()
    {
        ConnectionTable table = Table(maxHandshakes: 1);
        ScriptedConnection first = From("203.0.113.1");
        first.HasBegunToSpeak();
        Add(table, first);
        Assert.Equal(Admission.TooManyHandshakes, Add(table, From("203.0.113.2")));
        table.HandshakeEnded(first);
        Assert.Equal(Admission.Admitted, Add(table, From("203.0.113.3")));
    }

    [Fact]
    public void Names_the_silent_connection_whose_place_a_newcomer_gets()
    {
        ConnectionTable table = Table(maxHandshakes: 1);
        ScriptedConnection silent = From("203.0.113.1");
        Add(table, silent);
        Assert.Equal(Admission.Admitted, table.Add(From("203.0.113.2"), out ConnectionLifetime? givesWay));
        Assert.Same(silent, givesWay);
        // It holds its socket until it has been turned away.
        Assert.Equal((2, 0), (table.Count, table.TurnedAway));
    }

    [Fact]
    public void Reads_plain_requests_when_it_is_full_if_somebody_answers_them_and_there_are_places()
    {
        ConnectionTable table = Table(maxClients: 1, maxHandshakes: 1);
        ScriptedConnection client = From("203.0.113.1");
        Add(table, client);
        table.HandshakeEnded(client);
        Assert.Equal(Admission.TooManyClients, Add(table, From("203.0.113.2")));

        ScriptedConnection silent = From("203.0.113.3"), asking = From("203.0.113.4"), late = From("203.0.113.5");
        silent.HasPlainHandlers = asking.HasPlainHandlers = late.HasPlainHandlers = true;
        Assert.Equal(Admission.PlainRequestOnly, Add(table, silent));
        Assert.Equal((1, 2), (table.Handshakes, table.TurnedAway));
        Assert.Equal(Admission.PlainRequestOnly, table.Add(asking, out ConnectionLifetime? givesWay));
        Assert.Same(silent, givesWay);
        asking.HasSpoken = true;
        Assert.Equal(Admission.TooManyClients, Add(table, late));
        table.HandshakeEnded(asking);
        table.Remove(asking);
        Assert.Equal((0, 3), (table.Handshakes, table.TurnedAway));
    }

    [Fact]
    public void In_a_flood_a_plain_request_has_the_place_of_a_silent_connection_or_none()
    {
        ConnectionTable table = Table(maxClients: 1, maxTurnedAway: 1);
        ScriptedConnection client = From("203.0.113.1"), silent = From("203.0.113.2"), asking = From("203.0.113.3"), late = From("203.0.113.4");
        silent.HasPlainHandlers = asking.HasPlainHandlers = late.HasPlainHandlers = true;
        Add(table, client);
        table.HandshakeEnded(client);
        Add(table, silent);
        Assert.False(table.IsFlooded);
        Assert.Equal(Admission.PlainRequestOnly, table.Add(asking, out ConnectionLifetime? givesWay));
        Assert.Same(silent, givesWay);
        Assert.True(table.IsFlooded);
        asking.HasSpoken = true;
        Assert.Equal(Admission.TooManyClients, Add(table, late));
    }

    [Fact]
    public void Admits_nobody_once_the_server_stops()
    {
        ConnectionTable table = Table();
        table.BeginStop();
        Assert.Equal(Admission.Stopping, Add(table, From("203.0.113.1")));
        Assert.Equal((1, 1), (table.Count, table.TurnedAway));
    }

    [Fact]
    public void Does_not_take_what_is_not_to_be_answered_once_the_server_stops()
    {
        ConnectionTable table = Table();
        table.BeginStop();
        Assert.Equal(Admission.Stopping, table.Add(From("203.0.113.1"), out ConnectionLifetime? givesWay, isAnsweredWhileStopping: false));
        Assert.Null(givesWay);
        Assert.Equal((0, 0), (table.Count, table.TurnedAway));
    }

    [Fact]
    public void Keeps_every_connection_in_its_place_while_others_come_and_go()
    {
        ConnectionTable table = Table();
        List<ConnectionLifetime> expected = [];
        var random = new Random(7);
        for (int i = 0; i < 500; i++)
        {
            if (expected.Count > 0 && random.Next(3) == 0)
            {
                ConnectionLifetime leaving = expected[random.Next(expected.Count)];
                expected.Remove(leaving);
                table.Remove(leaving);
            }
            else if (expected.Count < 90)
            {
                ScriptedConnection coming = From("203.0.113.1");
                expected.Add(coming);
                Add(table, coming);
                table.HandshakeEnded(coming);
            }

            Assert.Equal(expected.ToHashSet(), table.Snapshot().ToHashSet());
            Assert.Equal(expected.Count, table.Count);
        }
    }

    [Fact]
    public async Task Tells_when_the_last_one_has_gone_each_time()
    {
        ConnectionTable table = Table();
        Assert.True(table.WhenEmpty().IsCompletedSuccessfully);
        for (int i = 0; i < 2; i++)
        {
            ScriptedConnection first = From("203.0.113.1"), second = From("203.0.113.2");
            Add(table, first);
            Add(table, second);
            Task empty = table.WhenEmpty();
            table.Remove(first);
            Assert.False(empty.IsCompleted);
            table.Remove(second);
            await empty.InTime();
        }
    }

    [Fact]
    public void Lets_each_connection_look_at_the_time()
    {
        ConnectionTable table = Table();
        ScriptedConnection[] all = [.. Enumerable.Range(1, 40).Select(i => From($"203.0.113.{i}"))];
        foreach (ScriptedConnection connection in all)
        {
            Add(table, connection);
            connection.Handlers.Enter();
            connection.OnRequest = async () => await new TaskCompletionSource().Task;
            connection.Handlers.Raise();
            connection.Handlers.Leave();
        }

        // What each of them sees of it: a handler that runs for longer than it should.
        table.Beat(_heartbeat.Now);
        table.Beat(_heartbeat.Now + _heartbeat.ToTimestamp(TimeSpan.FromSeconds(4)));
        Assert.Equal(all.Length, _logger.Collector.GetSnapshot().Count(record => record.Id.Id == 12));
    }

    [Fact]
    public async Task Beats_while_connections_come_and_go()
    {
        ConnectionTable table = Table(maxClients: 10_000, maxPerAddress: 10_000, maxHandshakes: 100_000);
        using var stop = new CancellationTokenSource();
        Task beating = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                table.Beat(_heartbeat.Now);
        }, TestContext.Current.CancellationToken);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            List<ScriptedConnection> mine = [.. Enumerable.Range(0, 40).Select(_ => From("203.0.113.1"))];
            for (int i = 0; i < 50; i++)
            {
                mine.ForEach(connection => Add(table, connection));
                mine.ForEach(table.Remove);
            }
        }, TestContext.Current.CancellationToken))).InTime();
        await stop.CancelAsync();
        await beating.InTime();
        Assert.Equal((0, 0), (table.Count, table.TurnedAway));
        Assert.Empty(table.Snapshot());
    }

    [Fact]
    public void A_proxy_s_connections_count_for_the_address_of_their_client_and_not_before_it_is_known()
    {
        ConnectionTable table = Table(maxPerAddress: 1);
        ScriptedConnection[] proxied = [.. Enumerable.Range(0, 3).Select(_ => From("192.0.2.10"))];
        foreach (ScriptedConnection connection in proxied)
        {
            connection.IsAttributed = false;
            Assert.Equal(Admission.Admitted, Add(table, connection));
        }

        Assert.Equal(Admission.Admitted, Attribute(table, proxied[0], "198.51.100.1"));
        Assert.Equal(Admission.Admitted, Attribute(table, proxied[1], "198.51.100.2"));
        Assert.Equal(Admission.TooManyFromAddress, Attribute(table, proxied[2], "198.51.100.1"));
        Assert.Equal(1, table.TurnedAway);
        Assert.Equal(-1, proxied[2].HandshakeIndex);

        // A client that comes without the proxy counts together with those behind it.
        Assert.Equal(Admission.TooManyFromAddress, Add(table, From("198.51.100.2")));
        table.Remove(proxied[1]);
        Assert.Equal(Admission.Admitted, Add(table, From("198.51.100.2")));
    }

    [Fact]
    public void A_proxy_s_connection_that_leaves_before_its_client_is_known_counts_for_nobody()
    {
        ConnectionTable table = Table(maxPerAddress: 1);
        ScriptedConnection proxied = From("192.0.2.10");
        proxied.IsAttributed = false;
        Add(table, proxied);
        table.Remove(proxied);
        Assert.Equal(Admission.Admitted, Add(table, From("192.0.2.10")));
        Assert.Equal(1, table.Count);
    }

    [Fact]
    public void A_connection_that_was_turned_away_gets_no_place_back_when_its_client_becomes_known()
    {
        ConnectionTable table = new(100, 100, maxHandshakes: 10, maxHandshakesPerAddress: 1, maxTurnedAway: 100);
        ScriptedConnection proxied = From("192.0.2.10");
        proxied.IsAttributed = false;
        Add(table, proxied);
        table.HandshakeEnded(proxied);
        Assert.Equal(Admission.Admitted, Attribute(table, proxied, "198.51.100.1"));
        Assert.Equal(-1, proxied.HandshakeIndex);
    }

    [Fact]
    public void Handshakes_of_a_client_behind_a_proxy_count_for_its_address()
    {
        ConnectionTable table = new(100, 100, maxHandshakes: 10, maxHandshakesPerAddress: 1, maxTurnedAway: 100);
        ScriptedConnection[] proxied = [.. Enumerable.Range(0, 2).Select(_ => From("192.0.2.10"))];
        foreach (ScriptedConnection connection in proxied)
        {
            connection.IsAttributed = false;
            connection.HasSpoken = true;
            Assert.Equal(Admission.Admitted, Add(table, connection));
        }

        Assert.Equal(Admission.Admitted, Attribute(table, proxied[0], "198.51.100.1"));
        Assert.Equal(Admission.TooManyHandshakes, Attribute(table, proxied[1], "198.51.100.1"));
    }

    private static Admission Attribute(ConnectionTable table, ScriptedConnection connection, string client)
    {
        connection.Locate(new ProxyConnection(connection.Transport.RemoteEndPoint, connection.Transport.LocalEndPoint, null).WithClient(IPEndPoint.Parse($"{client}:1")));
        table.Attribute(connection, out ConnectionLifetime? givesWay);
        Assert.Null(givesWay);
        return connection.Admission;
    }
}
