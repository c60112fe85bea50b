using System.Net;
using System.Net.WebSockets;
using System.Security.Claims;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit;

/// <summary>A connected client. It can be kept and used from any thread; after the client has left, its properties still answer and sending tells so.</summary>
public sealed partial class WebSocketClient
{
    private readonly ConnectionLifetime _lifetime;
    private readonly long _connectedAt; // ticks of UTC
    private object? _state;
    private int _placeByPath;
    private int _placeByRemoteAddress;

    internal WebSocketClient(
        long id,
        ConnectionLifetime lifetime,
        HandshakeRequest request,
        HandshakingEventArgs? handshaking,
        string? subprotocol,
        string? extensions,
        DateTimeOffset connectedAt)
    {
        _lifetime = lifetime;
        _state = handshaking?.State;
        Id = id;
        Path = request.Path;
        QueryString = request.QueryString;
        Subprotocol = subprotocol;
        Extensions = extensions;
        User = handshaking?.User;
        _connectedAt = connectedAt.UtcTicks;
    }

    /// <summary>A number that no other client of this server object has or will have.</summary>
    public long Id { get; }

    /// <summary>The path that the client asked for, percent-decoded: <c>/chat</c>. See <see cref="HandshakeRequest.Path"/>.</summary>
    public string Path { get; }

    /// <summary>The query of the client's request as sent, without the <c>?</c>; empty if there was none.</summary>
    public string QueryString { get; }

    /// <summary>The subprotocol agreed on in the handshake, or null for none.</summary>
    public string? Subprotocol { get; }

    /// <summary>The extensions agreed on in the handshake, as the answer names them: <c>permessage-deflate; server_no_context_takeover</c>. Null for none.</summary>
    public string? Extensions { get; }

    /// <summary>Whom a <see cref="WebSocketServer.Handshaking"/> handler found the client to be, or null.</summary>
    public ClaimsPrincipal? User { get; }

    /// <summary>
    /// What the host wants to keep with the client, such as an object of a class of its own. Null until it is set, here or in <see cref="HandshakingEventArgs.State"/>; it stays when the client
    /// has left. <see cref="GetState"/> gives it with its type. Reading and setting it is thread-safe; what is in it is for the host to guard.
    /// </summary>
    public object? State
    {
        get => Volatile.Read(ref _state);
        set => Volatile.Write(ref _state, value);
    }

    /// <summary>Where the client's connection comes from. Behind a proxy this is the proxy.</summary>
    public EndPoint RemoteEndPoint => _lifetime.RemoteEndPoint;

    /// <summary>Where it arrived.</summary>
    public EndPoint LocalEndPoint => _lifetime.LocalEndPoint;

    /// <summary>When the handshake was accepted.</summary>
    public DateTimeOffset ConnectedAt => new(_connectedAt, TimeSpan.Zero);

    /// <summary>Whether messages can be sent: false as soon as either side has begun to close, or the connection is lost.</summary>
    public bool IsOpen => _lifetime.IsOpen;

    /// <summary>
    /// Cancelled as soon as it is decided that the client leaves, whichever side ends the connection: for work that is done for this client alone. While a handler of the client runs, its
    /// Close frame and the loss of the connection are noticed within about a second. Messages that came before may still be raised, and then <see cref="WebSocketServer.ClientDisconnected"/>.
    /// </summary>
    /// <remarks>
    /// Meanwhile 64 KiB of what the client sends are read at most. What lies behind more than that is noticed when the handler has ended; only the end of the connection is noticed
    /// all the same, on Linux. Callbacks that are registered with the token run on the thread pool.
    /// </remarks>
    public CancellationToken ConnectionClosed => _lifetime.Disconnected;

    /// <summary>The round trip of the latest ping, or null before the first. A client that talks all the time is not pinged to keep it alive: see <see cref="PingAsync"/>.</summary>
    public TimeSpan? Latency => _lifetime.Latency;

    /// <summary>Bytes, frame headers included, that were accepted for this client and that the operating system has not taken yet.</summary>
    public int BufferedBytes => _lifetime.Queue.BufferedBytes;

    /// <summary>Messages received from this client so far.</summary>
    public long MessagesReceived => _lifetime.MessagesReceived;

    /// <summary>Payload bytes of those messages.</summary>
    public long BytesReceived => _lifetime.BytesReceived;

    /// <summary>Messages accepted for transmission to this client so far.</summary>
    public long MessagesSent => _lifetime.Queue.MessagesSent;

    /// <summary>Payload bytes of those messages.</summary>
    public long BytesSent => _lifetime.Queue.BytesSent;

    /// <summary>What the host keeps with the client in <see cref="State"/>: <c>client.GetState&lt;Player&gt;().Score++</c>.</summary>
    /// <typeparam name="T">The type that the host put there, or one of its base types or interfaces.</typeparam>
    /// <exception cref="InvalidOperationException">The state is null or of another type.</exception>
    public T GetState<T>() => State is T state
        ? state
        : throw new InvalidOperationException(
            $"{this} has no state of the type {typeof(T)}: {(State is { } other ? $"its State is a {other.GetType()}." : "its State is null. Set it in Handshaking or ClientConnected.")}");

    /// <summary>
    /// Sends a Ping and waits for the Pong; <see cref="Latency"/> is up to date then. While one waits for its Pong, all callers share it. The Ping goes behind what waits to be sent, so a slow
    /// client has a long round trip. In a handler of this client the Pong is noticed within about a second, and the time is as much too long.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The time from the Ping to the Pong.</returns>
    /// <exception cref="TimeoutException">The Pong did not come within <see cref="WebSocketServerOptions.PingTimeout"/>. The client stays: only silence ends its connection.</exception>
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
    /// Closes politely: sends a Close frame behind all that was accepted, and waits for the client's. Completes when the client is out of
    /// <see cref="WebSocketServer.Clients"/>. A client that does not answer, or takes nothing of what was accepted for it, is cut after
    /// <see cref="WebSocketServerOptions.CloseTimeout"/>; one that takes it slowly is given time within <see cref="WebSocketServerOptions.MaxCloseDuration"/>. Called again, or
    /// when the connection is ending anyway, it only waits.
    /// </summary>
    /// <remarks>
    /// While a handler of this client is running, it completes as soon as the Close frame is on its way, for the client is in <see cref="WebSocketServer.Clients"/> until the
    /// handler ends or is given up. Messages that the client sent before it saw the Close frame are not raised any more.
    /// </remarks>
    /// <param name="code">Why: 1000 to 1003, 1007 to 1014, or one of your own from 3000 to 4999. An <see langword="int"/> will do.</param>
    /// <param name="reason">At most 123 bytes as UTF-8.</param>
    /// <param name="cancellationToken">Ends the wait; the closing goes on.</param>
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

    /// <summary>Closes politely, with 1000 and no reason. Otherwise like <see cref="CloseAsync(CloseCode, string, CancellationToken)"/>.</summary>
    /// <param name="cancellationToken">Ends the wait; the closing goes on.</param>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public Task CloseAsync(CancellationToken cancellationToken = default) => CloseAsync(CloseCode.NormalClosure, "", cancellationToken);

    /// <summary>Cuts the connection at once: what waits to be sent is lost, and the client sees a reset. For clients that misbehave; others deserve <see cref="CloseAsync(CloseCode, string, CancellationToken)"/>.</summary>
    public void Abort() => _lifetime.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));

    /// <inheritdoc/>
    public override string ToString() => $"client {Id} ({RemoteEndPoint} {Path})";

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByPath => ref _placeByPath;

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByRemoteAddress => ref _placeByRemoteAddress;

    internal ReadOnlyMemory<byte> PayloadOf(long run)
    {
        Volatile.ReadBarrier(); // what the caller has read of the payload was read before the check
        ReadOnlyMemory<byte> payload = _lifetime.Payload;
        Volatile.ReadBarrier(); // only afterwards the check: the payload may be the next message's already
        if (_lifetime.Handlers.Run == run)
            return payload;
        return _lifetime.LeftMessage is { } left && left.Run == run
            ? left.Payload
            : throw new InvalidOperationException(
                "The payload of this message is no longer valid: all handlers of the message have ended, or one has called ContinueReceiving. "
                + "Use Text or ToArray() to keep a copy, or await the work in an async handler.");
    }

    /// <summary>Keeps the payload of this message valid until the scope's operation is completed.</summary>
    internal HandlerScope HoldPayload(long run)
    {
        HandlerScope handlers = _lifetime.LeftMessage is { } left && left.Run == run ? left.Scope : _lifetime.Handlers;
        handlers.HoldPayload();
        try
        {
            PayloadOf(run);
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
