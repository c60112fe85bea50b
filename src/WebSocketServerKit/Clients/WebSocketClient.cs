using System.Net;
using System.Net.WebSockets;
using System.Security.Claims;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Paths;

namespace WebSocketServerKit;

/// <summary>
/// A client that has connected: what it is, and the calls that send to it and close it. All members may be used from any thread, also after the client has left: the properties keep their last values where
/// they do not say otherwise, and sends fail.
/// </summary>
public sealed partial class WebSocketClient
{
    private readonly ConnectionLifetime _lifetime;
    private readonly long _connectedAt; // ticks of UTC
    private object? _state;
    private int _placeInAll;
    private int _placeByPath;
    private int _placeByRemoteAddress;

    internal WebSocketClient(
        long id,
        ConnectionLifetime lifetime,
        HandshakeRequest request,
        HandshakingEventArgs? handshaking,
        string? subprotocol,
        string? extensions,
        DateTimeOffset connectedAt,
        PathMatch? match = null)
    {
        _lifetime = lifetime;
        _match = match;
        _state = handshaking?.State;
        Id = id;
        Path = request.Path;
        QueryString = request.QueryString;
        Subprotocol = subprotocol;
        Extensions = extensions;
        User = handshaking is null ? lifetime.Transport.Facts?.User : handshaking.User;
        UserId = handshaking?.UserId ?? IdOf(User);
        _connectedAt = connectedAt.UtcTicks;
    }

    /// <summary>A number that no other client of this server object has or will have.</summary>
    public long Id { get; }

    /// <summary>The path of the client's request, percent-decoded: <c>/chat</c>. See <see cref="HandshakeRequest.Path"/>.</summary>
    public string Path { get; }

    /// <summary>The query of the client's request as it was sent, without the <c>?</c>; empty if there is none.</summary>
    public string QueryString { get; }

    /// <summary>The subprotocol that was negotiated in the opening handshake, or null for none.</summary>
    public string? Subprotocol { get; }

    /// <summary>The extensions that were negotiated in the opening handshake, as the response names them: <c>permessage-deflate; server_no_context_takeover</c>. Null for none.</summary>
    public string? Extensions { get; }

    /// <summary>The user that a <see cref="WebSocketServer.Handshaking"/> handler has set, or else <see cref="AcceptOptions.User"/>. Null for none.</summary>
    public ClaimsPrincipal? User { get; }

    /// <summary>
    /// An object of the host application that belongs to the client. Null until it is set, here or in <see cref="HandshakingEventArgs.State"/>; kept after the client has left.
    /// <see cref="GetState"/> gives it with its type. The property itself is thread-safe; the object has to guard itself.
    /// </summary>
    public object? State
    {
        get => Volatile.Read(ref _state);
        set
        {
            Interlocked.Exchange(ref _state, value); // before it is looked whether somebody watches
            Memberships?.Registry.TellChanged(this);
        }
    }

    /// <summary>
    /// The client's end point. Behind one of <see cref="WebSocketServerOptions.TrustedProxies"/> it is what the proxy tells (with port 0 if it tells none); behind any other proxy it is the proxy's.
    /// </summary>
    public EndPoint RemoteEndPoint => _lifetime.RemoteEndPoint;

    /// <summary>The end point that the client has connected to, as far as it is known: that of this machine, or the one that the PROXY protocol tells.</summary>
    public EndPoint LocalEndPoint => _lifetime.LocalEndPoint;

    /// <summary>The <see cref="AcceptOptions.Source"/> of a connection that was made elsewhere; otherwise null.</summary>
    public object? Source => _lifetime.Transport.Facts?.Source;

    /// <summary>The connection of the trusted proxy that speaks for the client. Null without one.</summary>
    public ProxyConnection? Proxy => _lifetime.Proxy;

    /// <summary>What the TLS handshake has agreed on, with the client's certificate. Null if the connection to this server has no TLS.</summary>
    public TlsSession? Tls => _lifetime.Transport.Tls;

    /// <summary>When the opening handshake was accepted, in UTC.</summary>
    public DateTimeOffset ConnectedAt => new(_connectedAt, TimeSpan.Zero);

    /// <summary>Whether messages can be sent. False as soon as either side has begun to close, or the connection is lost.</summary>
    public bool IsOpen => _lifetime.IsOpen;

    /// <summary>
    /// Cancelled as soon as either side ends the connection, or the connection is lost: pass it to work that is done for this client alone. While a handler of the client runs, the end is
    /// noticed within about a second. If the client ends it, messages that it has sent before are still raised; then <see cref="WebSocketServer.ClientDisconnected"/> follows.
    /// </summary>
    /// <remarks>
    /// While a handler runs, the server reads ahead 64 KiB at most. A Close frame behind more unread bytes is noticed when the handler has ended; on Linux the loss of the connection is
    /// noticed all the same. Callbacks that are registered with the token run on the thread pool.
    /// </remarks>
    public CancellationToken ConnectionClosed => _lifetime.Disconnected;

    /// <summary>The round-trip time of the latest ping, or null before the first. A client that sends all the time gets no keep-alive pings: see <see cref="PingAsync"/>.</summary>
    public TimeSpan? Latency => _lifetime.Latency;

    /// <summary>Pending bytes: accepted for this client, frame headers included, and not yet taken by the operating system.</summary>
    public long UnsentBytes => _lifetime.Queue.BufferedBytes;

    /// <summary>Messages received from this client so far, without those of <see cref="MessagesRefused"/>.</summary>
    public long MessagesReceived => _lifetime.MessagesReceived;

    /// <summary>Payload bytes of those messages.</summary>
    public long BytesReceived => _lifetime.BytesReceived;

    /// <summary>Messages accepted for transmission to this client so far.</summary>
    public long MessagesSent => _lifetime.Queue.MessagesSent;

    /// <summary>Payload bytes of those messages.</summary>
    public long BytesSent => _lifetime.Queue.BytesSent;

    /// <summary>The <see cref="State"/> with its type: <c>client.GetState&lt;Player&gt;().Score++</c>.</summary>
    /// <typeparam name="T">The type of the object, or one of its base types or interfaces.</typeparam>
    /// <exception cref="InvalidOperationException">The state is null or of another type.</exception>
    public T GetState<T>() => State is T state
        ? state
        : throw new InvalidOperationException(
            $"{this} has no state of the type {typeof(T)}: {(State is { } other ? $"its State is a {other.GetType()}." : "its State is null. Set it in Handshaking or ClientConnected.")}");

    /// <summary>
    /// Sends a Ping and waits for the Pong. One Ping is under way at a time: further callers wait for the same Pong. The Ping is queued behind pending messages, so the round trip of a slow
    /// client is long. While a handler of this client runs, the Pong is noticed up to a second late, and the measured time is too long by that.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The time from the Ping to the Pong.</returns>
    /// <exception cref="TimeoutException">The Pong did not come within <see cref="WebSocketServerOptions.PingTimeout"/>. The connection stays open: only a client that sends nothing at all is disconnected.</exception>
    /// <exception cref="WebSocketException">The client has left or is leaving. In a handler it need not be caught: it is logged as Debug and closes nobody.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the Pong came.</exception>
    public async ValueTask<TimeSpan> PingAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TimeSpan timeout = _lifetime.Settings.PingTimeout;
        try
        {
            return await _lifetime.PingAsync().WaitAsync(timeout, _lifetime.Heartbeat.TimeProvider, cancellationToken).ConfigureAwait(false)
                ?? throw new WebSocketException(
                    WebSocketError.ConnectionClosedPrematurely, $"The ping was not answered: {this} has left or is leaving.", new NotSentException("the client has left or is leaving"));
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{this} did not answer the ping within {timeout} (PingTimeout).", exception);
        }
    }

    /// <summary>
    /// Starts the closing handshake: sends a Close frame after all accepted messages, and waits for the client's. Completes when the client is out of
    /// <see cref="WebSocketServer.Clients"/>. A client that does not answer, or takes no pending bytes, is disconnected after
    /// <see cref="WebSocketServerOptions.CloseTimeout"/>; one that takes them slowly after <see cref="WebSocketServerOptions.MaxCloseDuration"/>. Called again, or
    /// while the connection is ending anyway, it only waits.
    /// </summary>
    /// <remarks>
    /// While a handler of this client runs, it completes as soon as the Close frame is written, because the client stays in <see cref="WebSocketServer.Clients"/> until the
    /// handler has ended. So a handler may await it. Messages of the client that were not raised before the call are not raised any more.
    /// </remarks>
    /// <param name="code">Why: 1000 to 1003, 1007 to 1014, or one of your own from 3000 to 4999. An <see langword="int"/> will do.</param>
    /// <param name="reason">At most 123 bytes as UTF-8.</param>
    /// <param name="cancellationToken">Ends the wait; the closing handshake goes on.</param>
    /// <exception cref="ArgumentException">The code must not be sent, or the reason is too long.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public async Task CloseAsync(CloseCode code, string reason = "", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reason);
        CloseFrame.Check(code, reason);
        _lifetime.BeginClose(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Server, code, reason));
        Task done = _lifetime.Handlers.IsRunning ? _lifetime.Queue.WhenDrained() : _lifetime.WhenClosed();
        await done.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Starts the closing handshake with 1000 (normal closure) and no reason. Otherwise like <see cref="CloseAsync(CloseCode, string, CancellationToken)"/>.</summary>
    /// <param name="cancellationToken">Ends the wait; the closing handshake goes on.</param>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public Task CloseAsync(CancellationToken cancellationToken = default) => CloseAsync(CloseCode.NormalClosure, "", cancellationToken);

    /// <summary>Resets the connection at once, without a Close frame. Pending bytes are lost. Does nothing if it is over. For clients that misbehave; end others with <see cref="CloseAsync(CloseCode, string, CancellationToken)"/>.</summary>
    public void Abort() => _lifetime.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));

    /// <inheritdoc/>
    public override string ToString() => $"client {Id} ({RemoteEndPoint} {Path})";

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceInAll => ref _placeInAll;

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByPath => ref _placeByPath;

    /// <summary>The IP address of <see cref="RemoteEndPoint"/>. It does not change while the client is registered.</summary>
    internal IPAddress RemoteAddress => _lifetime.RemoteAddress;

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByRemoteAddress => ref _placeByRemoteAddress;

    /// <summary>For WebSocketServerKit.Testing, which waits until the server has nothing more to do for the client.</summary>
    internal ConnectionLifetime Lifetime => _lifetime;

    internal ReadOnlyMemory<byte> PayloadOf(long run)
    {
        Volatile.ReadBarrier(); // the caller's reads of the payload must not move behind the check
        ReadOnlyMemory<byte> payload = _lifetime.Payload;
        Volatile.ReadBarrier(); // the check must not move before the read: the payload may be the next message's already
        if (_lifetime.Handlers.Run == run)
            return payload;
        if (_lifetime.LeftMessage is { } left && left.Run == run)
            return left.Payload;
        return MadeMessages.TryGet(this, run, out ReadOnlyMemory<byte> made)
            ? made
            : throw new InvalidOperationException(
                "The payload of this message is no longer valid: all handlers of the message have ended, or one has called ContinueReceiving. "
                + "Use Text or ToArray() to keep a copy, or await the work in an async handler.");
    }

    /// <summary>
    /// Gives a payload that stays valid until <see cref="HandlerScope.ReleasePayload"/> of the scope: that of the message, or a copy if its handlers might end at this moment. It is checked here
    /// alone: while it is held, a handler may let the next message come.
    /// </summary>
    internal HandlerScope HoldPayload(long run, out ReadOnlyMemory<byte> payload)
    {
        HandlerScope handlers = _lifetime.LeftMessage is { } left && left.Run == run ? left.Scope : _lifetime.Handlers;
        bool isSeen = handlers.HoldPayload();
        try
        {
            payload = PayloadOf(run);
            if (!isSeen)
            {
                payload = payload.ToArray();
                PayloadOf(run); // the bytes may have become another message's while they were copied
            }

            return handlers;
        }
        catch
        {
            handlers.ReleasePayload();
            throw;
        }
    }

    internal void ContinueReceiving(long run) => _lifetime.Handlers.LeaveAlone(HandlersEnd.GoOn, run);
}
