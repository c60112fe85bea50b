using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit.Serving;

/// <summary>A selection of those whom the host's function accepts.</summary>
internal sealed class FilteredSelection(ClientSelection wider, Func<WebSocketClient, bool> predicate) : ClientSelection(wider, usesIndex: false, isFiltered: true, hasFunction: true)
{
    internal override bool Accepts(WebSocketClient client) => predicate(client);
}

/// <summary>A selection without certain clients.</summary>
internal sealed class SelectionExceptClients : ClientSelection
{
    private readonly WebSocketClient? _client;           // the only one
    private readonly HashSet<WebSocketClient>? _clients; // or all, if there are several

    public SelectionExceptClients(ClientSelection wider, ReadOnlySpan<WebSocketClient> clients)
        : base(wider, usesIndex: false, isFiltered: true)
    {
        if (clients.Length == 1)
            _client = clients[0];
        else
            _clients = [.. clients];
    }

    internal override bool Accepts(WebSocketClient client) => client != _client && _clients?.Contains(client) is not true;
}

/// <summary>
/// A selection without those of another one. What the indexes can decide is decided at the same moment for both. The other's functions of the host cannot be called inside the lock: then each client
/// is looked for in the other selection when its turn comes.
/// </summary>
internal sealed class SelectionExceptSelection(ClientSelection wider, ClientSelection other)
    : ClientSelection(wider, usesIndex: !other.IsFiltered, isFiltered: other.IsFiltered, hasFunction: other.HasFunction && !other.StaysHere)
{
    internal override int Find()
    {
        if (!other.IsFiltered)
            other.FindAll(out _);
        return int.MaxValue;
    }

    internal override bool Has(WebSocketClient client) => other.IsFiltered || !other.HasAll(client);

    internal override bool Accepts(WebSocketClient client) => !other.IsFiltered || !other.Contains(client);

    internal override void Describe(SelectionDescription description)
    {
        if (!other.StaysHere)
            description.AddExcept(other);
    }
}

/// <summary>A selection of the clients of this server, though there are others.</summary>
internal sealed class LocalSelection(ClientSelection wider) : ClientSelection(wider, usesIndex: false, isFiltered: false, staysHere: true);
