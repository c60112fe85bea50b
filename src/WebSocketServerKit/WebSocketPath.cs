using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Paths;

namespace WebSocketServerKit;

/// <summary>
/// One path of a <see cref="WebSocketServer"/>, with handlers and options of its own: <c>server.Path("/chat/{room}")</c>. Clients whose path matches the template are its clients.
/// </summary>
/// <remarks>
/// Its events are like those of the server, for its clients alone, and come right after them: for each event the handlers of the server are called first, then those of the path. What is said there about
/// order, async handlers and exceptions holds for all of them together. The sender is the path. All members are thread-safe.
/// </remarks>
public sealed partial class WebSocketPath
{
    private int _clients; // with a place, if MaxClients is set

    internal WebSocketPath(WebSocketServer server, string template, PathOptions options)
    {
        Template = template;
        Options = options;
        Clients = new KeySelection<WebSocketPath>(server.Clients, server.Clients.ByMatchedPath, this);
        WithoutValues = new PathMatch(this, PathValues.None);
    }

    /// <summary>A client asks to connect to the path. See <see cref="WebSocketServer.Handshaking"/>.</summary>
    public event EventHandler<HandshakingEventArgs>? Handshaking;

    /// <summary>A client of the path has connected. See <see cref="WebSocketServer.ClientConnected"/>.</summary>
    public event EventHandler<ClientConnectedEventArgs>? ClientConnected;

    /// <summary>A client of the path has sent a message. See <see cref="WebSocketServer.MessageReceived"/>.</summary>
    public event EventHandler<MessageReceivedEventArgs>? MessageReceived;

    /// <summary>A client of the path has left. See <see cref="WebSocketServer.ClientDisconnected"/>.</summary>
    public event EventHandler<ClientDisconnectedEventArgs>? ClientDisconnected;

    /// <summary>The template: <c>/chat/{room}</c>.</summary>
    public string Template { get; }

    /// <summary>The connected clients of the path: <c>path.Clients.Broadcast(text)</c>. A selection, which takes the clients of the moment at each use.</summary>
    public ClientSelection Clients { get; }

    /// <summary>Never changed.</summary>
    internal PathOptions Options { get; }

    /// <summary>For the clients of a template without parameters.</summary>
    internal PathMatch WithoutValues { get; }

    internal EventHandler<HandshakingEventArgs>? HandshakingHandlers => Handshaking;

    internal EventHandler<ClientConnectedEventArgs>? ConnectedHandlers => ClientConnected;

    internal EventHandler<MessageReceivedEventArgs>? MessageHandlers => MessageReceived;

    internal EventHandler<ClientDisconnectedEventArgs>? DisconnectedHandlers => ClientDisconnected;

    /// <summary>Whether <see cref="PathOptions.MaxClients"/> is reached. A snapshot.</summary>
    internal bool IsFull => Options.MaxClients is { } most && Volatile.Read(ref _clients) >= most;

    /// <inheritdoc/>
    public override string ToString() => Template;

    /// <summary>Takes a place for one more client. False if <see cref="PathOptions.MaxClients"/> is reached; otherwise <see cref="ReleasePlace"/> follows.</summary>
    internal bool TryTakePlace()
    {
        if (Options.MaxClients is not { } most)
            return true;
        int clients = Volatile.Read(ref _clients);
        while (clients < most)
        {
            int found = Interlocked.CompareExchange(ref _clients, clients + 1, clients);
            if (found == clients)
                return true;
            clients = found;
        }

        return false;
    }

    internal void ReleasePlace()
    {
        if (Options.MaxClients is not null)
            Interlocked.Decrement(ref _clients);
    }
}
