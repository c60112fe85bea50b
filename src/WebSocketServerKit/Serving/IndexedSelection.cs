using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit.Serving;

/// <summary>A selection of those who are in at least one of some client sets, which an index has.</summary>
internal abstract class IndexedSelection(ClientSelection wider) : ClientSelection(wider, usesIndex: true, isFiltered: false)
{
    /// <summary>The sets that the latest <see cref="FindSets"/> has found. Under the registry's lock.</summary>
    public abstract ReadOnlySpan<ClientSet> Sets { get; }

    internal override int Find()
    {
        FindSets();
        long count = 0;
        foreach (ClientSet set in Sets)
            count += set.Count;
        return (int)Math.Min(count, int.MaxValue);
    }

    internal override bool Has(WebSocketClient client)
    {
        foreach (ClientSet set in Sets)
        {
            if (set.Contains(client))
                return true;
        }

        return false;
    }

    /// <summary>Looks the sets up. Under the registry's lock.</summary>
    protected abstract void FindSets();
}

/// <summary>A selection of those who have one key.</summary>
internal sealed class KeySelection<TKey>(ClientSelection wider, ClientIndex<TKey> index, TKey key) : IndexedSelection(wider)
    where TKey : notnull
{
    private ClientSet? _set;

    public override ReadOnlySpan<ClientSet> Sets => _set is null ? [] : new ReadOnlySpan<ClientSet>(ref _set!);

    internal override (int Rank, BackplaneChannel Channel)? Channel => index.Kind switch
    {
        ClientSetKind.Group => (2, BackplaneChannel.Group((string)(object)key)),
        ClientSetKind.User => (3, BackplaneChannel.User((string)(object)key)),
        _ => null,
    };

    internal override void Describe(SelectionDescription description) => description.Add(index.Kind, key.ToString()!);

    protected override void FindSets() => _set = index.Find(key);
}

/// <summary>A selection of those who have at least one of several keys.</summary>
internal sealed class AnyKeySelection(ClientSelection wider, ClientIndex<string> index, string[] keys) : IndexedSelection(wider)
{
    private readonly ClientSet[] _sets = new ClientSet[keys.Length];
    private int _count;

    public override ReadOnlySpan<ClientSet> Sets => _sets.AsSpan(0, _count);

    internal override void Describe(SelectionDescription description) => description.AddAnyGroup(keys);

    protected override void FindSets()
    {
        _count = 0;
        foreach (string key in keys)
        {
            if (index.Find(key) is { } set)
                _sets[_count++] = set;
        }
    }
}

/// <summary>A selection of one client, which may be connected to another server.</summary>
internal sealed class SingleClientSelection(ClientSelection wider, ClientRegistry registry, GlobalClientId id) : IndexedSelection(wider)
{
    private ClientSet? _set;

    public override ReadOnlySpan<ClientSet> Sets => _set is null ? [] : new ReadOnlySpan<ClientSet>(ref _set!);

    internal override (int Rank, BackplaneChannel Channel)? Channel => (4, BackplaneChannel.Node(id.NodeId));

    internal override void Describe(SelectionDescription description) => description.AddClient(id);

    protected override void FindSets() => _set = id.NodeId == registry.NodeId && registry.Find(id.ClientId) is { } client ? ClientSet.Of(client) : null;
}
