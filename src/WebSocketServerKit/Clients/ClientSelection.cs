using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit;

/// <summary>
/// Some of the connected clients: <c>server.Clients.InGroup("lobby").WithTag("admin").Except(client)</c>. Each further call narrows. It is a description and not a list: every use takes the clients of
/// that moment. So it can be kept, and used again. Thread-safe.
/// </summary>
/// <remarks>
/// An enumeration goes over a snapshot: it is not disturbed by clients that connect, leave, join or go meanwhile. Groups, tags, users, paths and addresses are looked up in indexes, beginning with the
/// one that has the fewest clients, all at the same moment. Functions (<see cref="Where"/>) are asked last, about those who are left.
/// </remarks>
[SuppressMessage("Naming", "CA1710", Justification = "It is more than a collection: it finds clients and sends to them.")]
public partial class ClientSelection : IReadOnlyCollection<WebSocketClient>
{
    // A selection is a chain: each one narrows another, and the last one is the registry. What an index has is decided under the registry's lock (Find, Has), the rest outside of it (Accepts).
    private readonly ClientRegistry _registry;

    /// <summary>For the registry: all clients.</summary>
    private protected ClientSelection() => _registry = (ClientRegistry)this;

    private protected ClientSelection(ClientSelection wider, bool usesIndex, bool isFiltered, bool hasFunction = false, bool staysHere = false)
    {
        _registry = wider._registry;
        Wider = wider;
        IndexUses = wider.IndexUses + (usesIndex ? 1 : 0);
        IsFiltered = wider.IsFiltered || isFiltered;
        HasFunction = wider.HasFunction || hasFunction;
        StaysHere = wider.StaysHere || staysHere;
    }

    /// <summary>How many clients it has at this moment.</summary>
    public int Count
    {
        get
        {
            if (!IsFiltered)
                return _registry.CountOf(this);
            using SelectedClients clients = _registry.Select(this);
            int count = 0;
            for (int i = 0; i < clients.Count; i++)
            {
                if (AcceptsAll(clients[i]))
                    count++;
            }

            return count;
        }
    }

    /// <summary>The selection that this one narrows; null for the registry.</summary>
    internal ClientSelection? Wider { get; }

    /// <summary>How many links of the chain are decided by an index.</summary>
    internal int IndexUses { get; }

    /// <summary>Whether <see cref="AcceptsAll"/> has to be asked.</summary>
    internal bool IsFiltered { get; }

    /// <summary>Narrows to the members of a group: see <see cref="WebSocketClient.Join"/>. A group that nobody has joined is empty.</summary>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    public ClientSelection InGroup(string group)
    {
        ArgumentException.ThrowIfNullOrEmpty(group);
        return new KeySelection<string>(this, _registry.ByGroup, group);
    }

    /// <summary>Narrows to those who are in at least one of these groups. None is selected twice; without a group nobody is.</summary>
    /// <exception cref="ArgumentException">A name is null or empty.</exception>
    public ClientSelection InAnyGroup(params ReadOnlySpan<string> groups)
    {
        foreach (string group in groups)
            ArgumentException.ThrowIfNullOrEmpty(group, nameof(groups));
        return groups.Length == 1 ? InGroup(groups[0]) : new AnyKeySelection(this, _registry.ByGroup, groups.ToArray());
    }

    /// <summary>Narrows to those who have a tag: see <see cref="WebSocketClient.AddTag"/>.</summary>
    /// <exception cref="ArgumentException">The tag is null or empty.</exception>
    public ClientSelection WithTag(string tag)
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        return new KeySelection<string>(this, _registry.ByTag, tag);
    }

    /// <summary>Narrows to those with this <see cref="WebSocketClient.Path"/>. Paths are case-sensitive.</summary>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    public ClientSelection WithPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new KeySelection<string>(this, _registry.ByPath, path);
    }

    /// <summary>Narrows to the connections of one user: those with this <see cref="WebSocketClient.UserId"/>. It is case-sensitive.</summary>
    /// <exception cref="ArgumentException">The id is null or empty.</exception>
    public ClientSelection WithUser(string userId)
    {
        ArgumentException.ThrowIfNullOrEmpty(userId);
        return new KeySelection<string>(this, _registry.ByUser, userId);
    }

    /// <summary>
    /// Narrows to those with this remote address, whatever their ports. A link-local address without a scope (<c>fe80::1</c>) selects the clients of every network interface, one with a scope
    /// (<c>fe80::1%2</c>) those of that interface of this machine.
    /// </summary>
    public ClientSelection WithRemoteAddress(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        IPAddress anyScope = ClientRegistry.WithoutScope(address);
        var selection = new KeySelection<IPAddress>(this, _registry.ByRemoteAddress, anyScope);
        return ReferenceEquals(anyScope, address) ? selection : selection.OnThisServer().Where(client => client.RemoteAddress.Equals(address));
    }

    /// <summary>Leaves out certain clients: often the sender of a message.</summary>
    /// <exception cref="ArgumentNullException">A client is null.</exception>
    public ClientSelection Except(params ReadOnlySpan<WebSocketClient> clients)
    {
        foreach (WebSocketClient client in clients)
            ArgumentNullException.ThrowIfNull(client, nameof(clients));
        return clients.IsEmpty ? this : new SelectionExceptClients(this, clients);
    }

    /// <summary>
    /// Leaves out those of another selection: <c>InGroup("lobby").Except(server.Clients.WithTag("muted"))</c>. Both are taken at the same moment; but if the other one has a <see cref="Where"/> or
    /// leaves out single clients, each client is looked for in it when its turn comes.
    /// </summary>
    /// <param name="clients">A selection of the same server. One of another server leaves out nobody.</param>
    public ClientSelection Except(ClientSelection clients)
    {
        ArgumentNullException.ThrowIfNull(clients);
        return clients._registry == _registry ? new SelectionExceptSelection(this, clients) : this;
    }

    /// <summary>Narrows by a function.</summary>
    /// <param name="predicate">
    /// Called at every use of the selection, on the thread that uses it, outside of any lock, once for each client that the rest of the selection has; several functions in the order in which they were
    /// added, until one returns false. What it throws comes out of the use: those who came before have been sent to, or are closing.
    /// </param>
    public ClientSelection Where(Func<WebSocketClient, bool> predicate)
    {
        ArgumentNullException.ThrowIfNull(predicate);
        return new FilteredSelection(this, predicate);
    }

    /// <summary>Whether it has this client at this moment. Does not enumerate.</summary>
    public bool Contains(WebSocketClient client)
    {
        ArgumentNullException.ThrowIfNull(client);
        return _registry.Contains(this, client) && AcceptsAll(client);
    }

    /// <summary>
    /// Closes each client as <see cref="WebSocketClient.CloseAsync(CloseCode, string, CancellationToken)"/> does: all at the same time. Completes when all are out of
    /// <see cref="WebSocketServer.Clients"/>, and for those that one of their handlers keeps there when their Close frame is written. So a handler may await it, for its own client too.
    /// </summary>
    /// <remarks>Clients that connect, or come into the selection, after the call are not closed. To close all and to accept no more, stop the server. Those of other servers are closed too, if the server has a
    /// backplane, but not waited for: see <see cref="OnThisServer"/>.</remarks>
    /// <param name="code">Why: 1000 to 1003, 1007 to 1014, or one of your own from 3000 to 4999. An <see langword="int"/> will do.</param>
    /// <param name="reason">At most 123 bytes as UTF-8.</param>
    /// <param name="cancellationToken">Ends the wait; the closing handshakes go on.</param>
    /// <exception cref="ArgumentException">The code must not be sent, or the reason is too long. Nobody is closed then.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public async Task CloseAsync(CloseCode code, string reason = "", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reason);
        CloseFrame.Check(code, reason);
        if (Elsewhere() is { } node)
        {
            byte[] payload = new byte[2 + CloseFrame.MaxReasonBytes];
            node.Forward(this, EnvelopeKind.Close, payload: payload.AsSpan(0, CloseFrame.Write(payload, code, reason)));
        }

        List<Task> closing = [];
        ForEach(client => closing.Add(client.CloseAsync(code, reason, CancellationToken.None)));
        await Task.WhenAll(closing).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Closes each client with 1000 (normal closure) and no reason. Otherwise like <see cref="CloseAsync(CloseCode, string, CancellationToken)"/>.</summary>
    /// <param name="cancellationToken">Ends the wait; the closing handshakes go on.</param>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public Task CloseAsync(CancellationToken cancellationToken = default) => CloseAsync(CloseCode.NormalClosure, "", cancellationToken);

    /// <summary>Resets each connection at once, as <see cref="WebSocketClient.Abort"/> does.</summary>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>.</exception>
    public void Abort()
    {
        Elsewhere()?.Forward(this, EnvelopeKind.Abort);
        ForEach(static client => client.Abort());
    }

    /// <summary>Enumerates the clients that it has at the moment of this call, in no particular order.</summary>
    public IEnumerator<WebSocketClient> GetEnumerator() => Enumerate(_registry.Select(this));

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Looks up what this link needs of the indexes. Under the registry's lock. Returns how many clients it leaves at most.</summary>
    internal virtual int Find() => int.MaxValue;

    /// <summary>Whether the indexes that this link has looked up leave a registered client in. Under the registry's lock.</summary>
    internal virtual bool Has(WebSocketClient client) => true;

    /// <summary>Whether this link leaves a client in. Outside of the registry's lock.</summary>
    internal virtual bool Accepts(WebSocketClient client) => true;

    /// <summary><see cref="Find"/> for the whole chain. Returns the least result, and the link that has it.</summary>
    internal int FindAll(out ClientSelection smallest)
    {
        smallest = this;
        int least = Find();
        for (ClientSelection? link = Wider; link is not null && least > 0; link = link.Wider)
        {
            int most = link.Find();
            if (most < least)
                (smallest, least) = (link, most);
        }

        return least;
    }

    /// <summary><see cref="Has"/> for the whole chain, but for a link that is known to have the client.</summary>
    internal bool HasAll(WebSocketClient client, ClientSelection? known = null)
    {
        for (ClientSelection? link = this; link is not null; link = link.Wider)
        {
            if (link != known && !link.Has(client))
                return false;
        }

        return true;
    }

    // Accepts for the whole chain, in the order in which it was written: a function may rely on those before it.
    private bool AcceptsAll(WebSocketClient client) => !IsFiltered || ((Wider is null || Wider.AcceptsAll(client)) && Accepts(client));

    private void ForEach(Action<WebSocketClient> action)
    {
        using SelectedClients clients = _registry.Select(this);
        for (int i = 0; i < clients.Count; i++)
        {
            if (AcceptsAll(clients[i]))
                action(clients[i]);
        }
    }

    private IEnumerator<WebSocketClient> Enumerate(SelectedClients clients)
    {
        using (clients)
        {
            for (int i = 0; i < clients.Count; i++)
            {
                if (AcceptsAll(clients[i]))
                    yield return clients[i];
            }
        }
    }
}
