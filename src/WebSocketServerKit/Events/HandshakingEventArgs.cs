using System.Net;
using System.Security.Claims;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Serving.Paths;

namespace WebSocketServerKit;

/// <summary>
/// A client asks to connect, and its request is valid. Handlers may refuse it, choose the subprotocol, add headers to the response, and attach a user
/// and a state. If none refuses, the client is accepted when all handlers have ended, async ones included.
/// </summary>
/// <remarks>
/// For the handlers only: after they have ended, every change throws an <see cref="InvalidOperationException"/>. Handlers are called one after the other; async handlers run concurrently after their
/// first await, and may use the members then.
/// </remarks>
public sealed class HandshakingEventArgs : EventArgs
{
    private readonly Lock _gate = new();
    private List<KeyValuePair<string, string>>? _responseHeaders;
    private object? _state;
    private string? _subprotocol;
    private ClaimsPrincipal? _user;
    private readonly ConnectionLifetime? _connection;
    private bool _decided;
    private string? _userId;
    private DateTimeOffset? _expiresAt;
    private ClientOptions? _options;
    private readonly PathMatch? _match;

    internal HandshakingEventArgs(
        HandshakeRequest request, EndPoint remoteEndPoint, EndPoint localEndPoint, string? subprotocol, ConnectionLifetime? connection = null, PathMatch? match = null)
    {
        _match = match;
        Request = request;
        RemoteEndPoint = remoteEndPoint;
        LocalEndPoint = localEndPoint;
        _connection = connection;
        _subprotocol = subprotocol;
        _user = connection?.Transport.Facts?.User;
    }

    /// <summary>The request: path, query, headers, cookies, origin, subprotocols that the client offers.</summary>
    public HandshakeRequest Request { get; }

    /// <summary>The path that the request matches, as <see cref="WebSocketClient.MatchedPath"/>.</summary>
    public WebSocketPath? MatchedPath => _match?.Path;

    /// <summary>The values of the parameters in the template of <see cref="MatchedPath"/>: <c>e.PathValues["room"]</c>. Empty if there are none.</summary>
    public PathValues PathValues => _match?.Values ?? PathValues.None;

    /// <summary>The client's end point, as <see cref="WebSocketClient.RemoteEndPoint"/>.</summary>
    public EndPoint RemoteEndPoint { get; }

    /// <summary>The end point that the client has connected to, as <see cref="WebSocketClient.LocalEndPoint"/>.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>The <see cref="AcceptOptions.Source"/> of a connection that was made elsewhere; otherwise null.</summary>
    public object? Source => _connection?.Transport.Facts?.Source;

    /// <summary>The connection of the trusted proxy that speaks for the client. Null without one.</summary>
    public ProxyConnection? Proxy => _connection?.Proxy;

    /// <summary>What the TLS handshake has agreed on, with the client's certificate. Null if the connection to this server has no TLS.</summary>
    public TlsSession? Tls => _connection?.Transport.Tls;

    /// <summary>
    /// Cancelled within about a second when the client disconnects while handlers run: pass it to whatever they await. Such a client is not accepted, and handlers that
    /// do not end within <see cref="WebSocketServerOptions.CloseTimeout"/> after that are not waited for.
    /// </summary>
    public CancellationToken ConnectionClosed => _connection?.Disconnected ?? default;

    /// <summary>
    /// The subprotocol to speak, or null for none. It starts as the client's first choice among <see cref="WebSocketServerOptions.Subprotocols"/>, or among those of its path.
    /// </summary>
    /// <exception cref="ArgumentException">The client did not offer it; a browser would then close the connection.</exception>
    /// <exception cref="InvalidOperationException">It is set after the handlers of the event have ended.</exception>
    public string? Subprotocol
    {
        get => _subprotocol;
        set
        {
            ThrowIfDecided();
            if (value is not null && !Request.RequestedSubprotocols.Contains(value, StringComparer.Ordinal))
                throw new ArgumentException($"The client did not offer the subprotocol \"{value}\". Choose one of Request.RequestedSubprotocols, or null.", nameof(value));
            _subprotocol = value;
        }
    }

    /// <summary>
    /// The authenticated user, which becomes <see cref="WebSocketClient.User"/>. Null until a handler sets it; for a connection that was made elsewhere it starts as
    /// <see cref="AcceptOptions.User"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is set after the handlers of the event have ended.</exception>
    public ClaimsPrincipal? User
    {
        get => _user;
        set
        {
            ThrowIfDecided();
            _user = value;
        }
    }

    /// <summary>
    /// Who the client is, which becomes <see cref="WebSocketClient.UserId"/>. Null or empty, the default: what the claims of <see cref="User"/> say. <see cref="WebSocketServerOptions.MaxClientsPerUser"/>
    /// counts by it.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is set after the handlers of the event have ended.</exception>
    public string? UserId
    {
        get => _userId;
        set
        {
            ThrowIfDecided();
            _userId = value is "" ? null : value;
        }
    }

    /// <summary>
    /// When the client's session expires, such as its token: becomes <see cref="WebSocketClient.ExpiresAt"/>. Null, the default, for never. If the time is over when the handlers have ended, the
    /// client gets 401.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is set after the handlers of the event have ended.</exception>
    public DateTimeOffset? ExpiresAt
    {
        get => _expiresAt;
        set
        {
            ThrowIfDecided();
            _expiresAt = value;
        }
    }

    /// <summary>An object of the host application that belongs to the client, which becomes <see cref="WebSocketClient.State"/>. Null until a handler sets it.</summary>
    /// <exception cref="InvalidOperationException">It is set after the handlers of the event have ended.</exception>
    public object? State
    {
        get => _state;
        set
        {
            ThrowIfDecided();
            _state = value;
        }
    }

    /// <summary>
    /// The options of this client: its limits, its send queue, its compression. They start as a copy of those of its path; what is null is the server's. They take effect when the handlers have
    /// ended. If a value is invalid then, the client gets 500, and the log tells which.
    /// </summary>
    /// <exception cref="InvalidOperationException">The handlers of the event have ended.</exception>
    public ClientOptions Options
    {
        get
        {
            ThrowIfDecided();
            lock (_gate)
                return _options ??= _match is null ? new ClientOptions() : new ClientOptions(_match.Path.Options);
        }
    }

    /// <summary>Whether a handler has refused the client.</summary>
    public bool IsRefused => Refusal is not null;

    internal HandshakeResponse? Refusal { get; private set; }

    /// <summary>A copy of what the handlers have set; null if none has asked for the options.</summary>
    internal ClientOptions? ChosenOptions => _options is { } options ? new ClientOptions(options) : null;

    internal IReadOnlyList<KeyValuePair<string, string>>? ResponseHeaders => _responseHeaders;

    /// <summary>Adds a header to the response that accepts the client, such as <c>Set-Cookie</c>. It may be called several times for one name.</summary>
    /// <exception cref="ArgumentException">The name or the value is null or cannot stand in a header, or the server sets this header itself.</exception>
    /// <exception cref="InvalidOperationException">The handlers of the event have ended.</exception>
    public void AddResponseHeader(string name, string value)
    {
        ThrowIfDecided();
        HandshakeResponse.ThrowIfInvalidHeader(name, value);
        lock (_gate)
        {
            _responseHeaders ??= [];
            _responseHeaders.Add(new(name, value));
        }
    }

    /// <summary>Refuses the client. The last call counts.</summary>
    /// <param name="status">300 to 599: 401 or 403 for a client without the right, 404 for an unknown path, 429 for one that comes too often.</param>
    /// <param name="body">The body of the response, as plain text. Browsers do not show it; tools and logs do.</param>
    /// <param name="contentType">What the body is: a media type such as <c>application/json</c>.</param>
    /// <param name="headers">More headers, such as <c>WWW-Authenticate</c> or <c>Retry-After</c>.</param>
    /// <exception cref="ArgumentException">The status is no refusal, the body is null, or the content type or a header is invalid.</exception>
    /// <exception cref="InvalidOperationException">The handlers of the event have ended.</exception>
    public void Refuse(
        HttpStatusCode status, string body = "", string contentType = "text/plain; charset=utf-8", IEnumerable<KeyValuePair<string, string>>? headers = null)
    {
        ThrowIfDecided();
        Refusal = HandshakeResponse.Refuse(status, body, contentType, headers);
    }

    internal void Decide() => _decided = true;

    private void ThrowIfDecided()
    {
        if (_decided)
            throw new InvalidOperationException("The handshake has been answered: its handlers had ended. Await what a handler starts, or make it an async lambda.");
    }
}
