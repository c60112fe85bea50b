using System.Buffers;
using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Connections.Receiving;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections;

/// <summary>
/// One connection from accept to release. <see cref="RunAsync"/> runs its phases in order; each phase has an object of its own: <see cref="OpeningHandshake"/>,
/// <see cref="ReceiveLoop"/>, <see cref="ClosingHandshake"/>. The layer above implements the abstract members.
/// <para>Invariants: <see cref="RunAsync"/> is called once. Handlers of one connection run one event at a time. The heartbeat calls <see cref="Beat"/>. Any thread may
/// read the state, and end the connection by <see cref="BeginClose"/>, <see cref="Abort"/>, <see cref="CloseForMemory"/> or <see cref="BeginStop"/>. There is no lock:
/// the connection's own loop writes the shared fields, or the first thread does by compare-exchange.</para>
/// </summary>
internal abstract partial class ConnectionLifetime : IHandlers, IThreadPoolWorkItem
{
    private ConnectionWatch _watch;
    private OpeningHandshake? _opening;             // null once the connection is open
    private ClosingHandshake? _closing;             // made when the connection begins to end
    private TaskCompletionSource? _closed;          // made for the first caller that waits
    private CancellationTokenSource? _disconnected; // made for the first caller that asks
    private ConnectionEvent _raising;               // the current event
    private volatile bool _open;                    // the handshake was accepted, so Close frames may be sent
    private volatile bool _answered;                // the send queue has flushed the 101
    private volatile bool _over;                    // the client is out of the registry, and WhenClosed has completed
    private volatile bool _hasSpoken;               // the peer has sent something
    private ProxyConnection? _proxy;                // not null once a trusted proxy has told who the client is
    private PendingReplies? _replies;               // made for the first request to the peer
    private volatile bool _isSilent;                // no further message will be raised
    private bool _hasContext;                       // this connection holds one of the places for context takeover
    private volatile bool _isConnectedRaised;       // the handlers of ClientConnected were called
    private SessionExpiry? _expiry;                 // made for the first date
    private Notices? _notices;                      // made for the first notice

    protected ConnectionLifetime(TransportConnection transport, ConnectionSettings settings, Heartbeat heartbeat, ServerLog log)
    {
        Transport = transport;
        RemoteAddress = transport.RemoteAddress;
        Settings = settings;
        Heartbeat = heartbeat;
        Log = log;
        Queue = new SendQueue(transport, settings.SendQueueLimit, settings.Budget, this) { Policy = settings.SlowClients };
        Handlers = new HandlerScope(this, settings.EventContext);
        Receive = new ReceiveLoop(this, transport, settings, heartbeat);
        _opening = new OpeningHandshake(this);
        _watch = new ConnectionWatch(heartbeat.Now);
    }

    public TransportConnection Transport { get; }

    public ConnectionSettings Settings { get; private set; }

    public Heartbeat Heartbeat { get; }

    public ServerLog Log { get; }

    public SendQueue Queue { get; }

    public ReceiveLoop Receive { get; }

    /// <summary>The handlers of the current event. Replaced by a new scope when the connection stops waiting for them.</summary>
    public HandlerScope Handlers { get; private set; }

    /// <summary>Null if permessage-deflate was not negotiated.</summary>
    public MessageCompressor? Compressor { get; private set; }

    public ArrayPool<byte> Pool => Settings.Pool;

    /// <summary>The client's end point: that of the transport, or the one that a trusted proxy has told.</summary>
    public EndPoint RemoteEndPoint => Volatile.Read(ref _proxy)?.ClientRemoteEndPoint ?? Transport.RemoteEndPoint;

    /// <summary>The end point that the client has connected to: that of the transport, or the one that a trusted proxy has told.</summary>
    public EndPoint LocalEndPoint => Volatile.Read(ref _proxy)?.ClientLocalEndPoint ?? Transport.LocalEndPoint;

    /// <summary>The trusted proxy that speaks for the client. Null without one, and until it has told who the client is.</summary>
    public ProxyConnection? Proxy
    {
        get => Volatile.Read(ref _proxy);
        protected set
        {
            Volatile.Write(ref _proxy, value);
            RemoteAddress = EndPointAddress.Of(RemoteEndPoint);
        }
    }

    /// <summary>The IP address of <see cref="RemoteEndPoint"/>, by which the connection is counted and found. Kept, since the host could change the end point.</summary>
    public IPAddress RemoteAddress { get; private set; }

    /// <summary>Whether the connection begins with a header of the PROXY protocol.</summary>
    public bool ExpectsProxyHeader { get; protected set; }

    /// <summary>Whether the transport's peer is a trusted proxy.</summary>
    public bool IsFromTrustedProxy { get; protected set; }

    /// <summary>Whether the limits per address count the connection. False until a trusted proxy has told who the client is. The lock of the <see cref="ConnectionTable"/> guards it.</summary>
    public bool IsAttributed { get; set; } = true;

    public long MessagesReceived => Receive.MessagesReceived;

    public long BytesReceived => Receive.BytesReceived;

    /// <summary>What it has received and sent so far. From any thread.</summary>
    public Traffic Traffic => new(Receive.MessagesReceived, Receive.BytesReceived, Receive.BytesRead, Queue.MessagesSent, Queue.BytesSent, Queue.BytesTaken);

    /// <summary>The payload of the message that is being handled. Valid while <see cref="HandlerScope.Run"/> keeps its value.</summary>
    public ReadOnlyMemory<byte> Payload => Receive.Payload;

    public WebSocketMessageType MessageType => Receive.MessageType;

    /// <inheritdoc cref="ReceiveLoop.IsHoldingBack"/>
    public bool IsHoldingBack => Receive.IsHoldingBack;

    /// <summary>The time between the latest ping and its pong, or null before the first.</summary>
    public TimeSpan? Latency => _watch.Latency;

    /// <summary>Bytes of memory that are held for this connection. A snapshot, from any thread.</summary>
    public long HeldBytes => Receive.HeldBytes + Queue.HeldBytes + Transport.HeldBytes + (Compressor?.HeldBytes ?? 0);

    /// <summary>Whether messages can be sent. A failed write makes this false even while the receive loop still waits for a handler.</summary>
    public bool IsOpen => _open && !IsEnding && Queue.Failure is null;

    /// <summary>Whether the connection has begun to end.</summary>
    public bool IsEnding => Ending is not null;

    /// <inheritdoc cref="ClosingHandshake.DiscardsMessages"/>
    public bool DiscardsMessages => Volatile.Read(ref _closing) is { DiscardsMessages: true };

    /// <inheritdoc cref="ClosingHandshake.HasPeerClosed"/>
    public bool HasPeerClosed => Volatile.Read(ref _closing) is { HasPeerClosed: true };

    /// <inheritdoc cref="ClosingHandshake.LeftMessage"/>
    public LeftMessage? LeftMessage => Volatile.Read(ref _closing)?.LeftMessage;

    /// <summary>When the session of the client expires; null for never.</summary>
    public DateTimeOffset? ExpiresAt
    {
        get => Volatile.Read(ref _expiry)?.At;
        set
        {
            if (Volatile.Read(ref _expiry) is not { } expiry)
            {
                if (value is null)
                    return;
                var mine = new SessionExpiry();
                expiry = Interlocked.CompareExchange(ref _expiry, mine, null) ?? mine;
            }

            expiry.At = value;
        }
    }

    /// <summary>The index in the <see cref="ConnectionTable"/>, whose lock guards it.</summary>
    public int TableIndex { get; set; }

    /// <summary>The index in the <see cref="HandshakePlaces"/>, or -1. The lock of the <see cref="ConnectionTable"/> guards it.</summary>
    public int HandshakeIndex { get; set; } = -1;

    /// <summary>The decision of the <see cref="ConnectionTable"/>, set before <see cref="RunAsync"/>.</summary>
    public Admission Admission { get; set; }

    /// <summary>Whether the server has seen any byte from the peer.</summary>
    public bool HasSpoken
    {
        get => _hasSpoken;
        set => _hasSpoken = value;
    }

    /// <summary>The calls that wait for a message of the peer. Made on first use, from any thread.</summary>
    public PendingReplies Replies
    {
        get
        {
            if (Volatile.Read(ref _replies) is { } replies)
                return replies;
            // Store _replies, then read _isSilent; EndMessages does the reverse, so no call waits for ever.
            var mine = new PendingReplies();
            replies = Interlocked.CompareExchange(ref _replies, mine, null) ?? mine;
            if (_isSilent)
                replies.End();
            return replies;
        }
    }

    /// <summary>The closing handshake. Made on first use, from any thread.</summary>
    public ClosingHandshake Closing
    {
        get
        {
            if (Volatile.Read(ref _closing) is { } closing)
                return closing;
            var mine = new ClosingHandshake(this);
            return Interlocked.CompareExchange(ref _closing, mine, null) ?? mine;
        }
    }

    /// <summary>Cancelled as soon as the connection begins to end. Made on first use, since most hosts never use it.</summary>
    public CancellationToken Disconnected
    {
        get
        {
            CancellationTokenSource? source = Volatile.Read(ref _disconnected);
            if (source is null)
            {
                // Store the source, then read IsEnding; TryEnd does the reverse, so no cancellation is lost.
                var mine = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _disconnected, mine, null) ?? mine;
                if (IsEnding)
                    source.Cancel();
            }

            return source.Token;
        }
    }

    /// <summary>How the connection ended; not null once <see cref="ConnectionEvent.Disconnected"/> is raised.</summary>
    protected ConnectionEnding? Ending => Volatile.Read(ref _closing)?.Ending;

    /// <summary>Why the client has not left cleanly.</summary>
    protected CutReason WhyCut => Volatile.Read(ref _closing) switch
    {
        { WhyCut: not CutReason.EndedOtherwise and var noted } => noted,
        { LeftMessage.IsPostponed: false } => CutReason.HandlerRunning,
        _ => CutReason.EndedOtherwise,
    };

    /// <summary>Whether both sides sent a Close frame.</summary>
    protected bool WasClean => Volatile.Read(ref _closing) is { WasClean: true };

    /// <summary>Runs the connection on a thread of its transport, for a caller whose thread must not run handlers.</summary>
    // Not an await in RunAsync: that would leave a delegate in the state machine of every idle connection.
    public void Start() => Transport.Start(this);

    void IThreadPoolWorkItem.Execute() => _ = RunAsync();

    /// <summary>Runs the connection from the accepted socket to its release. Begins on the thread of the caller. Never throws.</summary>
    public async Task RunAsync()
    {
        try
        {
            await _opening!.RunAsync().ConfigureAwait(false);
            if (_opening.IsAccepted)
            {
                await OpenAsync().ConfigureAwait(false);
                if (LeftMessage is null)
                {
                    Receive.Begin();
                    try
                    {
                        // An idle connection waits here. Put no other async method in between, keep no locals across the awaits, and await plain tasks and value tasks only: each of these
                        // would make the state machine of every idle connection larger.
                        while (Receive.End is null)
                        {
                            await Receive.WaitForInputAsync().ConfigureAwait(false);
                            await Receive.TakeInputAsync().ConfigureAwait(false);
                        }
                    }
                    catch (Exception failure)
                    {
                        Receive.Fail(failure);
                    }

                    await Receive.FinishAsync().ConfigureAwait(false);
                }

                await CloseAsync().ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            // The connection was lost during the handshake. ClientConnected was not raised, so ClientDisconnected must not be raised either.
        }
        catch (Exception exception)
        {
            Log.ConnectionFailed(exception, RemoteEndPoint);
            Cut();
        }

        await ReleaseAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// Starts the closing handshake: sends a Close frame. The connection is cut if the peer's does not come in time. False if the connection is ending already.
    /// </summary>
    public bool BeginClose(ConnectionEnding ending)
    {
        // After a failed write the connection is lost, and the receive loop will report that.
        if (!IsOpen || !TryEnd(ending))
            return false;
        Closing.Begin(ending);
        return true;
    }

    /// <summary>Cuts the connection now. False if it was ending already; it is cut in any case.</summary>
    public bool Abort(ConnectionEnding ending)
    {
        bool first = TryEnd(ending);
        Cut();
        return first;
    }

    /// <summary>Closes the connection with 1013 to free its memory. Cuts it if it is not open.</summary>
    public void CloseForMemory()
    {
        var ending = new ConnectionEnding(
            DisconnectCause.MemoryBudgetExceeded, ConnectionSide.Server, CloseCode.TryAgainLater, "server is short of memory");
        if (IsOpen && TryEnd(ending))
            Closing.BeginForMemory(ending, isAnswered: _answered);
        else
            Cut();
    }

    /// <summary>Ends the connection because the server stops: sends a Close frame, or 503 during the handshake.</summary>
    public void BeginStop(CloseCode code, string reason)
    {
        if (_open)
            BeginClose(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, code, reason));
        else
            Volatile.Read(ref _opening)?.Interrupt(Admission.Stopping);
    }

    /// <summary>Starts the closing handshake because the server stops. Does nothing unless the connection is open: a request is still answered.</summary>
    public void BeginDrain(CloseCode code, string reason)
    {
        if (_open)
            BeginStop(code, reason);
    }

    /// <summary>Cuts the connection and gives up its handlers, because the stop timeout is over.</summary>
    /// <param name="isCancelled">Whether it is not over, but the host waits no longer.</param>
    public void EndStop(bool isCancelled = false)
    {
        Closing.NoteCut(isCancelled);
        Abort(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));
        LeaveHandlers(HandlersEnd.GivenUp);
    }

    /// <summary>Turns the connection away, because a new connection has taken its handshake place.</summary>
    public void GiveWay() => Volatile.Read(ref _opening)?.Interrupt(Admission.TooManyHandshakes);

    /// <summary>Updates <see cref="HasSpoken"/> by polling the transport for bytes, and returns it. From any thread.</summary>
    public bool PollHasSpoken() => _hasSpoken |= Transport.HasReceived;

    /// <summary>Completes when the client is out of the registry. The closing handshake has then ended or failed.</summary>
    public Task WhenClosed()
    {
        TaskCompletionSource? closed = Volatile.Read(ref _closed);
        if (closed is null)
        {
            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            closed = Interlocked.CompareExchange(ref _closed, mine, null) ?? mine;
            if (_over)
                closed.TrySetResult();
        }

        return closed.Task;
    }

    /// <summary>Completes when <see cref="ConnectionEvent.Disconnected"/> was raised and its handlers have ended; at once if there was no client. Call it after <see cref="RunAsync"/> has ended.</summary>
    public Task WhenTold() => Volatile.Read(ref _closing)?.Told ?? Task.CompletedTask;

    /// <summary>Notes that bytes were received.</summary>
    public void Heard() => _watch.Heard(Heartbeat.Now);

    public void PongReceived(ReadOnlySpan<byte> payload) => _watch.PongReceived(this, payload);

    /// <inheritdoc cref="ConnectionWatch.PingAsync"/>
    public Task<TimeSpan?> PingAsync() => _watch.PingAsync(this);

    /// <summary>Answers a Close frame that read-ahead has found. The messages before it are still raised.</summary>
    public void PeerCloses(CloseCode code, string reason) => Closing.AnswerAhead(code, reason);

    /// <summary>Ends the connection because read-ahead has found the end of the input. The messages before it are still raised.</summary>
    /// <param name="failure">The error of a lost connection; null for a FIN.</param>
    public void PeerEnded(Exception? failure)
    {
        // A half-close: an HTTP client may send a FIN right after its request and wait for the answer.
        if (!_open && failure is null && Volatile.Read(ref _opening) is { IsPlainRequest: true })
            return;
        TryEnd(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseCode.AbnormalClosure, "", failure));
        // Handlers that decide about the request of a lost client must not occupy its handshake place for ever.
        if (!_open)
            Closing.Deadline.StartForHandlers();
    }

    /// <summary>Checks all deadlines of the connection. Called by the heartbeat. Never throws: the heartbeat has to visit the other connections too.</summary>
    public void Beat(long now)
    {
        try
        {
            Volatile.Read(ref _opening)?.Beat(now);
            Volatile.Read(ref _closing)?.Beat(now);
            if (IsOpen)
            {
                BeatOpen(now);
                if (_expiry is not null)
                    BeatExpiry(_expiry);
            }
            else if (!IsEnding && Queue.Failure is { } failure)
            {
                Abort(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseCode.AbnormalClosure, "", failure));
            }

            _watch.BeatHandlers(this, now, Receive.WatchedRun);
        }
        catch (Exception exception)
        {
            Log.ConnectionFailed(exception, RemoteEndPoint);
            Abort(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Server, CloseCode.AbnormalClosure, "", exception));
        }
    }

    /// <summary>Raises the message that <see cref="ReceiveLoop.Parts"/> hands on, as <see cref="HandlerScope.Raise"/> does.</summary>
    public bool RaiseMessageStream(HandlerScope handlers)
    {
        _raising = ConnectionEvent.MessageInParts;
        return handlers.Raise();
    }

    /// <summary>The handlers of that message have ended.</summary>
    public void MessageStreamEnded() => _raising = ConnectionEvent.Message;

    private void BeatExpiry(SessionExpiry expiry)
    {
        switch (expiry.Beat(Heartbeat.UtcNow(), Settings.ExpiryNotice, out DateTimeOffset at))
        {
            case ExpiryAction.Notify:
                Notify(new Notice(NoticeKind.Expiring, at.UtcTicks));
                break;
            case ExpiryAction.Close:
                BeginClose(new ConnectionEnding(DisconnectCause.Expired, ConnectionSide.Server, CloseCode.PolicyViolation, "session has expired"));
                break;
        }
    }

    /// <summary>Reads ahead, because the same handlers still run at a second beat. Fast handlers cost no read-ahead.</summary>
    public void LookAtPeer(long run)
    {
        if (!_over)
            Receive.Look(run, _open);
    }

    public void HandlersAreSlow() => Log.HandlerSlow(NameOf(_raising), RemoteEndPoint, Settings.SlowHandlerThreshold);

    /// <summary>
    /// Replaces the settings by those of the client's path, or of the client alone. Call it on the connection's own loop, after the handlers of <see cref="ConnectionEvent.Request"/> and before
    /// the 101. Times, memory and <see cref="ConnectionSettings.EventContext"/> have to stay those of the server.
    /// </summary>
    public void Apply(ConnectionSettings settings)
    {
        if (ReferenceEquals(settings, Settings))
            return;
        Settings = settings;
        Queue.Apply(settings);
        Receive.Apply(settings);
    }

    /// <summary>Enables permessage-deflate with the negotiated parameters.</summary>
    public void Agree(PerMessageDeflateParameters parameters, CompressionSettings compression, bool keepsContext)
    {
        _hasContext = keepsContext;
        Compressor = new MessageCompressor(Queue, parameters, compression, Settings.Budget);
        Receive.Agree(parameters);
    }

    /// <summary>Raises an event and waits for its handlers.</summary>
    public async ValueTask<HandlersEnd> RaiseAsync(ConnectionEvent what)
    {
        _raising = what;
        HandlerScope handlers = Handlers;
        handlers.Enter();
        bool ended = handlers.Raise();
        handlers.Leave();
        HandlersEnd end = ended ? HandlersEnd.Ended : await handlers.WhenEnded().ConfigureAwait(false);
        // The heartbeat may still be reading ahead for these handlers. Wait for it before the input is used again.
        Receive.WaitForVisitor();
        return end;
    }

    /// <summary>Replaces the scope, because the connection stops waiting for the handlers of the current event.</summary>
    public void RenewHandlers(HandlersEnd why)
    {
        HandlerScope left = Handlers;
        if (why == HandlersEnd.GoOn)
            Track(left.WhenLeftEnded());
        else
            Closing.LeftMessage = new LeftMessage(left, left.Run, Payload, why == HandlersEnd.Postponed);
        Handlers = new HandlerScope(this, Settings.EventContext, (left.Run | 1) + 1);
    }

    /// <summary>
    /// Stops waiting for the current handlers. Does nothing once the client is out of the registry: handlers of ClientDisconnected may take any time.
    /// </summary>
    public void LeaveHandlers(HandlersEnd why)
    {
        if (_over)
            return;
        Handlers.LeaveAlone(why);
        if (why == HandlersEnd.GivenUp)
            Handlers.GiveUpPayload();
    }

    void IHandlers.Raise(long run)
    {
        ConnectionEvent what = _raising;
        if (_replies is not null && what == ConnectionEvent.Message && _replies.TryTake(run))
            return;
        Raise(what, run);
        if (what != ConnectionEvent.Connected)
            return;
        _isConnectedRaised = true;
        Interlocked.MemoryBarrier(); // store _isConnectedRaised, then read _notices; Notify does the reverse, so no notice is left
        Volatile.Read(ref _notices)?.Open();
    }

    /// <summary>No further message will be raised: calls that wait for one need not wait any longer. From any thread.</summary>
    public void EndMessages()
    {
        _isSilent = true;
        Interlocked.MemoryBarrier();
        _replies?.End();
    }

    /// <summary>
    /// Raises a notice on the thread pool, beside the client's other events, between ClientConnected and ClientDisconnected: see <see cref="Notices"/>. Does nothing
    /// if nobody listens to it. From any thread, also inside a lock.
    /// </summary>
    public void Notify(Notice notice)
    {
        if (!Hears(notice.Kind))
            return;
        Notices? notices = Volatile.Read(ref _notices);
        if (notices is null)
        {
            var mine = new Notices(this);
            notices = Interlocked.CompareExchange(ref _notices, mine, null) ?? mine;
        }

        notices.Add(notice);
        if (_isConnectedRaised)
            notices.Open();
    }

    /// <summary>Lets the stop of the server wait for the handlers of notices.</summary>
    public void FollowNotices(Task handlers) => Track(handlers);

    /// <summary>Calls the host's handlers of a notice. Catches what they throw.</summary>
    /// <param name="notice">The notice.</param>
    /// <param name="handlers">Is told what they throw.</param>
    public abstract void RaiseNotice(Notice notice, IHandlers handlers);

    /// <summary>A handler of a notice threw.</summary>
    public void NoticeFailed(Exception exception, NoticeKind kind) => HandlerFailed(exception, NameOf(kind));

    public void HandlerFailed(Exception exception)
    {
        if (_raising == ConnectionEvent.Request)
            Volatile.Read(ref _opening)?.HandlerFailed();
        HandlerFailed(exception, NameOf(_raising));
    }

    private void HandlerFailed(Exception exception, string @event)
    {
        // These exceptions are not failures of the handler: a send to a client that has left or does not read, a cancellation after this connection began to end, and a read from a message whose
        // rest does not come.
        if ((_open && exception is WebSocketException && (!IsOpen || exception.InnerException is NotSentException)) || (exception is OperationCanceledException && IsEnding) || exception is InterruptedMessageException)
        {
            Log.HandlerOutlivedClient(exception, RemoteEndPoint);
            return;
        }

        if (exception is InvalidJsonException invalid && invalid.Sender == this)
        {
            Log.JsonInvalid(RemoteEndPoint, new PeerText(exception.Message));
            if (Settings.CloseOnHandlerException)
                BeginClose(new ConnectionEnding(
                    DisconnectCause.ProtocolViolation, ConnectionSide.Server, CloseCode.InvalidPayloadData, "message is not the JSON that was expected", exception));
            return;
        }

        Log.HandlerFailed(exception, @event, RemoteEndPoint);
        Settings.Metrics?.HandlerFailed(@event);
        if (Settings.CloseOnHandlerException)
            BeginClose(new ConnectionEnding(
                DisconnectCause.HandlerFailed, ConnectionSide.Server, CloseCode.InternalError, "handler failed", exception));
    }

    /// <summary>Begins the end of the connection by keeping its cause. True if it is the first cause.</summary>
    public bool TryEnd(ConnectionEnding ending)
    {
        if (!Closing.TrySetEnding(ending))
            return false;
        _watch.End();
        _ = CancelDisconnectedAsync();
        return true;
    }

    /// <summary>Cuts the connection now, in any phase.</summary>
    public void Cut()
    {
        Volatile.Read(ref _opening)?.StopDeadline();
        Closing.Cut();
    }

    /// <summary>Takes over what a trusted proxy has told about the client. <see cref="Admission"/> may change then, since the client's address may have too many connections.</summary>
    public abstract void Locate(ProxyConnection proxy);

    /// <summary>Logs that the connection ends because of its PROXY header.</summary>
    /// <param name="reason">The reason, as the end of a sentence.</param>
    public abstract void ProxyRefused(string reason);

    /// <summary>Whether the host may answer plain HTTP requests: then requests are read although there is no place for a further client.</summary>
    public abstract bool AnswersPlainRequests { get; }

    /// <summary>Makes the object that decides about the request. Called at most once.</summary>
    public abstract IRequestDecision Decide();

    /// <summary>Called when the handshake was accepted, refused or lost.</summary>
    public abstract void HandshakeEnded();

    /// <summary>Calls the host's handlers of the event. Catches what they throw.</summary>
    /// <param name="what">The event.</param>
    /// <param name="run">The value of <see cref="HandlerScope.Run"/> while these handlers run.</param>
    protected abstract void Raise(ConnectionEvent what, long run);

    /// <summary>Whether <see cref="MessageHandled"/> has to be called.</summary>
    public bool IsTraced { get; protected set; }

    /// <summary>Called when the handlers of a message have ended, or are no longer waited for.</summary>
    public virtual void MessageHandled()
    {
    }

    /// <summary>Whether there are handlers for <see cref="ConnectionEvent.MessageInParts"/>. Otherwise all messages are raised as a whole.</summary>
    protected abstract bool HandlesMessageStreams { get; }

    /// <summary>Whether the host has a handler for notices of this kind.</summary>
    protected abstract bool Hears(NoticeKind kind);

    /// <summary>Called with handlers that outlive their event or the connection, so that the stop of the server waits for them too.</summary>
    protected abstract void Track(Task handlers);

    /// <summary>Called when the connection is open: adds the client to the registry.</summary>
    protected abstract void Opened();

    /// <summary>Called when the closing handshake is over: removes the client from the registry.</summary>
    protected abstract void Closed();

    /// <summary>Called when the handlers of <see cref="ConnectionEvent.Disconnected"/> and all earlier ones have ended or were given up.</summary>
    /// <param name="handlersEnded">Whether all have ended. False when some were given up.</param>
    protected abstract void Ended(bool handlersEnded);

    /// <summary>Called when the socket is closed and all memory is released.</summary>
    protected abstract void Released();

    // The handshake was accepted. Sets LeftMessage if the handlers of ClientConnected were given up or postponed.
    private async Task OpenAsync()
    {
        LimitSendBuffer();
        _open = true;
        Opened();
        if (Settings.StreamMessagesFrom is { } from and not long.MaxValue && HandlesMessageStreams)
            Receive.Split(from, Settings.MaxStreamedMessageSize);
        Queue.Flush();
        _answered = true;
        HandlersEnd end = await RaiseAsync(ConnectionEvent.Connected).ConfigureAwait(false);
        if (end != HandlersEnd.Ended)
            RenewHandlers(end);
        Volatile.Write(ref _opening, null); // free its memory
        if (end is HandlersEnd.Ended or HandlersEnd.GoOn)
            _raising = ConnectionEvent.Message;
    }

    // The receive loop has ended, or was not started because the handlers of ClientConnected were given up or postponed.
    private async Task CloseAsync()
    {
        EndMessages();
        if (Receive.IsPayloadLeft)
            Settings.Budget.Forget(Transport.ForgetBuffers());

        Task linger = await Closing.RunAsync(Receive.End ?? ReceiveEnd.Abandoned).ConfigureAwait(false);
        Closed();
        _over = true;
        // Store _over, then read _closed; WhenClosed does the reverse, so no wake-up is lost.
        Interlocked.MemoryBarrier();
        _closed?.TrySetResult();
        // Not awaited: the socket is released however long these handlers take.
        Closing.Told = TellDisconnectedAsync();
        Track(Closing.Told);
        await linger.ConfigureAwait(false);
    }

    private async Task TellDisconnectedAsync()
    {
        LeftMessage? left = LeftMessage;
        if (left is { IsPostponed: true, Scope: var scope })
        {
            // Keep the order of events: the one that is queued in the host's context comes first.
            await scope.WhenLeftBegan().ConfigureAwait(false);
            await scope.WhenLeftEnded().WaitAsync(Settings.CloseTimeout, Heartbeat.TimeProvider).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (Volatile.Read(ref _notices) is { } notices)
            await notices.CloseAsync().WaitAsync(Settings.CloseTimeout, Heartbeat.TimeProvider).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        HandlerScope handlers = Handlers;
        HandlersEnd end = await RaiseAsync(ConnectionEvent.Disconnected).ConfigureAwait(false);
        if (end == HandlersEnd.Postponed)
            await handlers.WhenLeftEnded().ConfigureAwait(false);
        Ended(handlersEnded: end != HandlersEnd.GivenUp && LeftMessage is null or { IsPostponed: true });
    }

    private async Task ReleaseAsync()
    {
        // A pending write must complete before its buffers are released.
        await Queue.WhenDrained().ConfigureAwait(false);

        Compressor?.Dispose();
        if (_hasContext)
            Settings.Compression!.Limits.ReleaseContext();

        Receive.ReleaseAhead();
        ValueTask disposal = Transport.DisposeAsync();
        if (!disposal.IsCompleted)
            Closing.Deadline.StartWith(Settings.CloseTimeout); // a cut ends it
        await disposal.ConfigureAwait(false);
        // A stream that goes on after a cut keeps its buffer.
        if (Transport.HeldBytes > 0)
            Settings.Budget.Forget(Transport.ForgetBuffers());
        Released();
    }

    // Not awaited. An exception of the host's callbacks must not prevent ClientDisconnected.
    private async Task CancelDisconnectedAsync()
    {
        if (_disconnected is not { } disconnected)
            return;
        try
        {
            await disconnected.CancelAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            HandlerFailed(exception);
        }
    }

    private void BeatOpen(long now)
    {
        _watch.BeatOpen(this, now);
        Receive.Beat(now);
    }

    // The event's name on WebSocketServer, for the log.
    private static string NameOf(ConnectionEvent what) => what switch
    {
        ConnectionEvent.Request => "Handshaking or HttpRequestReceived",
        ConnectionEvent.Connected => "ClientConnected",
        ConnectionEvent.Message => "MessageReceived",
        ConnectionEvent.MessageInParts => "OnMessageStream",
        _ => "ClientDisconnected",
    };

    private static string NameOf(NoticeKind kind) => kind switch
    {
        NoticeKind.Expiring => "ClientExpiring",
        NoticeKind.OverRate => "ClientOverRate",
        _ => "ClientSlow",
    };
}
