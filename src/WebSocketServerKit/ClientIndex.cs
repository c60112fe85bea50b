namespace WebSocketServerKit;

/// <summary>Clients by something that several of them may share. Not thread-safe: <see cref="ClientRegistry"/> locks.</summary>
internal sealed class ClientIndex<TKey>(IEqualityComparer<TKey>? comparer = null)
    where TKey : notnull
{
    private readonly Dictionary<TKey, HashSet<WebSocketConnection>> _clients = new(comparer);

    public IReadOnlyList<WebSocketConnection> Find(TKey key) => _clients.TryGetValue(key, out HashSet<WebSocketConnection>? clients) ? [.. clients] : [];

    public void Add(TKey key, WebSocketConnection client)
    {
        if (!_clients.TryGetValue(key, out HashSet<WebSocketConnection>? clients))
            _clients.Add(key, clients = new HashSet<WebSocketConnection>(1));
        clients.Add(client);
    }

    public void Remove(TKey key, WebSocketConnection client)
    {
        HashSet<WebSocketConnection> clients = _clients[key];
        clients.Remove(client);
        if (clients.Count == 0)
            _clients.Remove(key);
    }
}
