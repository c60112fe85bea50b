using WebSocketServerKit.Connections;
using WebSocketServerKit.Serving.Paths;

namespace WebSocketServerKit;

// Paths: handlers and options for a part of the clients.
public sealed partial class WebSocketServer
{
    private readonly Lock _pathGate = new();
    private PathTable<WebSocketPath>? _paths; // null while there are none; replaced under the lock

    /// <summary>
    /// Adds a path with handlers and options of its own: <c>server.Path("/chat/{room}").OnMessage(async (client, message) => ...)</c>. A server without paths accepts every path; with paths, other handshakes
    /// are answered with 404. The events of the server are raised for the clients of all paths, before those of the path.
    /// </summary>
    /// <remarks>
    /// <para>
    /// A template has literal segments (<c>chat</c>), parameters that match one segment which is not empty (<c>{room}</c>), and at its end perhaps a rest, which matches all further segments and also none
    /// (<c>{*rest}</c>). <see cref="WebSocketClient.PathValues"/> has what they have matched. At each segment a literal comes before a parameter and that before a rest, whatever the order of adding.
    /// <c>/{*rest}</c> takes what no other path takes.
    /// </para>
    /// <para>
    /// The template is compared with the decoded <see cref="HandshakeRequest.Path"/>: write it decoded (<c>/café</c>). Upper and lower case differ. One slash at the end of the request's path makes no
    /// difference. An encoded slash is no separator. Parameters match no segment <c>.</c> or <c>..</c>.
    /// </para>
    /// <para>
    /// Paths may be added at any time; clients that are connected keep the path that they have. Subscribe to its events before the server starts, or a client may come in between. Plain HTTP requests do not
    /// belong to a path: <see cref="HttpRequestReceived"/> gets them all.
    /// </para>
    /// </remarks>
    /// <param name="template">The template. It begins with a slash.</param>
    /// <param name="options">The options of the path, copied by this call; null for those of the server.</param>
    /// <returns>The path. Without options, a further call with the same template returns the same object.</returns>
    /// <exception cref="ArgumentException">The text is no template, it matches the same paths as another one, the path was added before and there are options, or an option has an invalid value. The message tells what to write.</exception>
    public WebSocketPath Path(string template, PathOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(template);
        PathTemplate parsed = PathTemplate.Parse(template);
        PathOptions own = options?.Copy() ?? new PathOptions();
        own.Validate();
        lock (_pathGate)
        {
            PathTable<WebSocketPath> paths = _paths ?? PathTable<WebSocketPath>.Empty;
            if (paths.Like(parsed) is var (other, present))
            {
                if (other.Text != template)
                    throw new ArgumentException($"\"{template}\" matches the same paths as \"{other.Text}\", which was added before. Use that one.", nameof(template));
                return options is null
                    ? present
                    : throw new ArgumentException($"The path \"{template}\" was added before, and keeps its options. Give the options to the first call, and none to the others.", nameof(options));
            }

            var path = new WebSocketPath(this, template, own);
            Volatile.Write(ref _paths, paths.With(parsed, path));
            return path;
        }
    }

    /// <summary>The paths of this moment; null if there are none, so that every path is accepted.</summary>
    internal PathTable<WebSocketPath>? Paths => Volatile.Read(ref _paths);

    internal void RaiseHandshaking(HandshakingEventArgs e, ConnectionLifetime connection, WebSocketPath path) =>
        RaiseBoth(Handshaking, path, path.HandshakingHandlers, e, connection);

    internal void RaiseClientConnected(ClientConnectedEventArgs e, ConnectionLifetime connection, WebSocketPath path) =>
        RaiseBoth(ClientConnected, path, path.ConnectedHandlers, e, connection);

    internal void RaiseMessageReceived(MessageReceivedEventArgs e, ConnectionLifetime connection, WebSocketPath path) =>
        RaiseBoth(MessageReceived, path, path.MessageHandlers, e, connection);

    internal void RaiseClientDisconnected(ClientDisconnectedEventArgs e, ConnectionLifetime connection, WebSocketPath path) =>
        RaiseBoth(ClientDisconnected, path, path.DisconnectedHandlers, e, connection);

    private void RaiseBoth<TEventArgs>(
        EventHandler<TEventArgs>? handlers, WebSocketPath path, EventHandler<TEventArgs>? handlersOfPath, TEventArgs e, ConnectionLifetime connection)
    {
        SynchronizationContext? scope = SynchronizationContext.Current;
        Raise(this, handlers, e, connection);
        // As between two handlers of one event.
        SynchronizationContext.SetSynchronizationContext(scope);
        Raise(path, handlersOfPath, e, connection);
    }
}
