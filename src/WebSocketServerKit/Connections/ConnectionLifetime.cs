using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Connections.Receiving;
using WebSocketServerKit.Connections.Scheduling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections;

/// <summary>
/// One connection from accept to the end: opening handshake, open, closing handshake, linger. What the host application gets to see of it is
/// up to the layer above, which fills in the abstract members; they are called one at a time, in the order of the contract.
/// </summary>
internal abstract class ConnectionLifetime : IHandlers
{
    private const int SharedBodySize = 8 * 1024;

    private readonly TransportConnection _transport;
    private readonly ConnectionSettings _settings;
    private readonly Heartbeat _heartbeat;
    private readonly ReceiveLoop _receive;
    private KeepAlive _keepAlive;
    private ConnectionEvent _raising;          // what Raise is to raise; set before each by the lifetime itself
    private ConnectionEnding? _ending;         // set once, by whoever ends the connection first
    private TaskCompletionSource? _closed;     // made for the first that waits
    private CancellationTokenSource? _disconnected; // made for the first that asks
    private LeftMessage? _leftMessage;         // set once, when handlers are given up or postponed
    private long _deadline = long.MaxValue;    // when the heartbeat cuts what is under way, if it has not got on: handshake, closing, linger
    private long _closeBy = long.MaxValue;     // when it cuts a closing that gets on too slowly
    private long _bytesTaken;                  // by the peer, when the deadline was set
    private long _abandonAt = long.MaxValue;   // when it gives up handlers of a connection that was cut
    private bool _headRequest;                 // the answer goes without its body
    private bool _isPlainRequest;              // it asks for no WebSocket
    private volatile RequestState _request;    // whoever moves it on from Pending answers
    private volatile bool _open;               // 101 was decided: Close frames may be sent
    private volatile bool _answered;           // 101 has left the queue
    private volatile bool _over;               // out of the registry; WhenClosed has completed
    private volatile bool _discards;           // this side ends the connection: the peer's messages are not raised any more
    private volatile bool _peerClosed;         // the peer's Close frame was seen
    private volatile bool _hasSpoken;          // something was received
    private bool _hasContext;                  // counts among the clients with context takeover
    private long _pingSentAt;                  // exact timestamp; its low bytes are the payload of the ping
    private long _latency = -1;                // ticks of TimeSpan; -1 before the first pong
    private long _slowRun;                     // the run of handlers that was seen at work at _slowSince
    private long _slowSince;

    protected ConnectionLifetime(TransportConnection transport, ConnectionSettings settings, Heartbeat heartbeat, ServerLog log)
    {
        _transport = transport;
        _settings = settings;
        _heartbeat = heartbeat;
        Log = log;
        _keepAlive = new KeepAlive(heartbeat.Now);
        Queue = new SendQueue(transport, settings.SendQueueLimit, settings.Budget);
        Handlers = new HandlerScope(this, settings.EventContext);
        _receive = new ReceiveLoop(this, transport, settings, heartbeat);
    }

    /// <summary>The events of a connection in the order in which they are raised; <see cref="Request"/> once, <see cref="Message"/> any number of times.</summary>
    protected enum ConnectionEvent : byte
    {
        Request,
        Connected,
        Message,
        Disconnected,
    }

    private enum RequestState : byte
    {
        Pending,
        Came,
        TurnedAway,
    }

    public SendQueue Queue { get; }

    /// <summary>Not null exactly if permessage-deflate was agreed on.</summary>
    public MessageCompressor? Compressor { get; private set; }

    public HandlerScope Handlers { get; private set; }

    public ArrayPool<byte> Pool => _settings.Pool;

    public EndPoint RemoteEndPoint => _transport.RemoteEndPoint;

    public EndPoint LocalEndPoint => _transport.LocalEndPoint;

    public long MessagesReceived => _receive.MessagesReceived;

    public long BytesReceived => _receive.BytesReceived;

    /// <summary>The message that handlers are being called for, while <see cref="HandlerScope.Run"/> has not moved on.</summary>
    public ReadOnlyMemory<byte> Payload => _receive.Payload;

    /// <summary>The message that handlers were called for which are not waited for any longer, or that waits in the host's context although the connection is over.</summary>
    public LeftMessage? LeftMessage => Volatile.Read(ref _leftMessage);

    public WebSocketMessageType MessageType => _receive.MessageType;

    /// <summary>Whether the client is made to wait because it sends more than the options allow, or because the server is short of memory.</summary>
    public bool IsHoldingBack => _receive.IsHoldingBack;

    /// <summary>The time between the latest ping and its pong, or null before the first.</summary>
    public TimeSpan? Latency => Volatile.Read(ref _latency) is >= 0 and var ticks ? new TimeSpan(ticks) : null;

    /// <summary>Bytes of memory that are held for this connection. A snapshot, from any thread.</summary>
    public long HeldBytes => _receive.HeldBytes + Queue.HeldBytes + _transport.HeldBytes + (Compressor?.HeldBytes ?? 0);

    /// <summary>Whether it is decided that the connection ends.</summary>
    public bool IsEnding => Volatile.Read(ref _ending) is not null;

    /// <summary>Whether the connection can carry messages. A write may find that it is lost while the receive loop still waits for a handler.</summary>
    public bool IsOpen => _open && !IsEnding && Queue.Failure is null;

    /// <summary>Whether the peer's messages are not raised any more, because this side ends the connection. Those that came before the peer's own end are.</summary>
    public bool DiscardsMessages => _discards;

    /// <summary>Whether the peer's Close frame was seen, perhaps ahead of messages that wait for their turn.</summary>
    public bool HasPeerClosed => _peerClosed;

    /// <summary>Kept for the <see cref="ConnectionTable"/>, under its lock.</summary>
    public int TableIndex { get; set; }

    /// <summary>Kept for the <see cref="HandshakePlaces"/>, under the table's lock; -1 for none.</summary>
    public int HandshakeIndex { get; set; } = -1;

    /// <summary>Kept for the <see cref="ConnectionTable"/>, under its lock.</summary>
    public Admission Admission { get; set; }

    /// <summary>Whether the peer has sent anything, as far as it was received.</summary>
    public bool HasSpoken => _hasSpoken;

    protected ServerLog Log { get; }

    /// <summary>How the connection ended; not null once <see cref="ConnectionEvent.Disconnected"/> is raised.</summary>
    protected ConnectionEnding? Ending => Volatile.Read(ref _ending);

    /// <summary>Whether both sides sent a Close frame.</summary>
    protected bool WasClean { get; private set; }

    /// <summary>Whether a handler threw while the host was asked about the request.</summary>
    protected bool RequestFailed { get; private set; }

    /// <summary>Cancelled as soon as it is decided that the connection ends. Made on demand: most hosts never ask.</summary>
    public CancellationToken Disconnected
    {
        get
        {
            CancellationTokenSource? source = Volatile.Read(ref _disconnected);
            if (source is null)
            {
                var mine = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _disconnected, mine, null) ?? mine;
                if (IsEnding)
                    source.Cancel();
            }

            return source.Token;
        }
    }

    /// <summary>The whole life, from the accepted socket to its release. Never throws.</summary>
    public async Task RunAsync()
    {
        // Off the accept loop, which must not wait for anybody's handlers.
        await Turn.ToOthers;
        try
        {
            if (await TryOpenAsync().ConfigureAwait(false))
            {
                // While the client is silent this method waits, and no other between it and the receive loop: each costs memory of its own.
                ReceiveEnd end = await BeginAsync().ConfigureAwait(false) ? await _receive.RunAsync().ConfigureAwait(false) : ReceiveEnd.Abandoned;
                await EndAsync(end).ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            // The peer went away before it was a client: nobody was told of it, so nobody has to be told.
        }
        catch (Exception exception)
        {
            Log.ConnectionFailed(exception, RemoteEndPoint);
            Cut();
        }

        await ReleaseAsync().ConfigureAwait(false);
    }

    /// <summary>Closes politely: a Close frame now, the peer's within the close timeout, or the connection is cut. False if it is ending already.</summary>
    public bool BeginClose(ConnectionEnding ending)
    {
        // Where a write has failed the connection is lost already, and the receive loop will say so.
        if (!IsOpen || !TryEnd(ending))
            return false;
        _discards = true;
        Queue.Close(ending.Code, ending.Reason);
        StartDeadline();
        return true;
    }

    /// <summary>Cuts the connection now. False if it was over or ending already; it is cut all the same.</summary>
    public bool Abort(ConnectionEnding ending)
    {
        bool first = TryEnd(ending);
        Cut();
        return first;
    }

    /// <summary>Closes with 1013, because the server is short of memory and this connection holds much; or cuts what is being closed already.</summary>
    public void CloseForMemory()
    {
        var ending = new ConnectionEnding(
            DisconnectCause.OutOfMemoryBudget, ConnectionSide.Server, CloseFrame.TryAgainLater, "server is short of memory");
        if (!IsOpen || !TryEnd(ending))
        {
            Cut();
            return;
        }

        _discards = true;
        // What it holds is not to wait for the peer: neither what it has not been sent, nor what it has not finished.
        Queue.Close(ending.Code, ending.Reason, discard: _answered);
        _receive.Discard();
        _transport.ReleaseIdle();
        Volatile.Write(ref _deadline, _heartbeat.After(TimeSpan.FromSeconds(1)));
    }

    /// <summary>The peer's Close frame was seen while handlers run. The messages before it are still raised.</summary>
    public void PeerCloses(WebSocketCloseStatus code, string reason)
    {
        _peerClosed = true;
        if (TryEnd(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Client, code, reason)))
            Queue.Close(code, reason);
        else if (_discards)
            LeaveHandlers(HandlersEnd.Postponed); // both sides have closed, and no message is waited for
    }

    /// <summary>The end of the peer's side was seen while handlers run. The messages before it are still raised.</summary>
    /// <param name="failure">How the connection was lost; null for a FIN.</param>
    public void PeerEnded(Exception? failure)
    {
        // A client of HTTP may end its side behind its request, and wait for the answer.
        if (!_open && _isPlainRequest && failure is null)
            return;
        TryEnd(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseFrame.Abnormal, "", failure));
        // Whoever decides about the request of a client that has gone shall not keep its place for ever.
        if (!_open)
            Interlocked.CompareExchange(ref _abandonAt, _heartbeat.After(_settings.CloseTimeout), long.MaxValue);
    }

    /// <summary>Goes on with a new scope, because the handlers of the present event are not waited for any longer.</summary>
    public void RenewHandlers(HandlersEnd why)
    {
        HandlerScope left = Handlers;
        if (why == HandlersEnd.GoOn)
            Track(left.WhenLeftEnded());
        else
            Volatile.Write(ref _leftMessage, new LeftMessage(left, left.Run, Payload, why == HandlersEnd.Postponed));
        Handlers = new HandlerScope(this, _settings.EventContext, (left.Run | 1) + 1);
    }

    /// <summary>Ends the connection because the server stops: a Close frame to a client, 503 to one that is still in its handshake.</summary>
    public void BeginStop(WebSocketCloseStatus code = WebSocketCloseStatus.EndpointUnavailable, string reason = "server is stopping")
    {
        if (_open)
            BeginClose(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, code, reason));
        else
            InterruptHandshake(Admission.Stopping);
    }

    /// <summary>Ends a handshake whose request has not begun to come, because others wait for its place.</summary>
    public void GiveWay() => InterruptHandshake(Admission.TooManyHandshakes);

    /// <summary>Looks whether something of the peer lies unread. From any thread.</summary>
    public bool LooksWhetherItHasSpoken() => _hasSpoken |= _transport.HasUnread;

    /// <summary>Cuts the connection and gives up its handlers: the server's time to stop is over.</summary>
    public void EndStop()
    {
        Abort(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, CloseFrame.Abnormal, ""));
        LeaveHandlers(HandlersEnd.GivenUp);
    }

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

    /// <summary>A read brought something.</summary>
    public void Heard() => _keepAlive.Heard(_heartbeat.Now);

    public void PongReceived(ReadOnlySpan<byte> payload)
    {
        long sentAt = Volatile.Read(ref _pingSentAt);
        if (sentAt != 0 && payload.Length == sizeof(long) && BinaryPrimitives.ReadInt64BigEndian(payload) == sentAt)
        {
            Volatile.Write(ref _latency, _heartbeat.Elapsed(sentAt, _heartbeat.Timestamp()).Ticks);
            Volatile.Write(ref _pingSentAt, 0);
        }
    }

    /// <summary>Sends a ping for the latency, unless one is under way that may still be answered in time.</summary>
    public void MeasureLatency()
    {
        long sentAt = Volatile.Read(ref _pingSentAt);
        if (IsOpen && (sentAt == 0 || _heartbeat.Elapsed(sentAt, _heartbeat.Timestamp()) >= _settings.PingTimeout))
            Ping();
    }

    /// <summary>Called by the heartbeat on every connection. Never throws: the others have to be looked at too.</summary>
    public void Beat(long now)
    {
        try
        {
            Look(now);
        }
        catch (Exception exception)
        {
            Log.ConnectionFailed(exception, RemoteEndPoint);
            Abort(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Server, CloseFrame.Abnormal, "", exception));
        }
    }

    private void Look(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        if (now >= deadline)
            DeadlinePassed(deadline);
        else if (Volatile.Read(ref _closeBy) != long.MaxValue)
            LookForProgress(now, deadline);
        if (now >= Volatile.Read(ref _abandonAt))
            LeaveHandlers(HandlersEnd.GivenUp);
        if (IsOpen)
            BeatOpen(now);
        else if (!IsEnding && Queue.Failure is { } failure)
            Abort(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseFrame.Abnormal, "", failure));
        if (Handlers.Run is var run && (run & 1) != 0)
            BeatDuringHandlers(now, run);
    }

    void IHandlers.Raise(long run) => Raise(_raising, run);

    public void HandlerFailed(Exception exception)
    {
        // A handler that did not come to its end has decided nothing.
        RequestFailed |= _raising == ConnectionEvent.Request;
        // A client that leaves while a handler is still sending to it, or takes nothing, is nothing out of order, be it the handler's own or another one;
        // nor is a handler that ends because Disconnected was cancelled.
        if ((_open && exception is WebSocketException && (!IsOpen || exception.InnerException is NotSentException)) || (exception is OperationCanceledException && IsEnding))
        {
            Log.HandlerOutlivedClient(exception, RemoteEndPoint);
            return;
        }

        Log.HandlerFailed(exception, NameOf(_raising), RemoteEndPoint);
        if (_settings.CloseOnHandlerException)
            BeginClose(new ConnectionEnding(
                DisconnectCause.HandlerFailed, ConnectionSide.Server, WebSocketCloseStatus.InternalServerError, "handler failed", exception));
    }

    /// <summary>Calls the host's handlers of the event. Nothing they throw comes out.</summary>
    /// <param name="what">The event.</param>
    /// <param name="run">What <see cref="HandlerScope.Run"/> is while its handlers run.</param>
    protected abstract void Raise(ConnectionEvent what, long run);

    /// <summary>Handlers outlive their event, or the connection: who stops the server waits for them too.</summary>
    protected abstract void Track(Task handlers);

    /// <summary>The answer to a request that cannot even be parsed, or that came too late or at the wrong time.</summary>
    protected abstract HandshakeResponse Refuse(HandshakeViolation violation);

    /// <summary>The answer to a connection that <see cref="ConnectionTable"/> did not admit.</summary>
    protected abstract HandshakeResponse TurnAway(Admission admission);

    /// <summary>Begins to decide about a request. True when the host is to be asked by <see cref="ConnectionEvent.Request"/>.</summary>
    protected abstract bool BeginRequest(HandshakeRequest request);

    /// <summary>The answer, when the host has been asked.</summary>
    protected abstract HandshakeResponse EndRequest();

    /// <summary>Agrees on permessage-deflate, if the options and the client allow it. Once, when the handshake is accepted.</summary>
    /// <returns>The extensions for the answer, or null.</returns>
    protected string? AgreeOnExtensions(string? offers)
    {
        if (_settings.Compression is not { } compression)
            return null;
        PerMessageDeflateParameters? agreed = PerMessageDeflateParameters.Negotiate(offers, compression.Wanted, out string? answer);
        if (agreed is { HasContextTakeover: true })
        {
            _hasContext = compression.Limits.TryTakeContext();
            if (!_hasContext)
                agreed = PerMessageDeflateParameters.Negotiate(offers, compression.Wanted.WithoutContextTakeover(), out answer);
        }

        if (agreed is { } parameters)
        {
            Compressor = new MessageCompressor(Queue, parameters, compression, _settings.Budget);
            _receive.Agree(parameters);
        }

        return answer;
    }

    /// <summary>The handshake is over, one way or the other.</summary>
    protected abstract void HandshakeEnded();

    /// <summary>The connection is open: into the registry.</summary>
    protected abstract void Opened();

    /// <summary>The connection is no longer open: out of the registry.</summary>
    protected abstract void Closed();

    /// <summary>The handlers of <see cref="ConnectionEvent.Disconnected"/>, and all before them, are over.</summary>
    /// <param name="handlersEnded">Whether all of them have ended; false when some were given up.</param>
    protected abstract void Ended(bool handlersEnded);

    /// <summary>The socket is closed and everything given back.</summary>
    protected abstract void Released();

    // The whole handshake. What it needed is garbage when it is over, and not kept as long as the client stays.
    private async ValueTask<bool> TryOpenAsync()
    {
        HandshakeResponse? answer = null;
        try
        {
            Volatile.Write(ref _deadline, _heartbeat.After(_settings.HandshakeTimeout));
            var parser = new HandshakeRequestParser(_settings.MaxRequestHeadSize, _settings.MaxHeaderLines);
            HandshakeParseStatus status = HandshakeParseStatus.NeedMore;
            bool waits = Admission == Admission.Admitted;
            while (waits)
            {
                ReadResult read = await _transport.Input.ReadAsync().ConfigureAwait(false);
                _hasSpoken = true;
                status = parser.Parse(read.Buffer, out SequencePosition consumed, out SequencePosition examined);
                _transport.Input.AdvanceTo(consumed, examined);
                waits = status == HandshakeParseStatus.NeedMore && !read.IsCompleted && _request == RequestState.Pending;
            }

            Volatile.Write(ref _deadline, long.MaxValue); // from here to the answer it is the host's time
            if (Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) != RequestState.Pending)
            {
                StartDeadline();
                await LingerAsync().ConfigureAwait(false);
                return false;
            }

            _headRequest = parser.IsHead;
            if (Admission != Admission.Admitted)
                answer = TurnAway(Admission);
            else if (status == HandshakeParseStatus.Refused)
                answer = Refuse(parser.Violation);
            else if (status == HandshakeParseStatus.Complete)
                answer = await DecideAsync(parser.Request!).ConfigureAwait(false);
        }
        finally
        {
            // Whoever turned the client away has said so already. Where the connection was lost nobody shall turn it away any more.
            if (Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) != RequestState.TurnedAway)
                HandshakeEnded();
        }

        if (answer is null)
            return false;
        if (answer.Status != HttpStatusCode.SwitchingProtocols)
        {
            await AnswerAsync(answer).ConfigureAwait(false);
            await LingerAsync().ConfigureAwait(false);
            return false;
        }

        Append(answer);
        return true;
    }

    // Null when there is nobody left to answer.
    private async ValueTask<HandshakeResponse?> DecideAsync(HandshakeRequest request)
    {
        _isPlainRequest = !request.IsWebSocket;
        if (!BeginRequest(request))
            return EndRequest();
        HandlersEnd end = await RaiseAsync(ConnectionEvent.Request).ConfigureAwait(false);
        return end == HandlersEnd.Ended && !IsEnding ? EndRequest() : null;
    }

    private void Append(HandshakeResponse answer)
    {
        var bytes = new PooledBuffer(_settings.Pool);
        answer.WriteHeadTo(ref bytes, date: null);
        Queue.AppendHandshake(bytes.Written.Span);
        bytes.Release();
    }

    // For any answer but 101: the connection ends with it.
    private async Task AnswerAsync(HandshakeResponse answer)
    {
        StartDeadline();
        ReadOnlyMemory<byte> body = _headRequest ? default : answer.Body;
        var head = new PooledBuffer(_settings.Pool);
        try
        {
            answer.WriteHeadTo(ref head, _heartbeat.UtcNow());
            // A short body leaves with the head; of a long one, which many connections may share, each would hold a copy.
            if (body.Length <= SharedBodySize)
            {
                head.Append(body.Span);
                body = default;
            }

            await _transport.WriteAsync(head.Written).ConfigureAwait(false);
        }
        finally
        {
            head.Release();
        }

        // In pieces, so that a slow peer is seen to get on.
        while (!body.IsEmpty)
        {
            int count = Math.Min(body.Length, SendQueue.WriteLimit);
            await _transport.WriteAsync(body[..count]).ConfigureAwait(false);
            body = body[count..];
        }

        _transport.ShutdownSend();
    }

    // False when the handlers of Connected are not waited for.
    private async ValueTask<bool> BeginAsync()
    {
        _open = true;
        Opened();
        Queue.Flush();
        _answered = true;
        HandlersEnd end = await RaiseAsync(ConnectionEvent.Connected).ConfigureAwait(false);
        if (end != HandlersEnd.Ended)
            RenewHandlers(end);
        if (end is HandlersEnd.GivenUp or HandlersEnd.Postponed)
            return false;
        _raising = ConnectionEvent.Message;
        return true;
    }

    private async Task EndAsync(ReceiveEnd end)
    {
        if (_receive.IsPayloadLeft)
        {
            _settings.Budget.Forget(_transport.HeldBytes);
            _transport.ForgetBuffers();
        }

        Task linger = await CloseTransportAsync(end).ConfigureAwait(false);
        Closed();
        _over = true;
        // Whoever asks now sees _over, and whoever asked before is seen here: without the barrier both could miss each other.
        Interlocked.MemoryBarrier();
        _closed?.TrySetResult();
        // The socket is given back meanwhile, however long the handlers take.
        Track(TellDisconnectedAsync());
        await linger.ConfigureAwait(false);
    }

    private async Task TellDisconnectedAsync()
    {
        if (_leftMessage is { IsPostponed: true, Scope: var scope })
        {
            // First comes the event that waits in the host's context, whenever that gets to it.
            await scope.WhenLeftBegan().ConfigureAwait(false);
            await scope.WhenLeftEnded().WaitAsync(_settings.CloseTimeout, _heartbeat.TimeProvider).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        HandlerScope handlers = Handlers;
        HandlersEnd end = await RaiseAsync(ConnectionEvent.Disconnected).ConfigureAwait(false);
        if (end == HandlersEnd.Postponed)
            await handlers.WhenLeftEnded().ConfigureAwait(false);
        Ended(handlersEnded: end != HandlersEnd.GivenUp && _leftMessage is null or { IsPostponed: true });
    }

    // True if this is the first cause.
    private bool TryEnd(ConnectionEnding ending)
    {
        if (Interlocked.CompareExchange(ref _ending, ending, null) is not null)
            return false;
        _ = CancelDisconnectedAsync();
        return true;
    }

    // Nobody waits for what the host does there, nor for what that throws: it must not keep ClientDisconnected from being raised.
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

    // Ends our side as the end of the receive loop asks for; gives back the wait for the peer to end its side.
    private async Task<Task> CloseTransportAsync(ReceiveEnd end)
    {
        Exception? failure = Queue.Failure ?? _receive.Failure;
        if (failure is not (null or IOException))
            Log.ConnectionFailed(failure, RemoteEndPoint);
        ConnectionEnding ending = end switch
        {
            ReceiveEnd.CloseReceived => new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Client, _receive.CloseCode, _receive.CloseReason),
            ReceiveEnd.Violation => Describe(_receive.Violation),
            _ => new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseFrame.Abnormal, "", failure),
        };
        TryEnd(ending);
        StartDeadline();
        if (end == ReceiveEnd.Abandoned || failure is not null)
        {
            Cut();
            return Task.CompletedTask;
        }

        if (end == ReceiveEnd.Lost)
        {
            // The peer ended its side without a Close frame, and may still be reading what was sent to it.
            Queue.End();
            await Queue.WhenDrained().ConfigureAwait(false);
            _transport.ShutdownSend();
            return Task.CompletedTask;
        }

        // 5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a Close frame in
        // response. [...] When sending a Close frame in response, the endpoint typically echos the status code it received."
        Queue.Close(ending.Code, ending.Reason);
        await Queue.WhenDrained().ConfigureAwait(false);
        WasClean = end == ReceiveEnd.CloseReceived && Queue.Failure is null;

        // 7.1.1: "the server MUST close the connection first" - our FIN goes first, and the unread rest is read: to close a socket with unread
        // bytes would send a RST, and that could destroy our Close frame on its way.
        _transport.ShutdownSend();
        return LingerAsync();
    }

    private async Task ReleaseAsync()
    {
        // Whoever still writes for this connection comes back before it is taken apart.
        await Queue.WhenDrained().ConfigureAwait(false);

        Compressor?.Dispose();
        if (_hasContext)
            _settings.Compression!.Limits.ReleaseContext();

        _receive.ReleaseAhead();
        await _transport.DisposeAsync().ConfigureAwait(false);
        Released();
    }

    private ConnectionEnding Describe(ProtocolViolation violation)
    {
        (WebSocketCloseStatus code, string reason, string section) = violation.Describe();
        Log.ProtocolViolated(RemoteEndPoint, reason, section, (int)code);
        return new ConnectionEnding(DisconnectCause.ProtocolViolation, ConnectionSide.Server, code, reason);
    }

    // Reads to the end of the peer's side and throws it away; the heartbeat cuts a peer that does not end.
    private async Task LingerAsync()
    {
        try
        {
            var slice = new TimeSlice(_settings.Clock);
            while (true)
            {
                ValueTask<ReadResult> reading = _transport.Input.ReadAsync();
                if (!reading.IsCompleted)
                    slice.End();
                ReadResult read = await reading.ConfigureAwait(false);
                _transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                    return;
                if (!slice.IsOver)
                    continue;
                await Turn.InLine;
                slice.End();
            }
        }
        catch (IOException)
        {
            // Reset or cut: it is over as well.
        }
    }

    // Those of Disconnected are not waited for by anybody who could be kept.
    private void LeaveHandlers(HandlersEnd why)
    {
        if (_over)
            return;
        Handlers.LeaveAlone(why);
        if (why == HandlersEnd.GivenUp)
            Handlers.GiveUpPayload();
    }

    private async ValueTask<HandlersEnd> RaiseAsync(ConnectionEvent what)
    {
        _raising = what;
        HandlerScope handlers = Handlers;
        handlers.Enter();
        bool ended = handlers.Raise();
        handlers.Leave();
        HandlersEnd end = ended ? HandlersEnd.Ended : await handlers.WhenEnded().ConfigureAwait(false);
        _receive.WaitForVisitor();
        return end;
    }

    // The request has not come in full, and is not waited for any longer. TryOpenAsync goes on reading, and throws away what comes.
    private void InterruptHandshake(Admission why)
    {
        if (Interlocked.CompareExchange(ref _request, RequestState.TurnedAway, RequestState.Pending) == RequestState.Pending)
            _ = TurnAwayAsync(why);
    }

    private async Task TurnAwayAsync(Admission why)
    {
        HandshakeResponse answer = TurnAway(why);
        HandshakeEnded();
        try
        {
            await AnswerAsync(answer).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The peer went away: whoever reads finds out.
        }
    }

    // From now on the peer has to get on with what is sent to it, or to end.
    private void StartDeadline()
    {
        _bytesTaken = _transport.BytesTaken;
        Volatile.Write(ref _deadline, _heartbeat.After(_settings.CloseTimeout));
        Interlocked.CompareExchange(ref _closeBy, _heartbeat.After(_settings.MaxCloseDuration), long.MaxValue);
    }

    private void LookForProgress(long now, long deadline)
    {
        long taken = _transport.BytesTaken;
        if (taken != _bytesTaken && now < Volatile.Read(ref _closeBy) && deadline != long.MaxValue)
            Interlocked.CompareExchange(ref _deadline, _heartbeat.After(_settings.CloseTimeout), deadline);
        _bytesTaken = taken;
    }

    private void DeadlinePassed(long deadline)
    {
        bool tooSlow = _request == RequestState.Pending;
        // The peer has done its part. What is waited for is a handler, which gets the time that it has where a connection was cut.
        if (_peerClosed && Handlers.IsRunning)
        {
            if (Interlocked.CompareExchange(ref _deadline, long.MaxValue, deadline) == deadline)
                Interlocked.CompareExchange(ref _abandonAt, _heartbeat.After(_settings.CloseTimeout), long.MaxValue);
            return;
        }

        // What lies unread was sent in time: it is this side that has been slow. It has until the next beat.
        bool isOurPause = tooSlow && _transport.HasUnread;
        long next = isOurPause ? deadline + 1 : tooSlow ? _heartbeat.After(_settings.CloseTimeout) : long.MaxValue;
        // Where the connection got on at this very moment it has another deadline by now, and must not be cut for this one.
        if (Interlocked.CompareExchange(ref _deadline, next, deadline) != deadline || isOurPause)
            return;
        if (tooSlow)
            InterruptHandshake(Admission.TooSlow);
        else
            Cut();
    }

    private void Cut()
    {
        _discards = true;
        Volatile.Write(ref _deadline, long.MaxValue);
        Interlocked.CompareExchange(ref _abandonAt, _heartbeat.After(_settings.CloseTimeout), long.MaxValue);
        Queue.Fail(new IOException("The connection was cut."));
        _transport.Abort();
        // What the host's context has not got to is not waited for: it will be raised when it is.
        LeaveHandlers(HandlersEnd.Postponed);
    }

    private void BeatOpen(long now)
    {
        if (_keepAlive.IsSilent(now))
            _transport.ReleaseIdle();

        bool isDraining = Queue.IsDraining;
        KeepAliveAction action = _keepAlive.Beat(
            now,
            _heartbeat.ToTimestamp(_settings.PingInterval),
            _heartbeat.ToTimestamp(_settings.PingTimeout),
            holdingBack: (Handlers.IsRunning && !_receive.SeesAll) || _receive.IsHoldingBack,
            isDraining,
            isDraining ? _transport.BytesTaken : 0);

        if (action == KeepAliveAction.Ping)
            Ping();
        // What lies unread is an answer: it is this side that has been slow.
        else if (action == KeepAliveAction.PingTimeout && _transport.HasUnread)
            _keepAlive.Heard(now);
        else if (action == KeepAliveAction.PingTimeout)
            Abort(new ConnectionEnding(DisconnectCause.PingTimeout, ConnectionSide.Server, CloseFrame.Abnormal, ""));
        else if (action == KeepAliveAction.SendTimeout)
            Abort(new ConnectionEnding(DisconnectCause.SendTimeout, ConnectionSide.Server, CloseFrame.Abnormal, ""));
    }

    private void Ping()
    {
        long now = _heartbeat.Timestamp();
        Volatile.Write(ref _pingSentAt, now);
        Span<byte> payload = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(payload, now);
        Queue.Ping(payload);
    }

    // As the host application knows it.
    private static string NameOf(ConnectionEvent what) => what switch
    {
        ConnectionEvent.Request => "Handshaking or HttpRequestReceived",
        ConnectionEvent.Connected => "ClientConnected",
        ConnectionEvent.Message => "MessageReceived",
        _ => "ClientDisconnected",
    };

    private void BeatDuringHandlers(long now, long run)
    {
        if (run != _slowRun)
        {
            (_slowRun, _slowSince) = (run, now);
            return;
        }

        // They have been running since the last beat: what the peer does meanwhile is seen here. Quick handlers pay nothing for that.
        if (!_over)
            _receive.Look(run, _open);
        if (now - _slowSince >= _heartbeat.ToTimestamp(_settings.SlowHandlerThreshold))
        {
            Log.HandlerSlow(NameOf(_raising), RemoteEndPoint, _settings.SlowHandlerThreshold);
            _slowSince = long.MaxValue; // once for this run
        }
    }
}
