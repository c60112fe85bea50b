using System.Net;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Connections;

/// <summary>Whether a new connection is admitted, and if not, why.</summary>
internal enum Admission : byte
{
    Admitted,
    TooManyClients,

    /// <summary>There are too many clients. It has a handshake place all the same: its request is read, since the host answers plain requests.</summary>
    PlainRequestOnly,

    TooManyFromAddress,
    TooManyHandshakes,

    /// <summary>The server is being stopped.</summary>
    Stopping,

    /// <summary>It was admitted, but its request did not come in time.</summary>
    TooSlow,
}

/// <summary>
/// All connections of a server from accept to release, including those that are being turned away. Enforces the limits on connections, lets the heartbeat visit
/// each one, and tells when none is left.
/// <para>Invariants: a connection is added once and removed once. One lock guards all fields and the <see cref="HandshakePlaces"/>; only <see cref="Count"/> and
/// <see cref="Beat"/> read without it. Thread-safe.</para>
/// </summary>
internal sealed class ConnectionTable(int maxClients, int maxPerAddress, int maxHandshakes, int maxHandshakesPerAddress, int maxTurnedAway)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _perAddress = []; // admitted connections only; an address without any has no entry
    private readonly HandshakePlaces _handshakes = new(maxHandshakes, maxHandshakesPerAddress);
    private ConnectionLifetime[] _all = new ConnectionLifetime[16];
    private int _count;
    private int _admitted;
    private bool _stopping;
    private Traffic _past; // of connections that were removed
    private TaskCompletionSource? _empty;

    /// <summary>The number of connections in the table.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The number of connections that were not admitted and are still being answered.</summary>
    public int TurnedAway
    {
        get
        {
            lock (_gate)
                return _count - _admitted;
        }
    }

    /// <summary>Whether more connections than allowed were not admitted and are still being answered.</summary>
    public bool IsFlooded => TurnedAway > maxTurnedAway;

    /// <summary>Adds a connection and decides whether it is admitted to the handshake.</summary>
    /// <param name="connection">The new connection.</param>
    /// <param name="givesWay">The connection whose handshake place it has taken, or null. The caller turns that one away.</param>
    /// <param name="isAnsweredWhileStopping">Whether the connection stays, to be answered, once the server stops. Otherwise it is not added then.</param>
    public Admission Add(ConnectionLifetime connection, out ConnectionLifetime? givesWay, bool isAnsweredWhileStopping = true)
    {
        givesWay = null;
        lock (_gate)
        {
            if (_stopping && !isAnsweredWhileStopping)
                return connection.Admission = Admission.Stopping;
            if (_count == _all.Length)
                Array.Resize(ref _all, _count * 2);
            connection.TableIndex = _count;
            _all[_count] = connection;
            Volatile.Write(ref _count, _count + 1);

            IPAddress address = connection.RemoteAddress;
            int fromAddress = _perAddress.GetValueOrDefault(address);
            connection.Admission = _stopping ? Admission.Stopping
                : _admitted >= maxClients ? Admission.TooManyClients
                : fromAddress >= maxPerAddress && connection.IsAttributed ? Admission.TooManyFromAddress
                : !_handshakes.TryTake(connection, out givesWay) ? Admission.TooManyHandshakes
                : Admission.Admitted;
            if (connection.Admission == Admission.Admitted)
            {
                _admitted++;
                if (connection.IsAttributed)
                    _perAddress[address] = fromAddress + 1;
            }
            else if (connection.Admission == Admission.TooManyClients && connection.AnswersPlainRequests && _handshakes.TryTake(connection, out givesWay, mustReplace: _count - _admitted > maxTurnedAway))
            {
                connection.Admission = Admission.PlainRequestOnly;
            }

            return connection.Admission;
        }
    }

    /// <summary>Counts a connection for its client's address, which a proxy has told meanwhile. It may lose its admission by that. Call it once, during the handshake.</summary>
    /// <param name="connection">A connection that was added with <see cref="ConnectionLifetime.IsAttributed"/> false.</param>
    /// <param name="givesWay">The connection whose handshake place it has taken, or null. The caller turns that one away.</param>
    public void Attribute(ConnectionLifetime connection, out ConnectionLifetime? givesWay)
    {
        givesWay = null;
        lock (_gate)
        {
            connection.IsAttributed = true;
            if (connection.Admission != Admission.Admitted)
                return;
            IPAddress address = connection.RemoteAddress;
            int fromAddress = _perAddress.GetValueOrDefault(address);
            // Without a place it has been turned away already.
            bool hasPlace = connection.HandshakeIndex >= 0;
            _handshakes.Release(connection);
            connection.Admission = fromAddress >= maxPerAddress ? Admission.TooManyFromAddress
                : hasPlace && !_handshakes.TryTake(connection, out givesWay) ? Admission.TooManyHandshakes
                : Admission.Admitted;
            if (connection.Admission == Admission.Admitted)
                _perAddress[address] = fromAddress + 1;
            else
                _admitted--;
        }
    }

    /// <summary>Frees the handshake place of a connection. Does nothing if it has none.</summary>
    public void HandshakeEnded(ConnectionLifetime connection)
    {
        lock (_gate)
            _handshakes.Release(connection);
    }

    public void Remove(ConnectionLifetime connection)
    {
        lock (_gate)
        {
            int last = _count - 1;
            ConnectionLifetime moved = _all[last];
            _all[connection.TableIndex] = moved;
            moved.TableIndex = connection.TableIndex;
            _all[last] = null!;
            Volatile.Write(ref _count, last);
            _past += connection.Traffic;

            if (connection.Admission == Admission.Admitted)
            {
                _admitted--;
                IPAddress address = connection.RemoteAddress;
                if (connection.IsAttributed && --_perAddress[address] == 0)
                    _perAddress.Remove(address);
            }

            if (last == 0)
            {
                _empty?.SetResult();
                _empty = null;
            }
        }
    }

    /// <summary>Stops admitting connections.</summary>
    public void BeginStop()
    {
        lock (_gate)
            _stopping = true;
    }

    public ConnectionLifetime[] Snapshot()
    {
        lock (_gate)
            return _all.AsSpan(0, _count).ToArray();
    }

    /// <summary>The number of connections in the opening handshake.</summary>
    public int Handshakes
    {
        get
        {
            lock (_gate)
                return _handshakes.Count;
        }
    }

    /// <summary>What all its connections have received and sent, those that were removed included. Never falls, since a connection counts nothing more once it is removed.</summary>
    public Traffic ReadTraffic()
    {
        Traffic total;
        ConnectionLifetime[] connections;
        lock (_gate)
            (total, connections) = (_past, Snapshot());
        foreach (ConnectionLifetime connection in connections)
            total += connection.Traffic;
        return total;
    }

    /// <summary>Completes when no connection is left.</summary>
    public Task WhenEmpty()
    {
        lock (_gate)
        {
            if (_count == 0)
                return Task.CompletedTask;
            return (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>
    /// Calls <see cref="ConnectionLifetime.Beat"/> on each connection. It takes no lock: a connection that a concurrent removal moves in the table may miss one beat.
    /// </summary>
    public void Beat(long now)
    {
        ConnectionLifetime[] all = Volatile.Read(ref _all);
        for (int i = 0; i < Math.Min(Volatile.Read(ref _count), all.Length); i++)
            Volatile.Read(ref all[i])?.Beat(now);
    }
}
