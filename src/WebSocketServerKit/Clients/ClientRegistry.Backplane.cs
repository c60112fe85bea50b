using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit;

// The server's clients as part of those of several servers.
public sealed partial class ClientRegistry
{
    private volatile ServerNode? _node;

    /// <summary>The server among the others of its backplane. Null without one, or while the server is stopped.</summary>
    internal ServerNode? Node => _node;

    /// <summary>Tells the server from all others.</summary>
    internal string NodeId { get; } = Guid.NewGuid().ToString("N");

    internal TimeProvider Time => _options.TimeProvider;

    /// <summary>Tells a node from now on which keys the clients have.</summary>
    internal void Join(ServerNode node)
    {
        lock (_gate)
        {
            _node = node;
            foreach (ClientIndex<string> index in (ReadOnlySpan<ClientIndex<string>>)[ByGroup, ByUser, ByTopic])
            {
                index.KeyChanged = node.KeyChanged;
                foreach (string key in index.Keys)
                    node.KeyChanged(index.Kind, key);
            }
        }
    }

    /// <summary>Ends what <see cref="Join(ServerNode)"/> has begun.</summary>
    internal void Part()
    {
        lock (_gate)
        {
            _node = null;
            ByGroup.KeyChanged = ByUser.KeyChanged = ByTopic.KeyChanged = null;
        }
    }

    /// <summary>Whether a client has a key; null for any key.</summary>
    internal bool HasKey(ClientSetKind kind, string? key)
    {
        lock (_gate)
        {
            ClientIndex<string> index = kind == ClientSetKind.User ? ByUser : IndexOf(kind);
            return key is null ? index.Keys.Count > 0 : index.Find(key) is not null;
        }
    }
}
