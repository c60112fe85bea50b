using WebSocketServerKit.Connections;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Serving.Paths;

/// <summary>What the options of a path make of those of a server, for one run of it. Computed once, for all clients of the path. Immutable.</summary>
internal sealed class ServedPath
{
    /// <param name="options">The options of the path.</param>
    /// <param name="server">The settings of the server's connections.</param>
    /// <param name="access">The server's rules about hosts and origins.</param>
    /// <param name="subprotocols">The server's subprotocols.</param>
    public ServedPath(PathOptions options, ConnectionSettings server, AccessRules access, IReadOnlyCollection<string> subprotocols)
    {
        Base = options.ToBase(server);
        Settings = options.ApplyTo(Base);
        Access = options.AllowedOrigins is { } origins ? access.WithOrigins(new OriginRules(origins)) : access;
        Subprotocols = options.Subprotocols is { } own ? [.. own] : subprotocols;
    }

    /// <summary>The settings without the part that a handler of <see cref="WebSocketServer.Handshaking"/> can replace.</summary>
    public ConnectionSettings Base { get; }

    /// <summary>The settings of its clients. The server's own object if the path changes nothing.</summary>
    public ConnectionSettings Settings { get; }

    public AccessRules Access { get; }

    public IReadOnlyCollection<string> Subprotocols { get; }
}
