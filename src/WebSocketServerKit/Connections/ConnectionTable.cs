using System.Net;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections;

/// <summary>Whether a new connection is let in, and if not, why.</summary>
internal enum Admission : byte
{
    Admitted,
    TooManyClients,
    TooManyFromAddress,
    TooManyHandshakes,

    /// <summary>The server is being stopped.</summary>
    Stopping,

    /// <summary>Admitted at first; then the request did not come in time.</summary>
    TooSlow,
}

/// <summary>
/// Every connection that holds a socket, from accept to the very end, those that were turned away included. It counts for the limits, gives the
/// heartbeat its list, and tells when the last one has gone. Thread-safe.
/// </summary>
internal sealed class ConnectionTable(int maxClients, int maxPerAddress, int maxHandshakes, int maxHandshakesPerAddress)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _perAddress = []; // admitted ones only; no entry for 0
    private readonly HandshakePlaces _handshakes = new(maxHandshakes, maxHandshakesPerAddress);
    private ConnectionLifetime[] _all = new ConnectionLifetime[16];
    private int _count;
    private int _admitted;
    private bool _stopping;
    private TaskCompletionSource? _empty;

    /// <summary>Connections that hold a socket.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Connections that were turned away and whose answer is still on its way.</summary>
    public int TurnedAway
    {
        get
        {
            lock (_gate)
                return _count - _admitted;
        }
    }

    /// <summary>Enters a connection and says whether it may go on to its handshake.</summary>
    /// <param name="connection">The newcomer.</param>
    /// <param name="givesWay">Another connection whose place for a handshake it gets: the caller turns that one away.</param>
    public Admission Add(ConnectionLifetime connection, out ConnectionLifetime? givesWay)
    {
        givesWay = null;
        lock (_gate)
        {
            if (_count == _all.Length)
                Array.Resize(ref _all, _count * 2);
            connection.TableIndex = _count;
            _all[_count] = connection;
            Volatile.Write(ref _count, _count + 1);

            IPAddress address = EndPointAddress.Of(connection.RemoteEndPoint);
            int fromAddress = _perAddress.GetValueOrDefault(address);
            connection.Admission = _stopping ? Admission.Stopping
                : _admitted >= maxClients ? Admission.TooManyClients
                : fromAddress >= maxPerAddress ? Admission.TooManyFromAddress
                : !_handshakes.TryTake(connection, out givesWay) ? Admission.TooManyHandshakes
                : Admission.Admitted;
            if (connection.Admission == Admission.Admitted)
            {
                _admitted++;
                _perAddress[address] = fromAddress + 1;
            }

            return connection.Admission;
        }
    }

    /// <summary>The handshake of an admitted connection is over, one way or the other: its place is free for the next.</summary>
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

            if (connection.Admission == Admission.Admitted)
            {
                _admitted--;
                IPAddress address = EndPointAddress.Of(connection.RemoteEndPoint);
                if (_perAddress[address] == 1)
                    _perAddress.Remove(address);
                else
                    _perAddress[address]--;
            }

            if (last == 0)
            {
                _empty?.SetResult();
                _empty = null;
            }
        }
    }

    /// <summary>From now on nobody is admitted.</summary>
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
    /// Lets each connection look at the time. No lock: a connection that another one's removal moves may miss this beat and is seen by the next.
    /// </summary>
    public void Beat(long now)
    {
        ConnectionLifetime[] all = Volatile.Read(ref _all);
        for (int i = 0; i < Math.Min(Volatile.Read(ref _count), all.Length); i++)
            Volatile.Read(ref all[i])?.Beat(now);
    }
}
