namespace WebSocketServerKit.Serving;

/// <summary>
/// A multimap from a key to the clients that have it. Add and remove take constant time: each client stores its own position in the list of its key.
/// <para>Not thread-safe: <see cref="ClientRegistry"/> locks.</para>
/// </summary>
/// <param name="placeOf">Returns the field in which a client stores its position.</param>
/// <param name="comparer">Compares keys.</param>
internal sealed class ClientIndex<TKey>(ClientIndex<TKey>.PlaceOf placeOf, IEqualityComparer<TKey>? comparer = null)
    where TKey : notnull
{
    private readonly Dictionary<TKey, List<WebSocketClient>> _clients = new(comparer);

    public delegate ref int PlaceOf(WebSocketClient client);

    public IReadOnlyList<WebSocketClient> Find(TKey key) => _clients.TryGetValue(key, out List<WebSocketClient>? clients) ? [.. clients] : [];

    public void Add(TKey key, WebSocketClient client)
    {
        if (!_clients.TryGetValue(key, out List<WebSocketClient>? clients))
            _clients.Add(key, clients = new List<WebSocketClient>(1));
        placeOf(client) = clients.Count;
        clients.Add(client);
    }

    public void Remove(TKey key, WebSocketClient client)
    {
        List<WebSocketClient> clients = _clients[key];
        int place = placeOf(client);
        WebSocketClient last = clients[^1];
        clients[place] = last;
        placeOf(last) = place;
        clients.RemoveAt(clients.Count - 1);
        if (clients.Count == 0)
            _clients.Remove(key);
    }
}
