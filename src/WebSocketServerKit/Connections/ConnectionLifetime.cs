using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.Buffers;
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
    private readonly TransportConnection _transport;
    private readonly ConnectionSettings _settings;
    private readonly Heartbeat _heartbeat;
    private readonly ReceiveLoop _receive;
    private KeepAlive _keepAlive;
    private ConnectionEvent _raising;          // what Raise is to raise; set before each by the lifetime itself
    private ConnectionEnding? _ending;         // set once, by whoever ends the connection first
    private TaskCompletionSource? _closed;     // made for the first that waits
    private CancellationTokenSource? _disconnected; // made for the first that asks
    private long _deadline = long.MaxValue;    // when the heartbeat cuts what is under way: handshake, closing, linger
    private long _abandonAt = long.MaxValue;   // when it gives up handlers of a connection that was cut
    private bool _headRequest;                 // the answer goes without its body
    private volatile RequestState _request;    // whoever moves it on from Pending answers
    private volatile bool _open;               // 101 was decided: Close frames may be sent
    private volatile bool _over;               // out of the registry; WhenClosed has completed
    private bool _hasContext;                  // counts among the clients with context takeover
    private bool _abandoned;                   // handlers were given up and may still read the reader's buffers
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
        Queue = new SendQueue(transport, settings.SendQueueLimit, settings.Pool);
        Handlers = new HandlerScope(this, settings.EventContext);
        _receive = new ReceiveLoop(this, transport.Input, settings, heartbeat);
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

    public IPEndPoint RemoteEndPoint => _transport.RemoteEndPoint;

    public IPEndPoint LocalEndPoint => _transport.LocalEndPoint;

    public long MessagesReceived => _receive.MessagesReceived;

    public long BytesReceived => _receive.BytesReceived;

    /// <summary>The message that handlers are being called for, while <see cref="HandlerScope.Run"/> has not moved on.</summary>
    public ReadOnlyMemory<byte> Payload => _receive.Payload;

    public WebSocketMessageType MessageType => _receive.MessageType;

    /// <summary>The time between the latest ping and its pong, or null before the first.</summary>
    public TimeSpan? Latency => Volatile.Read(ref _latency) is >= 0 and var ticks ? new TimeSpan(ticks) : null;

    /// <summary>Whether somebody has decided that the connection ends.</summary>
    public bool IsEnding => Volatile.Read(ref _ending) is not null;

    /// <summary>Whether the connection can carry messages. A write may find that it is lost while the receive loop still waits for a handler.</summary>
    public bool IsOpen => _open && !IsEnding && Queue.Failure is null;

    /// <summary>Kept for the <see cref="ConnectionTable"/>, under its lock.</summary>
    public int TableIndex { get; set; }

    /// <summary>Kept for the <see cref="ConnectionTable"/>, under its lock.</summary>
    public Admission Admission { get; set; }

    protected ServerLog Log { get; }

    /// <summary>How the connection ended; not null once <see cref="ConnectionEvent.Disconnected"/> is raised.</summary>
    protected ConnectionEnding? Ending => Volatile.Read(ref _ending);

    /// <summary>Whether both sides sent a Close frame.</summary>
    protected bool WasClean { get; private set; }

    /// <summary>Whether a handler threw while the host was asked about the request.</summary>
    protected bool RequestFailed { get; private set; }

    /// <summary>Cancelled when the connection is over. Made on demand: most hosts never ask.</summary>
    public CancellationToken Disconnected
    {
        get
        {
            CancellationTokenSource? source = Volatile.Read(ref _disconnected);
            if (source is null)
            {
                var mine = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _disconnected, mine, null) ?? mine;
                if (_over)
                    source.Cancel();
            }

            return source.Token;
        }
    }

    /// <summary>The whole life, from the accepted socket to its release. Never throws.</summary>
    public async Task RunAsync()
    {
        // Off the accept loop, which must not wait for anybody's handlers.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
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
        if (!IsOpen || Interlocked.CompareExchange(ref _ending, ending, null) is not null)
            return false;
        Volatile.Write(ref _deadline, _heartbeat.After(_settings.CloseTimeout));
        Queue.Close(ending.Code, ending.Reason);
        return true;
    }

    /// <summary>Cuts the connection now. False if it was over or ending already; it is cut all the same.</summary>
    public bool Abort(ConnectionEnding ending)
    {
        bool first = Interlocked.CompareExchange(ref _ending, ending, null) is null;
        Cut();
        return first;
    }

    /// <summary>Ends the connection because the server stops: 1001 to a client, 503 to one that is still in its handshake.</summary>
    public void BeginStop()
    {
        if (_open)
            BeginClose(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, WebSocketCloseStatus.EndpointUnavailable, "server is stopping"));
        else
            InterruptHandshake(Admission.Stopping);
    }

    /// <summary>Cuts the connection and gives up its handlers: the server's time to stop is over.</summary>
    public void EndStop()
    {
        Abort(new ConnectionEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, CloseFrame.Abnormal, ""));
        Handlers.Abandon();
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

    /// <summary>Called by the heartbeat on every connection.</summary>
    public void Beat(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        if (now >= deadline)
            DeadlinePassed(deadline);
        if (now >= Volatile.Read(ref _abandonAt))
            Handlers.Abandon();
        if (IsOpen)
            BeatOpen(now);
        // While a handler holds back reading, only a failed write tells that the peer has gone.
        else if (!IsEnding && Queue.Failure is { } failure)
            Abort(new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseFrame.Abnormal, "", failure));
        if (Handlers.IsRunning)
            LookAtHandlers(now);
    }

    void IHandlers.Raise() => Raise(_raising);

    public void HandlerFailed(Exception exception)
    {
        // A client that leaves while a handler is still sending to it is nothing out of order, be it the handler's own or another one.
        // Not so while a request is decided about: a handler that did not come to its end has decided nothing.
        if (_open && exception is WebSocketException && (!IsOpen || exception.InnerException is ClientHasLeftException))
        {
            Log.HandlerOutlivedClient(exception, RemoteEndPoint);
            return;
        }

        RequestFailed |= _raising == ConnectionEvent.Request;
        Log.HandlerFailed(exception, NameOf(_raising), RemoteEndPoint);
        if (_settings.CloseOnHandlerException)
            BeginClose(new ConnectionEnding(
                DisconnectCause.HandlerFailed, ConnectionSide.Server, WebSocketCloseStatus.InternalServerError, "handler failed", exception));
    }

    /// <summary>Calls the host's handlers of the event. Nothing they throw comes out.</summary>
    protected abstract void Raise(ConnectionEvent what);

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
            Compressor = new MessageCompressor(Queue, parameters, compression, _settings.Pool);
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

    /// <summary>The socket is closed and everything given back. The last call.</summary>
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
                status = parser.Parse(read.Buffer, out SequencePosition consumed, out SequencePosition examined);
                _transport.Input.AdvanceTo(consumed, examined);
                waits = status == HandshakeParseStatus.NeedMore && !read.IsCompleted && _request == RequestState.Pending;
            }

            Volatile.Write(ref _deadline, long.MaxValue); // from here to the answer it is the host's time
            if (Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) != RequestState.Pending)
            {
                Volatile.Write(ref _deadline, _heartbeat.After(_settings.CloseTimeout));
                await LingerAsync().ConfigureAwait(false);
                return false;
            }

            _headRequest = parser.IsHead;
            if (Admission != Admission.Admitted)
                answer = TurnAway(Admission);
            else if (status == HandshakeParseStatus.Refused)
                answer = Refuse(parser.Violation);
            else if (status == HandshakeParseStatus.Complete && (!BeginRequest(parser.Request!) || await RaiseAsync(ConnectionEvent.Request).ConfigureAwait(false)))
                answer = EndRequest();
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

    private void Append(HandshakeResponse answer)
    {
        var bytes = new PooledBuffer(_settings.Pool);
        answer.WriteTo(ref bytes, date: null);
        Queue.AppendHandshake(bytes.Written.Span);
        bytes.Release();
    }

    // For any answer but 101: the connection ends with it.
    private async Task AnswerAsync(HandshakeResponse answer)
    {
        Volatile.Write(ref _deadline, _heartbeat.After(_settings.CloseTimeout));
        var bytes = new PooledBuffer(_settings.Pool);
        try
        {
            answer.WriteTo(ref bytes, _heartbeat.UtcNow(), omitBody: _headRequest);
            await _transport.WriteAsync(bytes.Written).ConfigureAwait(false);
        }
        finally
        {
            bytes.Release();
        }

        _transport.ShutdownSend();
    }

    // False when the handlers of Connected were given up.
    private async ValueTask<bool> BeginAsync()
    {
        _open = true;
        Opened();
        Queue.Flush();
        if (!await RaiseAsync(ConnectionEvent.Connected).ConfigureAwait(false))
            return false;
        _raising = ConnectionEvent.Message;
        return true;
    }

    private async Task EndAsync(ReceiveEnd end)
    {
        Task linger = await CloseTransportAsync(end).ConfigureAwait(false);
        if (end == ReceiveEnd.Abandoned)
        {
            _abandoned = true;
            Handlers = new HandlerScope(this, _settings.EventContext);
        }

        Closed();
        _over = true;
        // Whoever asks now sees _over, and whoever asked before is seen here: without the barrier both could miss each other.
        Interlocked.MemoryBarrier();
        _closed?.TrySetResult();
        _raising = ConnectionEvent.Disconnected;
        _ = CancelDisconnectedAsync();
        await RaiseAsync(ConnectionEvent.Disconnected).ConfigureAwait(false);
        await linger.ConfigureAwait(false);
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
        Interlocked.CompareExchange(ref _ending, ending, null);
        Volatile.Write(ref _deadline, _heartbeat.After(_settings.CloseTimeout));
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

        // The reader's buffers stay with handlers that were given up.
        if (_abandoned)
            _transport.Abort();
        else
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
            while (true)
            {
                ReadResult read = await _transport.Input.ReadAsync().ConfigureAwait(false);
                _transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                    return;
            }
        }
        catch (IOException)
        {
            // Reset or cut: it is over as well.
        }
    }

    private async ValueTask<bool> RaiseAsync(ConnectionEvent what)
    {
        _raising = what;
        Handlers.Enter();
        bool ended = Handlers.Raise();
        Handlers.Leave();
        return ended || await Handlers.WhenEnded().ConfigureAwait(false);
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

    private void DeadlinePassed(long deadline)
    {
        bool tooSlow = _request == RequestState.Pending;
        // Where the connection got on at this very moment it has another deadline by now, and must not be cut for this one.
        long next = tooSlow ? _heartbeat.After(_settings.CloseTimeout) : long.MaxValue;
        if (Interlocked.CompareExchange(ref _deadline, next, deadline) != deadline)
            return;
        if (tooSlow)
            InterruptHandshake(Admission.TooSlow);
        else
            Cut();
    }

    private void Cut()
    {
        Volatile.Write(ref _deadline, long.MaxValue);
        Interlocked.CompareExchange(ref _abandonAt, _heartbeat.After(_settings.CloseTimeout), long.MaxValue);
        Queue.Fail(new IOException("The connection was cut."));
        _transport.Abort();
    }

    private void BeatOpen(long now)
    {
        if (_keepAlive.IsSilent(now))
            _transport.ReleaseIdle();
        // What some handler sent before it blocked its thread, in the middle of a burst, waits for one beat at the most.
        if (Queue.IsHeldBack)
            Queue.Flush();

        KeepAliveAction action = _keepAlive.Beat(
            now,
            _heartbeat.ToTimestamp(_settings.PingInterval),
            _heartbeat.ToTimestamp(_settings.PingTimeout),
            holdingBack: Handlers.IsRunning || _receive.IsHoldingBack,
            Queue.IsDraining,
            Queue.WritesDone);

        if (action == KeepAliveAction.Ping)
            Ping();
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

    private void LookAtHandlers(long now)
    {
        long run = Handlers.Run;
        if (run != _slowRun)
        {
            (_slowRun, _slowSince) = (run, now);
        }
        else if (now - _slowSince >= _heartbeat.ToTimestamp(_settings.SlowHandlerThreshold))
        {
            Log.HandlerSlow(NameOf(_raising), RemoteEndPoint, _settings.SlowHandlerThreshold);
            _slowSince = long.MaxValue; // once for this run
        }
    }
}
