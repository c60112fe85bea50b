using WebSocketServerKit.Connections;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Serving;

/// <summary>Adds up what the connections of all runs of a server have received and sent. A connection whose handlers outlive its run counts on. Thread-safe.</summary>
internal sealed class TrafficTotals
{
    private readonly List<ConnectionTable> _tables = []; // the newest is that of the present run; the lock is the list
    private Traffic _past; // of runs without connections

    /// <summary>A run begins.</summary>
    public void Add(ConnectionTable table)
    {
        lock (_tables)
        {
            _tables.Add(table);
            for (int i = _tables.Count - 2; i >= 0; i--)
            {
                if (_tables[i].Count > 0)
                    continue;
                _past += _tables[i].ReadTraffic();
                _tables.RemoveAt(i);
            }
        }
    }

    /// <summary>The sums. They never fall.</summary>
    public Traffic Read()
    {
        lock (_tables)
        {
            Traffic total = _past;
            foreach (ConnectionTable table in _tables)
                total += table.ReadTraffic();
            return total;
        }
    }
}
