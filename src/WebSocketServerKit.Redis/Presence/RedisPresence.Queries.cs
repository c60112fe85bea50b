using System.Runtime.CompilerServices;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Presence;

namespace WebSocketServerKit;

// What is asked about the whole cluster.
public sealed partial class RedisPresence
{
    // One to two milliseconds of Redis' time.
    private const int ClientsPerPage = 500;

    /// <summary>The connections of a user, on all servers, in no particular order.</summary>
    /// <param name="userId">Case-sensitive.</param>
    /// <param name="cancellationToken">Ends the wait for Redis.</param>
    /// <exception cref="ArgumentException">The user is null or empty.</exception>
    public Task<IReadOnlyList<OnlineClient>> FindUserAsync(string userId, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(userId);
        return FindAsync(PresenceStore.UserSet(userId), cancellationToken);
    }

    /// <summary>
    /// The members of a group, on all servers, in no particular order. Large groups are read in several calls, so that Redis does other work in between: a client that joins or leaves meanwhile may be
    /// found or not.
    /// </summary>
    /// <param name="group">Case-sensitive.</param>
    /// <param name="cancellationToken">Ends the wait for Redis.</param>
    /// <exception cref="ArgumentException">The group is null or empty.</exception>
    public Task<IReadOnlyList<OnlineClient>> FindInGroupAsync(string group, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(group);
        return FindAsync(PresenceStore.GroupSet(group), cancellationToken);
    }

    /// <summary>How many clients are connected to all servers. The cost depends on the number of servers alone.</summary>
    /// <param name="cancellationToken">Ends the wait for Redis.</param>
    public Task<long> CountAsync(CancellationToken cancellationToken = default) => _store.CountAsync(PresenceStore.AllClients).Observed().WaitAsync(cancellationToken);

    /// <summary>How many members a group has on all servers. The cost depends on the number of servers alone.</summary>
    /// <param name="group">Case-sensitive.</param>
    /// <param name="cancellationToken">Ends the wait for Redis.</param>
    /// <exception cref="ArgumentException">The group is null or empty.</exception>
    public Task<long> CountGroupAsync(string group, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(group);
        return _store.CountAsync(PresenceStore.GroupSet(group)).Observed().WaitAsync(cancellationToken);
    }

    /// <summary>How many connections a user has to all servers. The cost depends on the number of servers alone.</summary>
    /// <param name="userId">Case-sensitive.</param>
    /// <param name="cancellationToken">Ends the wait for Redis.</param>
    /// <exception cref="ArgumentException">The user is null or empty.</exception>
    public Task<long> CountUserAsync(string userId, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(userId);
        return _store.CountAsync(PresenceStore.UserSet(userId)).Observed().WaitAsync(cancellationToken);
    }

    /// <summary>Whether a user has a connection to some server. The cost depends on the number of servers alone.</summary>
    /// <param name="userId">Case-sensitive.</param>
    /// <param name="cancellationToken">Ends the wait for Redis.</param>
    /// <exception cref="ArgumentException">The user is null or empty.</exception>
    public async Task<bool> IsOnlineAsync(string userId, CancellationToken cancellationToken = default) => await CountUserAsync(userId, cancellationToken).ConfigureAwait(false) > 0;

    /// <summary>The servers that are alive, in no particular order.</summary>
    /// <param name="cancellationToken">Ends the wait for Redis.</param>
    public async Task<IReadOnlyList<OnlineNode>> GetNodesAsync(CancellationToken cancellationToken = default) =>
        [.. (await _store.GetNodesAsync().Observed().WaitAsync(cancellationToken).ConfigureAwait(false)).Select(node => node.Node)];

    /// <summary>
    /// All clients of all servers, read from Redis in pages of about 500 as the enumeration goes on: <c>await foreach (OnlineClient client in presence.ListAsync())</c>. Each client is told once, if it is
    /// connected all the time; one that comes or leaves meanwhile may be told or not, and so may those of a server that starts, ends, or writes all its clients anew.
    /// </summary>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    public async IAsyncEnumerable<OnlineClient> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach ((string registration, _) in await _store.GetNodesAsync().Observed().WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            HashSet<long> told = [];
            List<OnlineClient> page = [];
            IReadOnlyList<PresenceStore.Scan> scans = [new(registration, "0")];
            while (scans.Count > 0)
            {
                page.Clear();
                scans = await _store.ReadPageAsync(PresenceStore.AllClients, ClientsPerPage, scans, page.Add).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
                foreach (OnlineClient client in page)
                {
                    if (told.Add(client.ClientId))
                        yield return client;
                }
            }
        }
    }

    private async Task<IReadOnlyList<OnlineClient>> FindAsync(string set, CancellationToken cancellationToken)
    {
        Dictionary<(string NodeId, long ClientId), OnlineClient> found = [];
        IReadOnlyList<PresenceStore.Scan> scans = [];
        do
        {
            scans = await _store.ReadPageAsync(set, ClientsPerPage, scans, client => found[(client.NodeId, client.ClientId)] = client).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        while (scans.Count > 0);
        return [.. found.Values];
    }
}
