using System.Buffers;
using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Changes;

namespace WebSocketServerKit;

/// <summary>
/// All clients that are connected. Its members select some of them: <c>server.Clients.InGroup("lobby")</c>. Thread-safe. An enumeration goes over a snapshot: it is not disturbed by clients that
/// connect or leave meanwhile.
/// </summary>
// One lock guards the clients, all indexes and all memberships. No code of the host runs inside it. Only that of Interest is inside it.
// Every client has an id, a path and an address. So their indexes are made on first use: a host that never looks clients up by one of them does not pay for it with each client.
public sealed partial class ClientRegistry : ClientSelection
{
    private readonly Lock _gate = new();
    private readonly ClientSet _all = new(ClientSetKind.All, "");
    private readonly ClientMemberships _noMemberships;
    private readonly WebSocketServerOptions _options;
    private readonly ClientFeeds _feeds;
    private Dictionary<long, WebSocketClient>? _byId;
    private ClientIndex<string>? _byPath;
    private ClientIndex<IPAddress>? _byRemoteAddress;
    private long _searches;

    internal ClientRegistry(WebSocketServerOptions? options = null)
    {
        _noMemberships = new ClientMemberships(this);
        _options = options ?? new WebSocketServerOptions();
        _feeds = new ClientFeeds(_gate);
    }

    /// <summary>The groups that have a member at this moment, in no particular order: a snapshot.</summary>
    public IReadOnlyList<string> Groups
    {
        get
        {
            lock (_gate)
                return [.. ByGroup.Keys];
        }
    }

    internal ClientIndex<string> ByPath
    {
        get
        {
            lock (_gate)
            {
                if (_byPath is null)
                {
                    _byPath = new ClientIndex<string>(ClientSetKind.Path, StringComparer.Ordinal);
                    foreach (WebSocketClient client in _all.Clients)
                        _byPath.Add(client.Path, client);
                }

                return _byPath;
            }
        }
    }

    internal ClientIndex<IPAddress> ByRemoteAddress
    {
        get
        {
            lock (_gate)
            {
                if (_byRemoteAddress is null)
                {
                    _byRemoteAddress = new ClientIndex<IPAddress>(ClientSetKind.RemoteAddress);
                    foreach (WebSocketClient client in _all.Clients)
                        _byRemoteAddress.Add(WithoutScope(client.RemoteAddress), client);
                }

                return _byRemoteAddress;
            }
        }
    }

    internal ClientIndex<WebSocketPath> ByMatchedPath { get; } = new(ClientSetKind.MatchedPath);

    internal ClientIndex<string> ByUser { get; } = new(ClientSetKind.User, StringComparer.Ordinal);

    internal ClientIndex<string> ByGroup { get; } = new(ClientSetKind.Group, StringComparer.Ordinal);

    internal ClientIndex<string> ByTag { get; } = new(ClientSetKind.Tag, StringComparer.Ordinal);

    /// <summary>The client with this <see cref="WebSocketClient.Id"/>, or null if it is not connected.</summary>
    public WebSocketClient? Find(long id)
    {
        lock (_gate)
        {
            if (_byId is null)
            {
                _byId = new Dictionary<long, WebSocketClient>(_all.Count);
                foreach (WebSocketClient client in _all.Clients)
                    _byId.Add(client.Id, client);
            }

            return _byId.GetValueOrDefault(id);
        }
    }

    internal override int Find() => _all.Count;

    internal void Add(WebSocketClient client)
    {
        lock (_gate)
        {
            _all.Add(client);
            _byId?.Add(client.Id, client);
            _byPath?.Add(client.Path, client);
            _byRemoteAddress?.Add(WithoutScope(client.RemoteAddress), client);
            if (client.MatchedPath is { } path)
                ByMatchedPath.Add(path, client);
            if (client.UserId is { } userId)
                ByUser.Add(userId, client);
            client.Memberships = _noMemberships;
            _feeds.Add(client, ClientChangeKind.Connected);
        }
    }

    /// <summary>Removes a client, also from all that it has joined. Later joins are refused.</summary>
    internal void Remove(WebSocketClient client)
    {
        lock (_gate)
        {
            _all.Remove(client);
            _byId?.Remove(client.Id);
            _byPath?.Remove(client.Path, client);
            _byRemoteAddress?.Remove(WithoutScope(client.RemoteAddress), client);
            if (client.MatchedPath is { } path)
                ByMatchedPath.Remove(path, client);
            if (client.UserId is { } userId)
                ByUser.Remove(userId, client);
            _feeds.Add(client, ClientChangeKind.Disconnected);
            if (client.Memberships == _noMemberships)
                return;
            client.Memberships!.Keep();
            foreach (ClientSet set in client.Memberships.Places.Keys) // a dictionary can be enumerated while entries are removed
                IndexOf(set.Kind).Remove((string)set.Key, client);
            client.Memberships.Places.TrimExcess();
        }
    }

    /// <summary>Adds a client to the set of a key. False if it is in it, or is not registered: it has left.</summary>
    internal bool Join(ClientSetKind kind, string key, WebSocketClient client)
    {
        ClientIndex<string> index = IndexOf(kind);
        lock (_gate)
        {
            if (!IsRegistered(client))
                return false;
            if (client.Memberships == _noMemberships)
                client.Memberships = new ClientMemberships(this);
            if (index.Find(key) is { } set && set.Contains(client))
                return false;
            index.Add(key, client);
            _feeds.Add(client, ClientChangeKind.Changed);
            return true;
        }
    }

    /// <summary>Removes a client from the set of a key. False if it is not in it.</summary>
    internal bool Leave(ClientSetKind kind, string key, WebSocketClient client)
    {
        ClientIndex<string> index = IndexOf(kind);
        lock (_gate)
        {
            if (index.Find(key) is not { } set || !set.Contains(client))
                return false;
            index.Remove(key, client);
            _feeds.Add(client, ClientChangeKind.Changed);
            return true;
        }
    }

    /// <summary>Whether a client is in the set of a key.</summary>
    internal bool IsIn(ClientSetKind kind, string key, WebSocketClient client)
    {
        lock (_gate)
            return IndexOf(kind).Find(key) is { } set && set.Contains(client);
    }

    /// <summary>The keys of the client's sets of one kind; none once it has left.</summary>
    internal string[] KeysOf(ClientSetKind kind, WebSocketClient client)
    {
        lock (_gate)
            return client.Memberships!.KeysOf(kind);
    }

    /// <summary>The client's tags; once it has left, those that it had.</summary>
    internal string[] TagsOf(WebSocketClient client)
    {
        lock (_gate)
            return client.Memberships!.Tags;
    }

    /// <summary>Whether a client has a tag; once it has left, whether it had it.</summary>
    internal bool HasTag(string tag, WebSocketClient client)
    {
        lock (_gate)
            return client.Memberships!.LeftTags?.Contains(tag, StringComparer.Ordinal) ?? IsIn(ClientSetKind.Tag, tag, client);
    }

    /// <summary>Takes the clients that the indexes find for a selection at this moment. They still have to pass <see cref="ClientSelection.Accepts"/>.</summary>
    internal SelectedClients Select(ClientSelection selection)
    {
        lock (_gate)
        {
            if (selection.IndexUses == 0)
                return _all.Snapshot();
            int most = selection.FindAll(out ClientSelection smallest);
            if (most == 0)
                return new SelectedClients([], 0);
            ReadOnlySpan<ClientSet> sets = smallest is IndexedSelection indexed ? indexed.Sets : [];
            if (selection.IndexUses == 1 && sets.Length == 1)
                return sets[0].Snapshot();

            WebSocketClient[] found = ArrayPool<WebSocketClient>.Shared.Rent(Math.Min(most, _all.Count));
            int count = 0;
            if (sets.IsEmpty)
                AddMatching([_all], selection, known: this, found, ref count);
            else
                AddMatching(sets, selection, known: smallest, found, ref count);
            return new SelectedClients(found, count, isRented: true);
        }
    }

    /// <summary>How many clients the indexes find for a selection.</summary>
    internal int CountOf(ClientSelection selection)
    {
        lock (_gate)
        {
            if (selection.IndexUses == 0)
                return _all.Count;
            int most = selection.FindAll(out ClientSelection smallest);
            if (most == 0 || (selection.IndexUses == 1 && smallest is IndexedSelection { Sets.Length: 1 }))
                return most;
            using SelectedClients clients = Select(selection);
            return clients.Count;
        }
    }

    /// <summary>Whether the indexes find a client for a selection.</summary>
    internal bool Contains(ClientSelection selection, WebSocketClient client)
    {
        lock (_gate)
            return IsRegistered(client) && selection.FindAll(out _) > 0 && selection.HasAll(client);
    }

    /// <summary>An address without the scope of an IPv6 address.</summary>
    internal static IPAddress WithoutScope(IPAddress address) =>
        address is { AddressFamily: AddressFamily.InterNetworkV6, ScopeId: not 0 } ? new IPAddress(address.GetAddressBytes()) : address;

    private void AddMatching(ReadOnlySpan<ClientSet> sets, ClientSelection selection, ClientSelection known, WebSocketClient[] found, ref int count)
    {
        long search = ++_searches;
        foreach (ClientSet set in sets)
        {
            foreach (WebSocketClient client in set.Clients)
            {
                if (sets.Length > 1)
                {
                    // Sets of which a client can be in several are those of its memberships.
                    if (client.Memberships!.FoundBy == search)
                        continue;
                    client.Memberships.FoundBy = search;
                }

                if (selection.HasAll(client, known))
                    found[count++] = client;
            }
        }
    }

    private bool IsRegistered(WebSocketClient client) => _all.Contains(client);

    private ClientIndex<string> IndexOf(ClientSetKind kind) => kind switch
    {
        ClientSetKind.Group => ByGroup,
        ClientSetKind.Tag => ByTag,
        _ => ByTopic,
    };
}
