namespace WebSocketServerKit;

// The client among those of other servers.
public sealed partial class WebSocketClient
{
    /// <summary>Tells the client from all others on all servers: see <see cref="ClientSelection.WithGlobalId"/>. From <see cref="WebSocketServer.ClientConnected"/> on.</summary>
    /// <exception cref="InvalidOperationException">The client is not connected yet.</exception>
    public GlobalClientId GlobalId => new(
        Memberships?.Registry.NodeId ?? throw new InvalidOperationException("The client is not connected yet: it has an id on all servers from ClientConnected on."), Id);

    /// <summary>
    /// Joins a group, and completes when messages for it that other servers send reach this one. <see cref="Join"/> does not wait for that; without a backplane they are the same. The members on this server get the
    /// messages of this server at once in any case.
    /// </summary>
    /// <param name="group">Any name but an empty one. It is case-sensitive.</param>
    /// <param name="cancellationToken">Ends the wait; the client stays in the group.</param>
    /// <returns>False if it was in the group, or the client has left.</returns>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    /// <exception cref="IOException">The backplane cannot be reached. The client is in the group on this server, and gets messages of other servers when the backplane is back.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public async ValueTask<bool> JoinAsync(string group, CancellationToken cancellationToken = default)
    {
        bool joined = Join(group);
        if (Memberships?.Registry.Node is { } node)
            await node.WhenInGroupAsync(group).WaitAsync(cancellationToken).ConfigureAwait(false);
        return joined;
    }
}
