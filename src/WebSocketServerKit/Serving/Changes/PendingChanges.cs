using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Serving.Changes;

/// <summary>
/// Changes that a reader has not taken yet, in the order in which the clients first had one: one per client at most. A client that comes and goes untold leaves nothing. So there are never more than
/// clients that are connected, or of which the reader has been told.
/// <para>Not thread-safe: <see cref="ClientFeed"/> locks.</para>
/// </summary>
internal sealed class PendingChanges
{
    // An empty table below this capacity is kept.
    private const int SmallTable = 256;

    private readonly LinkedList<ClientChange> _line = [];
    private Dictionary<WebSocketClient, LinkedListNode<ClientChange>> _byClient = [];

    public int Count => _line.Count;

    public void Add(WebSocketClient client, ClientChangeKind kind)
    {
        if (!_byClient.TryGetValue(client, out LinkedListNode<ClientChange>? pending))
            _byClient.Add(client, _line.AddLast(new ClientChange(client, kind)));
        else if (kind != ClientChangeKind.Disconnected)
            return; // The reader will see the client as it is then.
        else if (pending.Value.Kind == ClientChangeKind.Connected)
            Remove(pending);
        else
            pending.Value = new ClientChange(client, kind);
    }

    public bool TryTake([MaybeNullWhen(false)] out ClientChange change)
    {
        change = default;
        if (_line.First is not { } first)
            return false;
        change = first.Value;
        Remove(first);
        return true;
    }

    private void Remove(LinkedListNode<ClientChange> pending)
    {
        _line.Remove(pending);
        _byClient.Remove(pending.Value.Client);
        if (_line.Count == 0 && _byClient.Capacity > SmallTable)
            _byClient = [];
    }
}
