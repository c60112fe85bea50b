using System.Collections.Concurrent;
using System.Net;
using System.Net.WebSockets;
using System.Security.Claims;
using System.Text;
using System.Text.Unicode;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

/// <summary>A connected client. It can be kept and used from any thread; after the client has left, its properties still answer and sending tells so.</summary>
public sealed class WebSocketClient
{
    private readonly ConnectionLifetime _lifetime;
    private readonly long _connectedAt; // ticks of UTC
    private ConcurrentDictionary<string, object?>? _items;
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
        _items = handshaking?.ItemsOrNull;
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

    /// <summary>What the host wants to keep with the client. Thread-safe; made on first use.</summary>
    public ConcurrentDictionary<string, object?> Items =>
        Volatile.Read(ref _items) ?? Interlocked.CompareExchange(ref _items, new(StringComparer.Ordinal), null) ?? _items;

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

    /// <summary>The round trip of the latest ping, or null before the first. A client that talks all the time is not pinged to keep it alive: see <see cref="MeasureLatency"/>.</summary>
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

    /// <summary>
    /// Sends a text message. Completes when it is accepted for transmission: at once, unless <see cref="WebSocketServerOptions.SendQueueLimit"/> bytes wait for
    /// this client already; then when there is room again. Messages are never interleaved, and those of one caller keep their order.
    /// </summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="cancellationToken">Cancelled while waiting for room, the message is not sent; the connection lives on.</param>
    /// <exception cref="WebSocketException">
    /// The client has left or is leaving; or as many bytes as the send queue holds stand in line for it already, because it reads slowly and callers do not await their messages. In a handler
    /// it need not be caught: it is logged as Debug and closes nobody.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the message was accepted.</exception>
    public ValueTask SendAsync(string text, CancellationToken cancellationToken = default) => SendAsync(text, compress: true, cancellationToken);

    /// <summary>Sends a text message and says whether it may be compressed. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.</summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="compress">False never compresses it. True does if that was agreed on with the client: see <see cref="WebSocketServerOptions.PerMessageDeflate"/>.</param>
    /// <param name="cancellationToken">Cancelled while waiting for room, the message is not sent; the connection lives on.</param>
    /// <exception cref="WebSocketException">
    /// The client has left or is leaving; or as many bytes as the send queue holds stand in line for it already, because it reads slowly and callers do not await their messages. In a handler
    /// it need not be caught: it is logged as Debug and closes nobody.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the message was accepted.</exception>
    public ValueTask SendAsync(string text, bool compress, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        if (compress && IsWorthCompressing(text))
            return SendAsync(Opcode.Text, Encoding.UTF8.GetBytes(text), compress, cancellationToken);
        SendOutcome outcome = _lifetime.Queue.TrySend(text);
        return outcome.IsAccepted ? default : FinishAsync(outcome, Opcode.Text, Encoding.UTF8.GetBytes(text), cancellationToken);
    }

    /// <summary>Sends a message of bytes, which are copied before the call returns. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.</summary>
    /// <param name="payload">May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="messageType"><see cref="WebSocketMessageType.Binary"/> or <see cref="WebSocketMessageType.Text"/>.</param>
    /// <param name="cancellationToken">Cancelled while waiting for room, the message is not sent; the connection lives on.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a text is not valid UTF-8.</exception>
    /// <exception cref="WebSocketException">
    /// The client has left or is leaving; or as many bytes as the send queue holds stand in line for it already, because it reads slowly and callers do not await their messages. In a handler
    /// it need not be caught: it is logged as Debug and closes nobody.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the message was accepted.</exception>
    public ValueTask SendAsync(
        ReadOnlySpan<byte> payload, WebSocketMessageType messageType = WebSocketMessageType.Binary, CancellationToken cancellationToken = default) =>
        SendAsync(payload, messageType, compress: true, cancellationToken);

    /// <summary>
    /// Sends a message of bytes, which are copied before the call returns, and says whether it may be compressed. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.
    /// </summary>
    /// <param name="payload">May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="messageType"><see cref="WebSocketMessageType.Binary"/> or <see cref="WebSocketMessageType.Text"/>.</param>
    /// <param name="compress">False never compresses it. True does if that was agreed on with the client: see <see cref="WebSocketServerOptions.PerMessageDeflate"/>.</param>
    /// <param name="cancellationToken">Cancelled while waiting for room, the message is not sent; the connection lives on.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a text is not valid UTF-8.</exception>
    /// <exception cref="WebSocketException">
    /// The client has left or is leaving; or as many bytes as the send queue holds stand in line for it already, because it reads slowly and callers do not await their messages. In a handler
    /// it need not be caught: it is logged as Debug and closes nobody.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the message was accepted.</exception>
    public ValueTask SendAsync(ReadOnlySpan<byte> payload, WebSocketMessageType messageType, bool compress, CancellationToken cancellationToken = default)
    {
        Opcode opcode = IsReceivedText(messageType, payload) ? Opcode.Text : OpcodeFor(messageType, payload);
        return cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled(cancellationToken) : SendAsync(opcode, payload, compress, cancellationToken);
    }

    /// <summary>
    /// Sends a message while it is being written, however long it becomes and whoever writes it: <c>SendAsync(message => file.CopyToAsync(message))</c>.
    /// It leaves in fragments of up to 64 KiB and whenever <see cref="Stream.FlushAsync()"/> is called; the client puts them together. Completes when its end is accepted for transmission.
    /// </summary>
    /// <remarks>
    /// It begins when other messages that are sent in this way have ended. What else is sent to the client meanwhile goes behind it, within
    /// <see cref="WebSocketServerOptions.SendQueueLimit"/>: so <paramref name="write"/> should not wait long, and must not wait for another message to the same client.
    /// Where the connection is closed in the middle of it, what is behind it is lost with its rest.
    /// With permessage-deflate it is compressed by itself, whatever the context takeover, with a compressor of 220 to 330 KiB that it holds until its end.
    /// </remarks>
    /// <param name="write">
    /// Writes the message. The stream takes asynchronous writes only, one at a time; each waits while the send queue is full. When the function has ended, so has the message. If it throws,
    /// nothing is sent if no fragment has left yet; otherwise the client is closed with 1011, for it must not take half a message for a whole one.
    /// </param>
    /// <param name="messageType"><see cref="WebSocketMessageType.Binary"/> or <see cref="WebSocketMessageType.Text"/>, which must be valid UTF-8 as a whole.</param>
    /// <param name="compress">False never compresses it. True does if that was agreed on with the client: see <see cref="WebSocketServerOptions.PerMessageDeflate"/>.</param>
    /// <param name="cancellationToken">Cancels waiting: for the turn, or for room in a write that has no token of its own. What then follows is the same as if <paramref name="write"/> threw.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a text is not valid UTF-8.</exception>
    /// <exception cref="InvalidOperationException">A write was not awaited, or one failed and <paramref name="write"/> went on all the same.</exception>
    /// <exception cref="WebSocketException">The client has left or is leaving; writes throw it too. In a handler it need not be caught: it is logged as Debug and closes nobody.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public async ValueTask SendAsync(
        Func<Stream, Task> write, WebSocketMessageType messageType = WebSocketMessageType.Binary, bool compress = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(write);
        Opcode opcode = OpcodeFor(messageType, default);
        MessageCompressor? compressor = compress ? _lifetime.Compressor : null;
        // Back to where the caller is, for what follows is its own code.
        await FinishAsync(compressor?.BeginFragmentsAsync(cancellationToken) ?? _lifetime.Queue.BeginFragmentsAsync(cancellationToken)).ConfigureAwait(true);

        var message = new StreamedMessage(this, _lifetime.Queue, compressor, opcode, _lifetime.Pool, cancellationToken);
        try
        {
            await write(message).ConfigureAwait(false);
            await message.EndAsync().ConfigureAwait(false);
            message.Release();
        }
        catch (Exception exception)
        {
            if (message.Release())
                _lifetime.Queue.TakeBackFragments();
            else
                _lifetime.BeginClose(new ConnectionEnding(
                    DisconnectCause.MessageUnfinished, ConnectionSide.Server, WebSocketCloseStatus.InternalServerError, "message could not be finished", exception));
            throw;
        }
    }

    /// <summary>Sends a text message if that is possible without waiting.</summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="compress">False never compresses it. True does if that was agreed on with the client: see <see cref="WebSocketServerOptions.PerMessageDeflate"/>.</param>
    /// <returns>False if the send queue is full or the client is leaving: the message is not sent.</returns>
    public bool TrySend(string text, bool compress = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        SendOutcome outcome = compress && IsWorthCompressing(text)
            ? TrySend(Opcode.Text, Encoding.UTF8.GetBytes(text), compress)
            : _lifetime.Queue.TrySend(text);
        return outcome.IsAccepted;
    }

    /// <summary>Sends a message of bytes if that is possible without waiting. They are copied before the call returns.</summary>
    /// <param name="payload">May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="messageType"><see cref="WebSocketMessageType.Binary"/> or <see cref="WebSocketMessageType.Text"/>.</param>
    /// <param name="compress">False never compresses it. True does if that was agreed on with the client: see <see cref="WebSocketServerOptions.PerMessageDeflate"/>.</param>
    /// <returns>False if the send queue is full or the client is leaving: the message is not sent.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a text is not valid UTF-8.</exception>
    public bool TrySend(ReadOnlySpan<byte> payload, WebSocketMessageType messageType = WebSocketMessageType.Binary, bool compress = true) =>
        TrySend(IsReceivedText(messageType, payload) ? Opcode.Text : OpcodeFor(messageType, payload), payload, compress).IsAccepted;

    /// <summary>
    /// Sends a ping whose answer brings <see cref="Latency"/> up to date. It returns at once. Nothing is sent while the last ping is not answered, for up to
    /// <see cref="WebSocketServerOptions.PingTimeout"/>, or when the client is leaving. The ping goes behind what waits to be sent, so a slow client has a long round trip.
    /// </summary>
    public void MeasureLatency() => _lifetime.MeasureLatency();

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
    /// <param name="code">1000 to 1003, 1007 to 1014, or one of your own from 3000 to 4999.</param>
    /// <param name="reason">At most 123 bytes as UTF-8.</param>
    /// <param name="cancellationToken">Ends the wait; the closing goes on.</param>
    /// <exception cref="ArgumentException">The code must not be sent, or the reason is too long.</exception>
    public async Task CloseAsync(
        WebSocketCloseStatus code = WebSocketCloseStatus.NormalClosure, string reason = "", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reason);
        CloseFrame.Check(code, reason);
        _lifetime.BeginClose(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Server, code, reason));
        Task done = _lifetime.Handlers.IsRunning ? _lifetime.Queue.WhenDrained() : _lifetime.WhenClosed();
        await done.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Cuts the connection at once: what waits to be sent is lost, and the client sees a reset. For clients that misbehave; others deserve <see cref="CloseAsync"/>.</summary>
    public void Abort() => _lifetime.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseFrame.Abnormal, ""));

    /// <inheritdoc/>
    public override string ToString() => $"client {Id} ({RemoteEndPoint} {Path})";

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByPath => ref _placeByPath;

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByRemoteAddress => ref _placeByRemoteAddress;

    internal SendOutcome TrySend(SharedMessage message) => message.TrySendTo(_lifetime.Queue, _lifetime.Compressor);

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

    internal WebSocketException HasLeft() => NotSent(WebSocketError.ConnectionClosedPrematurely, $"{this} has left or is leaving. TrySend tells so without an exception.");

    internal static Opcode OpcodeFor(WebSocketMessageType messageType, ReadOnlySpan<byte> payload) => messageType switch
    {
        WebSocketMessageType.Binary => Opcode.Binary,
        WebSocketMessageType.Text when Utf8.IsValid(payload) => Opcode.Text,
        WebSocketMessageType.Text => throw new ArgumentException(
            "The payload of a text message must be valid UTF-8; clients have to close the connection over anything else. Send it as binary.", nameof(payload)),
        _ => throw new ArgumentOutOfRangeException(nameof(messageType), messageType, "A message is Text or Binary. To close the connection, call CloseAsync."),
    };

    // An echo: the very bytes that were checked when they came, on the thread that received them, where nothing can have changed them since.
    private bool IsReceivedText(WebSocketMessageType messageType, ReadOnlySpan<byte> payload) =>
        messageType == WebSocketMessageType.Text && _lifetime.Handlers.IsLoopThread && _lifetime.MessageType == WebSocketMessageType.Text && payload == _lifetime.Payload.Span;

    private bool IsWorthCompressing(string text) => _lifetime.Compressor is { } compressor && compressor.Takes(Encoding.UTF8.GetByteCount(text));

    private SendOutcome TrySend(Opcode opcode, ReadOnlySpan<byte> payload, bool compress) =>
        compress && _lifetime.Compressor is { } compressor && compressor.Takes(payload.Length)
            ? compressor.TrySend(opcode, payload)
            : _lifetime.Queue.TrySend(opcode, payload);

    private ValueTask SendAsync(Opcode opcode, ReadOnlySpan<byte> payload, bool compress, CancellationToken cancellationToken)
    {
        if (compress && _lifetime.Compressor is { } compressor && compressor.Takes(payload.Length))
            return FinishAsync(compressor.SendAsync(opcode, payload, cancellationToken));
        SendOutcome outcome = _lifetime.Queue.TrySend(opcode, payload);
        return outcome.IsAccepted ? default : FinishAsync(outcome, opcode, payload, cancellationToken);
    }

    private ValueTask FinishAsync(SendOutcome outcome, Opcode opcode, ReadOnlySpan<byte> payload, CancellationToken cancellationToken) =>
        FinishAsync(outcome == SendOutcome.Full
            ? _lifetime.Queue.WaitAndSendFrameAsync(SendQueue.ToFrame(opcode, payload), payload.Length, cancellationToken)
            : Task.FromResult(outcome));

    private async ValueTask FinishAsync(Task<SendOutcome> sending)
    {
        SendOutcome outcome = await sending.ConfigureAwait(false);
        if (outcome == SendOutcome.Closed)
            throw HasLeft();
        if (outcome == SendOutcome.LineFull)
            throw NotSent(
                WebSocketError.InvalidState,
                $"{this} reads too slowly: its send queue is full, and as many bytes stand in line for it already. "
                + "Await each SendAsync before the next one, or use TrySend, which tells when the queue is full.");
    }

    private static WebSocketException NotSent(WebSocketError error, string reason) =>
        new(error, $"The message was not sent: {reason}", new NotSentException(reason));
}
