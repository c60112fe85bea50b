using System.Net;
using System.Runtime.InteropServices;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Opening;

/// <summary>
/// The places for handshakes: so many in all, and so many for one remote address, so that no single one can keep all others out. When there is none left, a newcomer takes the place
/// of a connection that has not said anything yet, or else of an address that has many more than its own. Not thread-safe: <see cref="ConnectionTable"/> locks.
/// </summary>
internal sealed class HandshakePlaces(int max, int maxPerAddress)
{
    // How many connections are looked at for one newcomer. Those that turn out to have spoken are not looked at again.
    private const int MaxLooks = 16;

    private readonly List<Place> _taken = [];
    private readonly Dictionary<IPAddress, int> _perAddress = []; // no entry for 0
    private long _newcomers;

    public int Count => _taken.Count;

    /// <summary>Takes a place. False when there is none, and nobody gives way.</summary>
    /// <param name="connection">The newcomer.</param>
    /// <param name="givesWay">Who had the place; it has to be turned away.</param>
    public bool TryTake(ConnectionLifetime connection, out ConnectionLifetime? givesWay)
    {
        IPAddress address = EndPointAddress.Of(connection.RemoteEndPoint);
        bool isAddressFull = _perAddress.GetValueOrDefault(address) >= maxPerAddress;
        givesWay = null;
        if (isAddressFull || _taken.Count >= max)
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

    /// <summary>Gives the place back, if the connection has one still.</summary>
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

    // The one that has been silent for longest, of the address that has most places.
    private ConnectionLifetime? FindSilent(IPAddress? address)
    {
        for (int look = 0; look < MaxLooks; look++)
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
            if (!silent.LooksWhetherItHasSpoken())
                return silent;
        }

        return null;
    }

    // The oldest of the address that has most places, if the newcomer's would not have as many.
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
