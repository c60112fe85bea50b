namespace WebSocketServerKit.Serving;

/// <summary>Clients by something that several of them may share. Not thread-safe: <see cref="ClientRegistry"/> locks.</summary>
/// <param name="placeOf">Where a client keeps its place among those that share its key: so it leaves without a search, and without a hash table to hold it.</param>
/// <param name="comparer">How keys are compared.</param>
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
