using System.Net;
using System.Runtime.InteropServices;

namespace WebSocketServerKit.Serving;

/// <summary>What the clients of a <see cref="ClientSet"/> have in common.</summary>
internal enum ClientSetKind
{
    /// <summary>That they are connected.</summary>
    All,

    /// <summary><see cref="WebSocketClient.Path"/>.</summary>
    Path,

    /// <summary>The address of <see cref="WebSocketClient.RemoteEndPoint"/>, without a scope.</summary>
    RemoteAddress,

    /// <summary><see cref="WebSocketClient.UserId"/>.</summary>
    User,

    /// <summary><see cref="WebSocketClient.MatchedPath"/>.</summary>
    MatchedPath,

    /// <summary>A group that they have joined.</summary>
    Group,

    /// <summary>A tag that they have.</summary>
    Tag,

    /// <summary>A topic filter that they have subscribed to.</summary>
    Topic,

    /// <summary><see cref="WebSocketClient.Id"/>. Such a set never changes.</summary>
    Id,
}

/// <summary>
/// The clients that have one key in common. Add, remove and contains take constant time: each client stores its place in the set. It exists while it has clients.
/// <para>A snapshot is the array itself and a count. Places below the count of a snapshot are never written again: a client that is added comes behind them, and the first one that is
/// removed replaces the array by a copy. So a snapshot costs nothing, and a set that does not change is never copied.</para>
/// <para>Not thread-safe: <see cref="ClientRegistry"/> locks. A snapshot is read without the lock.</para>
/// </summary>
internal sealed class ClientSet(ClientSetKind kind, object key)
{
    private WebSocketClient[] _clients = new WebSocketClient[1];
    private bool _isShared; // a snapshot uses the array

    public ClientSetKind Kind => kind;

    /// <summary>A string (empty for all clients), an id, an <see cref="IPAddress"/>, or a <see cref="WebSocketPath"/>.</summary>
    public object Key => key;

    public int Count { get; private set; }

    /// <summary>The clients, until the next change.</summary>
    public ReadOnlySpan<WebSocketClient> Clients => _clients.AsSpan(0, Count);

    /// <summary>Whether a registered client is in the set. Of the set of all clients: whether any client is.</summary>
    public bool Contains(WebSocketClient client) => kind switch
    {
        ClientSetKind.All => client.PlaceInAll < Count && _clients[client.PlaceInAll] == client,
        ClientSetKind.Path => client.Path.Equals((string)key, StringComparison.Ordinal),
        ClientSetKind.RemoteAddress => ClientRegistry.WithoutScope(client.RemoteAddress).Equals((IPAddress)key),
        ClientSetKind.MatchedPath => client.MatchedPath == key,
        ClientSetKind.Id => _clients[0] == client,
        ClientSetKind.User => string.Equals(client.UserId, (string)key, StringComparison.Ordinal),
        _ => client.Memberships!.Places.ContainsKey(this),
    };

    /// <summary>A set of one client, which is not kept.</summary>
    public static ClientSet Of(WebSocketClient client) => new(ClientSetKind.Id, client.Id) { _clients = [client], Count = 1 };

    /// <summary>Adds a client that is not in the set.</summary>
    public void Add(WebSocketClient client)
    {
        if (Count == _clients.Length)
            Copy(2 * Count);
        PlaceOf(client) = Count;
        _clients[Count++] = client;
    }

    /// <summary>Removes a client that is in the set.</summary>
    public void Remove(WebSocketClient client)
    {
        int place = PlaceOf(client);
        if (_isShared || Count < _clients.Length / 4)
            Copy(Count);
        WebSocketClient last = _clients[--Count];
        PlaceOf(last) = place;
        _clients[place] = last;
        _clients[Count] = null!;
        if (IsKeptByClients)
            client.Memberships!.Places.Remove(this);
    }

    /// <summary>The clients of this moment.</summary>
    public SelectedClients Snapshot()
    {
        _isShared = true;
        return new SelectedClients(_clients, Count);
    }

    // Every client has one path, one address, at most one matched path and one user: they have a field for each. Few have groups, tags and subscriptions.
    private bool IsKeptByClients => kind is not (ClientSetKind.All or ClientSetKind.Path or ClientSetKind.RemoteAddress or ClientSetKind.MatchedPath or ClientSetKind.User);

    private ref int PlaceOf(WebSocketClient client)
    {
        switch (kind)
        {
            case ClientSetKind.All:
                return ref client.PlaceInAll;
            case ClientSetKind.Path:
                return ref client.PlaceByPath;
            case ClientSetKind.RemoteAddress:
                return ref client.PlaceByRemoteAddress;
            case ClientSetKind.MatchedPath:
                return ref client.PlaceByMatchedPath;
            case ClientSetKind.User:
                return ref client.PlaceByUser;
            default:
                return ref CollectionsMarshal.GetValueRefOrAddDefault(client.Memberships!.Places, this, out _);
        }
    }

    private void Copy(int length)
    {
        var copy = new WebSocketClient[length];
        Clients.CopyTo(copy);
        _clients = copy;
        _isShared = false;
    }
}
