using System.Net;
using System.Runtime.InteropServices;

namespace WebSocketServerKit.Connections.Opening;

/// <summary>
/// Limits concurrent handshakes: in total, and for each remote address, so that one address cannot keep all others out. At the limit, a new connection replaces
/// one that has sent nothing yet. If all have sent something and the total limit is reached, it replaces the oldest of the address with the most places, if
/// that has at least two more than its own.
/// <para>Invariant: a connection's <see cref="ConnectionLifetime.HandshakeIndex"/> is the index of its place, or -1. Not thread-safe:
/// <see cref="ConnectionTable"/> locks.</para>
/// </summary>
internal sealed class HandshakePlaces(int max, int maxPerAddress)
{
    // The most sockets that are polled for one new connection. A socket that turns out to have unread bytes is not polled again.
    private const int MaxPolls = 16;

    private readonly List<Place> _taken = [];
    private readonly Dictionary<IPAddress, int> _perAddress = []; // no entry for 0
    private long _newcomers;

    public int Count => _taken.Count;

    /// <summary>Takes a place for a new connection. False when there is none and no other connection can be replaced.</summary>
    /// <param name="connection">The new connection.</param>
    /// <param name="givesWay">The connection that was replaced, or null. The caller turns it away.</param>
    /// <param name="mustReplace">Whether it may have no place but that of another.</param>
    public bool TryTake(ConnectionLifetime connection, out ConnectionLifetime? givesWay, bool mustReplace = false)
    {
        IPAddress address = connection.RemoteAddress;
        bool isAddressFull = connection.IsAttributed && _perAddress.GetValueOrDefault(address) >= maxPerAddress;
        givesWay = null;
        if (isAddressFull || mustReplace || _taken.Count >= max)
        {
            givesWay = FindSilent(isAddressFull ? address : null) ?? (isAddressFull ? null : FindOfLargest(address));
            if (givesWay is null)
                return false;
            Release(givesWay);
        }

        connection.HandshakeIndex = _taken.Count;
        _taken.Add(new Place(connection, address, _newcomers++));
        CollectionsMarshal.GetValueRefOrAddDefault(_perAddress, address, out _)++;
        return true;
    }

    /// <summary>Gives the place back. Does nothing if the connection has none.</summary>
    public void Release(ConnectionLifetime connection)
    {
        int index = connection.HandshakeIndex;
        if (index < 0)
            return;
        connection.HandshakeIndex = -1;
        IPAddress address = _taken[index].Address;
        Place last = _taken[^1];
        _taken.RemoveAt(_taken.Count - 1);
        if (index < _taken.Count)
        {
            _taken[index] = last;
            last.Connection.HandshakeIndex = index;
        }

        if (--CollectionsMarshal.GetValueRefOrNullRef(_perAddress, address) == 0)
            _perAddress.Remove(address);
    }

    // Of the connections that have sent nothing, the oldest one of the address with the most places.
    private ConnectionLifetime? FindSilent(IPAddress? address)
    {
        for (int poll = 0; poll < MaxPolls; poll++)
        {
            Place? best = null;
            int bestCount = 0;
            foreach (Place place in _taken)
            {
                if (place.Connection.HasSpoken || (address is not null && !address.Equals(place.Address)))
                    continue;
                int count = _perAddress[place.Address];
                if (best is null || count > bestCount || (count == bestCount && place.Number < best.Value.Number))
                    (best, bestCount) = (place, count);
            }

            if (best is not { Connection: var silent })
                return null;
            if (!silent.PollHasSpoken())
                return silent;
        }

        return null;
    }

    // The oldest connection of the address with the most places, unless the new connection's address would then have as many.
    private ConnectionLifetime? FindOfLargest(IPAddress newcomer)
    {
        Place? best = null;
        int bestCount = _perAddress.GetValueOrDefault(newcomer) + 1;
        foreach (Place place in _taken)
        {
            int count = _perAddress[place.Address];
            if (count > bestCount || (best is not null && count == bestCount && place.Number < best.Value.Number))
                (best, bestCount) = (place, count);
        }

        return best?.Connection;
    }

    private readonly record struct Place(ConnectionLifetime Connection, IPAddress Address, long Number);
}
