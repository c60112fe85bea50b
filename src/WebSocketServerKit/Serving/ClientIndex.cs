using System.Runtime.InteropServices;

namespace WebSocketServerKit.Serving;

/// <summary>
/// The client sets of one kind by their keys. A set is made with its first client, and is gone with its last.
/// <para>Not thread-safe: <see cref="ClientRegistry"/> locks.</para>
/// </summary>
/// <param name="kind">The kind of all its sets.</param>
/// <param name="comparer">Compares keys.</param>
internal class ClientIndex<TKey>(ClientSetKind kind, IEqualityComparer<TKey>? comparer = null)
    where TKey : notnull
{
    private readonly Dictionary<TKey, ClientSet> _sets = new(comparer);

    /// <summary>Called with a key that has got its first client, or lost its last one. Under the registry's lock.</summary>
    public Action<ClientSetKind, TKey>? KeyChanged { get; set; }

    public ClientSetKind Kind => kind;

    /// <summary>The keys of all sets.</summary>
    public IReadOnlyCollection<TKey> Keys => _sets.Keys;

    public ClientSet? Find(TKey key) => _sets.GetValueOrDefault(key);

    /// <summary>Adds a client that does not have this key.</summary>
    public void Add(TKey key, WebSocketClient client)
    {
        ref ClientSet? set = ref CollectionsMarshal.GetValueRefOrAddDefault(_sets, key, out bool exists);
        if (!exists)
        {
            set = new ClientSet(kind, key);
            Added(set);
            KeyChanged?.Invoke(kind, key);
        }

        set!.Add(client);
    }

    /// <summary>Removes a client that has this key.</summary>
    public void Remove(TKey key, WebSocketClient client)
    {
        ClientSet set = _sets[key];
        set.Remove(client);
        if (set.Count == 0)
        {
            _sets.Remove(key);
            Removed(set);
            KeyChanged?.Invoke(kind, key);
        }
    }

    /// <summary>Called with a set that is new.</summary>
    protected virtual void Added(ClientSet set)
    {
    }

    /// <summary>Called with a set that is gone.</summary>
    protected virtual void Removed(ClientSet set)
    {
    }
}
