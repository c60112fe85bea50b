using System.Buffers;
using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Connections.Receiving;
using WebSocketServerKit.Connections.Scheduling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections;

/// <summary>
/// One connection from accept to release. <see cref="RunAsync"/> is its whole life; the phases have objects of their own: <see cref="OpeningHandshake"/>, <see cref="ReceiveLoop"/>,
/// <see cref="ClosingHandshake"/>. The layer above fills in the abstract members. They are called one at a time, in the order of the contract.
/// </summary>
internal abstract class ConnectionLifetime : IHandlers
{
    private ConnectionWatch _watch;
    private OpeningHandshake? _opening;             // until the connection is open
    private ClosingHandshake? _closing;             // made for the first reason to end
    private TaskCompletionSource? _closed;          // made for the first caller that waits
    private CancellationTokenSource? _disconnected; // made for the first caller that asks
    private ConnectionEvent _raising;               // the current event; changed before each by the lifetime itself
    private volatile bool _open;                    // 101 was decided: Close frames may be sent
    private volatile bool _answered;                // 101 has left the queue
    private volatile bool _over;                    // out of the registry; WhenClosed has completed
    private volatile bool _hasSpoken;               // something was received
    private bool _hasContext;                       // counts among the clients with context takeover

    protected ConnectionLifetime(TransportConnection transport, ConnectionSettings settings, Heartbeat heartbeat, ServerLog log)
    {
        Transport = transport;
        Settings = settings;
        Heartbeat = heartbeat;
        Log = log;
        Queue = new SendQueue(transport, settings.SendQueueLimit, settings.Budget);
        Handlers = new HandlerScope(this, settings.EventContext);
        Receive = new ReceiveLoop(this, transport, settings, heartbeat);
        _opening = new OpeningHandshake(this);
        _watch = new ConnectionWatch(heartbeat.Now);
    }

    public TransportConnection Transport { get; }

    public ConnectionSettings Settings { get; }

    public Heartbeat Heartbeat { get; }

    public ServerLog Log { get; }

    public SendQueue Queue { get; }

    public ReceiveLoop Receive { get; }

    /// <summary>The handlers of the current event. Another scope follows when handlers are not waited for any longer.</summary>
    public HandlerScope Handlers { get; private set; }

    /// <summary>Not null exactly if permessage-deflate was agreed on.</summary>
    public MessageCompressor? Compressor { get; private set; }

    public ArrayPool<byte> Pool => Settings.Pool;

    public EndPoint RemoteEndPoint => Transport.RemoteEndPoint;

    public EndPoint LocalEndPoint => Transport.LocalEndPoint;

    public long MessagesReceived => Receive.MessagesReceived;

    public long BytesReceived => Receive.BytesReceived;

    /// <summary>The message that handlers are being called for, while <see cref="HandlerScope.Run"/> has not moved on.</summary>
    public ReadOnlyMemory<byte> Payload => Receive.Payload;

    public WebSocketMessageType MessageType => Receive.MessageType;

    /// <summary>Whether the client is made to wait because it sends more than the options allow, or because the server is short of memory.</summary>
    public bool IsHoldingBack => Receive.IsHoldingBack;

    /// <summary>The time between the latest ping and its pong, or null before the first.</summary>
    public TimeSpan? Latency => _watch.Latency;

    /// <summary>Bytes of memory that are held for this connection. A snapshot, from any thread.</summary>
    public long HeldBytes => Receive.HeldBytes + Queue.HeldBytes + Transport.HeldBytes + (Compressor?.HeldBytes ?? 0);

    /// <summary>Whether the connection can carry messages. A write may find that it is lost while the receive loop still waits for a handler.</summary>
    public bool IsOpen => _open && !IsEnding && Queue.Failure is null;

    /// <summary>Whether it is decided that the connection ends.</summary>
    public bool IsEnding => Ending is not null;

    /// <inheritdoc cref="ClosingHandshake.DiscardsMessages"/>
    public bool DiscardsMessages => Volatile.Read(ref _closing) is { DiscardsMessages: true };

    /// <inheritdoc cref="ClosingHandshake.HasPeerClosed"/>
    public bool HasPeerClosed => Volatile.Read(ref _closing) is { HasPeerClosed: true };

    /// <inheritdoc cref="ClosingHandshake.LeftMessage"/>
    public LeftMessage? LeftMessage => Volatile.Read(ref _closing)?.LeftMessage;

    /// <summary>Kept for the <see cref="ConnectionTable"/>, under its lock.</summary>
    public int TableIndex { get; set; }

    /// <summary>Kept for the <see cref="HandshakePlaces"/>, under the table's lock; -1 for none.</summary>
    public int HandshakeIndex { get; set; } = -1;

    /// <summary>Kept for the <see cref="ConnectionTable"/>, under its lock.</summary>
    public Admission Admission { get; set; }

    /// <summary>Whether the peer has sent anything, as far as it was received.</summary>
    public bool HasSpoken
    {
        get => _hasSpoken;
        set => _hasSpoken = value;
    }

    /// <summary>The end of the connection. Made by the first thread that asks for it.</summary>
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

    /// <summary>Cancelled as soon as it is decided that the connection ends. Made on demand: most hosts never ask.</summary>
    public CancellationToken Disconnected
    {
        get
        {
            CancellationTokenSource? source = Volatile.Read(ref _disconnected);
            if (source is null)
            {
                // Compare-exchange first, then IsEnding; TryEnd does it in the opposite order. So at least one side sees the other.
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

    /// <summary>Whether both sides sent a Close frame.</summary>
    protected bool WasClean => Volatile.Read(ref _closing) is { WasClean: true };

    /// <summary>The whole life, from the accepted socket to its release. Never throws.</summary>
    public async Task RunAsync()
    {
        // Leave the accept loop's thread: it must not wait for anybody's handlers.
        await Turn.ToOthers;
        try
        {
            await _opening!.RunAsync().ConfigureAwait(false);
            if (_opening.IsAccepted)
            {
                await OpenAsync().ConfigureAwait(false);
                // An idle connection waits here. Put no other async method in between, keep no locals across the awaits, and await plain tasks only: each of these would
                // make the state machine of every idle connection larger.
                if (LeftMessage is null)
                    await Receive.RunAsync().ConfigureAwait(false);
                await CloseAsync().ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            // The peer went away before it was a client: no event was raised for it, so none has to follow.
        }
        catch (Exception exception)
        {
            Log.ConnectionFailed(exception, RemoteEndPoint);
            Cut();
        }

        await ReleaseAsync().ConfigureAwait(false);
    }

    /// <summary>Closes politely: sends a Close frame, and cuts the connection if the peer's does not come within the close timeout. False if it is ending already.</summary>
    public bool BeginClose(ConnectionEnding ending)
    {
        // After a failed write the connection is lost already, and the receive loop will report it.
        if (!IsOpen || !TryEnd(ending))
            return false;
        Closing.Begin(ending);
        return true;
    }

    /// <summary>Cuts the connection now. False if it was over or ending already; it is cut all the same.</summary>
    public bool Abort(ConnectionEnding ending)
    {
        bool first = TryEnd(ending);
        Cut();
        return first;
    }

    /// <summary>Closes with 1013, because the server is short of memory and this connection holds much; or cuts it if it is closing already.</summary>
    public void CloseForMemory()
    {
        var ending = new ConnectionEnding(
            DisconnectCause.OutOfMemoryBudget, ConnectionSide.Server, CloseFrame.TryAgainLater, "server is short of memory");
        if (IsOpen && TryEnd(ending))
            Closing.BeginForMemory(ending, isAnswered: _answered);
        else
            Cut();
    }

    /// <summary>Ends the connection because the server stops: a Close frame to a client, 503 to one that is still in its handshake.</summary>
    public void BeginStop(WebSocketCloseStatus code = WebSocketCloseStatus.EndpointUnavailable, string reason = "server is stopping")
    {
        if (_open)
            BeginClose(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, code, reason));
        else
            Volatile.Read(ref _opening)?.Interrupt(Admission.Stopping);
    }

    /// <summary>Cuts the connection and gives up its handlers: the server's time to stop is over.</summary>
    public void EndStop()
    {
        Abort(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, CloseFrame.Abnormal, ""));
        LeaveHandlers(HandlersEnd.GivenUp);
    }

    /// <summary>Ends a handshake whose request has not begun to come, because others wait for its place.</summary>
    public void GiveWay() => Volatile.Read(ref _opening)?.Interrupt(Admission.TooManyHandshakes);

    /// <summary>Looks whether unread bytes of the peer have arrived. From any thread.</summary>
    public bool LooksWhetherItHasSpoken() => _hasSpoken |= Transport.HasUnread;

    /// <summary>Completes when the client is out of the registry. At that time the closing handshake is over, or has failed.</summary>
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

    /// <summary>Completes when the last event of the client was raised and its handlers are over; at once where there was no client. Behind <see cref="RunAsync"/>.</summary>
    public Task WhenTold() => Volatile.Read(ref _closing)?.Told ?? Task.CompletedTask;

    /// <summary>A read brought something.</summary>
    public void Heard() => _watch.Heard(Heartbeat.Now);

    public void PongReceived(ReadOnlySpan<byte> payload) => _watch.PongReceived(this, payload);

    /// <summary>Sends a ping for the latency, unless one is under way that may still be answered in time.</summary>
    public void MeasureLatency() => _watch.MeasureLatency(this);

    /// <summary>The peer's Close frame was seen while handlers run. The messages before it are still raised.</summary>
    public void PeerCloses(WebSocketCloseStatus code, string reason) => Closing.AnswerAhead(code, reason);

    /// <summary>The end of the peer's side was seen while handlers run. The messages before it are still raised.</summary>
    /// <param name="failure">How the connection was lost; null for a FIN.</param>
    public void PeerEnded(Exception? failure)
    {
        // An HTTP client may end its side right after its request, and wait for the answer.
        if (!_open && failure is null && Volatile.Read(ref _opening) is { IsPlainRequest: true })
            return;
        TryEnd(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseFrame.Abnormal, "", failure));
        // The client has gone: the handlers that decide about its request must not keep its place for ever.
        if (!_open)
            Closing.Deadline.StartForHandlers();
    }

    /// <summary>Called by the heartbeat on every connection. Never throws: the others have to be looked at too.</summary>
    public void Beat(long now)
    {
        try
        {
            Volatile.Read(ref _opening)?.Beat(now);
            Volatile.Read(ref _closing)?.Beat(now);
            if (IsOpen)
                _watch.BeatOpen(this, now);
            else if (!IsEnding && Queue.Failure is { } failure)
                Abort(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseFrame.Abnormal, "", failure));
            _watch.BeatHandlers(this, now, Handlers.Run);
        }
        catch (Exception exception)
        {
            Log.ConnectionFailed(exception, RemoteEndPoint);
            Abort(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Server, CloseFrame.Abnormal, "", exception));
        }
    }

    /// <summary>The same handlers still run at the next beat. What the peer does meanwhile is seen here, so that quick handlers pay nothing for it.</summary>
    public void LookAtPeer(long run)
    {
        if (!_over)
            Receive.Look(run, _open);
    }

    public void HandlersAreSlow() => Log.HandlerSlow(NameOf(_raising), RemoteEndPoint, Settings.SlowHandlerThreshold);

    /// <summary>permessage-deflate was agreed on.</summary>
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
        // The heartbeat may still look at the peer for these handlers. What follows must not run beside that.
        Receive.WaitForVisitor();
        return end;
    }

    /// <summary>Goes on with a new scope, because the handlers of the current event are not waited for any longer.</summary>
    public void RenewHandlers(HandlersEnd why)
    {
        HandlerScope left = Handlers;
        if (why == HandlersEnd.GoOn)
            Track(left.WhenLeftEnded());
        else
            Closing.LeftMessage = new LeftMessage(left, left.Run, Payload, why == HandlersEnd.Postponed);
        Handlers = new HandlerScope(this, Settings.EventContext, (left.Run | 1) + 1);
    }

    /// <summary>Does not wait for the current handlers any longer. Those of Disconnected are excluded: no client waits for them.</summary>
    public void LeaveHandlers(HandlersEnd why)
    {
        if (_over)
            return;
        Handlers.LeaveAlone(why);
        if (why == HandlersEnd.GivenUp)
            Handlers.GiveUpPayload();
    }

    void IHandlers.Raise(long run) => Raise(_raising, run);

    public void HandlerFailed(Exception exception)
    {
        if (_raising == ConnectionEvent.Request)
            Volatile.Read(ref _opening)?.HandlerFailed();
        // These are no failures: a send to this client, which has left, or to any client that left or takes nothing; and the end of a handler because Disconnected was cancelled.
        if ((_open && exception is WebSocketException && (!IsOpen || exception.InnerException is NotSentException)) || (exception is OperationCanceledException && IsEnding))
        {
            Log.HandlerOutlivedClient(exception, RemoteEndPoint);
            return;
        }

        Log.HandlerFailed(exception, NameOf(_raising), RemoteEndPoint);
        if (Settings.CloseOnHandlerException)
            BeginClose(new ConnectionEnding(
                DisconnectCause.HandlerFailed, ConnectionSide.Server, WebSocketCloseStatus.InternalServerError, "handler failed", exception));
    }

    /// <summary>Keeps the cause of the end. True if this is the first.</summary>
    public bool TryEnd(ConnectionEnding ending)
    {
        if (!Closing.TrySetEnding(ending))
            return false;
        _ = CancelDisconnectedAsync();
        return true;
    }

    /// <summary>Cuts the connection now, whatever phase it is in.</summary>
    public void Cut()
    {
        Volatile.Read(ref _opening)?.StopDeadline();
        Closing.Cut();
    }

    /// <summary>What the layer above decides about the request. Called at most once.</summary>
    public abstract IRequestDecision Decide();

    /// <summary>The handshake is over, one way or the other.</summary>
    public abstract void HandshakeEnded();

    /// <summary>Calls the host's handlers of the event. Nothing they throw comes out.</summary>
    /// <param name="what">The event.</param>
    /// <param name="run">What <see cref="HandlerScope.Run"/> is while its handlers run.</param>
    protected abstract void Raise(ConnectionEvent what, long run);

    /// <summary>Handlers outlive their event, or the connection: the stop of the server waits for them too.</summary>
    protected abstract void Track(Task handlers);

    /// <summary>The connection is open: into the registry.</summary>
    protected abstract void Opened();

    /// <summary>The connection is no longer open: out of the registry.</summary>
    protected abstract void Closed();

    /// <summary>The handlers of <see cref="ConnectionEvent.Disconnected"/>, and all before them, are over.</summary>
    /// <param name="handlersEnded">Whether all of them have ended; false when some were given up.</param>
    protected abstract void Ended(bool handlersEnded);

    /// <summary>The socket is closed and everything given back.</summary>
    protected abstract void Released();

    // The handshake was accepted. Leaves a message behind when the handlers of Connected are not waited for any longer.
    private async Task OpenAsync()
    {
        _open = true;
        Opened();
        Queue.Flush();
        _answered = true;
        HandlersEnd end = await RaiseAsync(ConnectionEvent.Connected).ConfigureAwait(false);
        if (end != HandlersEnd.Ended)
            RenewHandlers(end);
        Volatile.Write(ref _opening, null); // an idle client has no use for it
        if (end is HandlersEnd.Ended or HandlersEnd.GoOn)
            _raising = ConnectionEvent.Message;
    }

    // The receive loop has ended, or did not begin because handlers were left.
    private async Task CloseAsync()
    {
        if (Receive.IsPayloadLeft)
            Settings.Budget.Forget(Transport.ForgetBuffers());

        Task linger = await Closing.RunAsync(Receive.End ?? ReceiveEnd.Abandoned).ConfigureAwait(false);
        Closed();
        _over = true;
        // A caller of WhenClosed that comes later sees _over, and one that came before is seen here. Without the barrier both could miss each other.
        Interlocked.MemoryBarrier();
        _closed?.TrySetResult();
        // The socket is given back meanwhile, however long the handlers take.
        Closing.Told = TellDisconnectedAsync();
        Track(Closing.Told);
        await linger.ConfigureAwait(false);
    }

    private async Task TellDisconnectedAsync()
    {
        LeftMessage? left = LeftMessage;
        if (left is { IsPostponed: true, Scope: var scope })
        {
            // The event that waits in the host's context comes first, whenever the context gets to it.
            await scope.WhenLeftBegan().ConfigureAwait(false);
            await scope.WhenLeftEnded().WaitAsync(Settings.CloseTimeout, Heartbeat.TimeProvider).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        HandlerScope handlers = Handlers;
        HandlersEnd end = await RaiseAsync(ConnectionEvent.Disconnected).ConfigureAwait(false);
        if (end == HandlersEnd.Postponed)
            await handlers.WhenLeftEnded().ConfigureAwait(false);
        Ended(handlersEnded: end != HandlersEnd.GivenUp && LeftMessage is null or { IsPostponed: true });
    }

    private async Task ReleaseAsync()
    {
        // A write that is under way comes back before the connection is taken apart.
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

    // Nobody waits for the host's callbacks, and what they throw must not keep ClientDisconnected from being raised.
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

    // The host application's name for it.
    private static string NameOf(ConnectionEvent what) => what switch
    {
        ConnectionEvent.Request => "Handshaking or HttpRequestReceived",
        ConnectionEvent.Connected => "ClientConnected",
        ConnectionEvent.Message => "MessageReceived",
        _ => "ClientDisconnected",
    };
}
