using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Receiving;
using WebSocketServerKit.Protocol;

namespace WebSocketServerKit.Connections.Closing;

/// <summary>
/// Ends one connection: keeps the cause, exchanges Close frames, sends the server's FIN and waits for the peer's. Made on demand, so that it costs an idle
/// connection nothing. Thread-safe; the connection's loop calls <see cref="RunAsync"/>, the heartbeat <see cref="Beat"/>.
/// <list type="bullet">
/// <item>The first cause is kept. Later errors do not replace it.</item>
/// <item>If this side closes first, <see cref="Begin"/> sends the Close frame.</item>
/// <item>If the peer closes first, <see cref="RunAsync"/> answers its Close frame, or <see cref="AnswerAhead"/> while handlers run.</item>
/// <item>The server sends its FIN first. Then it reads and discards the rest of the input.</item>
/// </list>
/// </summary>
internal sealed class ClosingHandshake(ConnectionLifetime connection)
{
    private ConnectionEnding? _ending;           // set once, by compare-exchange
    private LeftMessage? _leftMessage;           // set once, when handlers are given up or postponed
    private ConnectionEnding? _violation;        // the rule that the peer broke
    private volatile bool _discardsMessages;
    private volatile bool _hasPeerClosed;
    private volatile CutReason _whyCut;

    public CloseDeadline Deadline { get; } = new(connection.Transport, connection.Settings, connection.Heartbeat);

    /// <summary>The first cause, or null until the connection begins to end.</summary>
    public ConnectionEnding? Ending => Volatile.Read(ref _ending);

    /// <summary>
    /// Whether received messages are discarded, because this side ends the connection. If the peer ends it, the messages before its end are still raised.
    /// </summary>
    public bool DiscardsMessages => _discardsMessages;

    /// <summary>Whether read-ahead has found the peer's Close frame. Messages before it may not have been raised yet.</summary>
    public bool HasPeerClosed => _hasPeerClosed;

    /// <summary>Whether both sides sent a Close frame.</summary>
    public bool WasClean { get; private set; }

    /// <summary>Why the server had to cut the connection in its closing handshake. <see cref="CutReason.EndedOtherwise"/> if the server did not.</summary>
    public CutReason WhyCut => _whyCut;

    /// <summary>The event whose handlers the connection no longer waits for: given up, or still queued in the host's context. Null if there is none.</summary>
    public LeftMessage? LeftMessage
    {
        get => Volatile.Read(ref _leftMessage);
        set => Volatile.Write(ref _leftMessage, value);
    }

    /// <summary>Completes when <see cref="ConnectionEvent.Disconnected"/> was raised and its handlers have ended.</summary>
    public Task Told { get; set; } = Task.CompletedTask;

    /// <summary>Keeps the cause if it is the first one. True if it is.</summary>
    public bool TrySetEnding(ConnectionEnding ending) => Interlocked.CompareExchange(ref _ending, ending, null) is null;

    /// <summary>Closes from this side: sends a Close frame and starts the close timeout. Call it once, after <see cref="TrySetEnding"/> was true.</summary>
    public void Begin(ConnectionEnding ending)
    {
        DiscardMessages();
        connection.Queue.Close(ending.Code, ending.Reason);
        Deadline.Start();
    }

    /// <summary>Like <see cref="Begin"/>, but frees memory: drops pending messages too, and gives the peer one second.</summary>
    /// <param name="ending">The first cause.</param>
    /// <param name="isAnswered">Whether the 101 has left the send queue. If not, the queue is not cleared.</param>
    public void BeginForMemory(ConnectionEnding ending, bool isAnswered)
    {
        DiscardMessages();
        connection.Queue.Close(ending.Code, ending.Reason, discard: isAnswered);
        connection.Receive.Discard();
        connection.Transport.ReleaseIdle();
        Deadline.StartWith(TimeSpan.FromSeconds(1));
    }

    /// <summary>Like <see cref="Begin"/>, because the peer broke a rule while handlers run. <see cref="RunAsync"/> follows when they have ended.</summary>
    public void BeginForViolation(ProtocolViolation violation)
    {
        ConnectionEnding ending = Describe(violation);
        if (connection.TryEnd(ending))
            Begin(ending);
    }

    /// <summary>Like <see cref="Begin"/>, but drops pending messages, which the peer does not read.</summary>
    /// <param name="ending">The first cause.</param>
    /// <param name="isAnswered">Whether the 101 has left the send queue. If not, the queue is not cleared.</param>
    public void BeginForSlowClient(ConnectionEnding ending, bool isAnswered)
    {
        DiscardMessages();
        connection.Queue.Close(ending.Code, ending.Reason, discard: isAnswered);
        Deadline.Start();
    }

    /// <summary>Answers a Close frame that read-ahead has found while handlers run. The messages before it are still raised.</summary>
    public void AnswerAhead(CloseCode code, string reason)
    {
        _hasPeerClosed = true;
        // 5.5.1: "It SHOULD do so as soon as practical."
        if (connection.TryEnd(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Client, code, reason)))
            connection.Queue.Close(code, reason);
        else if (_discardsMessages)
            connection.LeaveHandlers(HandlersEnd.Postponed); // both sides have closed, so there is no reason to wait for the host's context
    }

    /// <summary>Ends this side after the receive loop has ended. Returns the task that waits for the peer's end; it never fails.</summary>
    public async Task<Task> RunAsync(ReceiveEnd end)
    {
        Exception? failure = connection.Queue.Failure ?? connection.Receive.Failure;
        if (failure is not (null or IOException))
            connection.Log.ConnectionFailed(failure, connection.RemoteEndPoint);
        ConnectionEnding ending = end switch
        {
            ReceiveEnd.CloseReceived => new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Client, connection.Receive.CloseCode, connection.Receive.CloseReason),
            ReceiveEnd.Violation => Describe(connection.Receive.Violation),
            _ => new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseCode.AbnormalClosure, "", failure),
        };
        connection.TryEnd(ending);
        Deadline.Start();
        if (end == ReceiveEnd.Abandoned || failure is not null)
        {
            Cut();
            return Task.CompletedTask;
        }

        if (end == ReceiveEnd.Lost)
        {
            // A half-close: the peer has sent a FIN without a Close frame. It may still read what was sent to it.
            connection.Queue.End();
            await connection.Queue.WhenDrained().ConfigureAwait(false);
            connection.Transport.ShutdownSend();
            return Task.CompletedTask;
        }

        // 5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a Close frame in
        // response. [...] When sending a Close frame in response, the endpoint typically echos the status code it received."
        connection.Queue.Close(ending.Code, ending.Reason); // does nothing if a Close frame was sent before
        await connection.Queue.WhenDrained().ConfigureAwait(false);
        WasClean = end == ReceiveEnd.CloseReceived && connection.Queue.Failure is null;

        // 7.1.1: "the server MUST close the connection first" - so send our FIN now. Then read the rest of the input: closing a socket with unread bytes sends
        // a RST, and that could make the peer lose our Close frame.
        connection.Transport.ShutdownSend();
        return Linger.ReadToEndAsync(connection.Transport.Input, connection.Settings.Clock);
    }

    /// <summary>Cuts the connection now, and gives its handlers the close timeout to end. Further calls do nothing.</summary>
    public void Cut()
    {
        DiscardMessages();
        Deadline.Stop();
        Deadline.StartForHandlers();
        connection.Queue.Fail(new IOException("The connection was cut."));
        connection.Transport.Abort();
        // Do not wait for an event that the host's context has not begun. The context will still raise it.
        connection.LeaveHandlers(HandlersEnd.Postponed);
    }

    /// <summary>Notes what the closing handshake is waiting for, because it is about to be cut. The first call counts.</summary>
    /// <param name="isCancelled">Whether it is cut before its time.</param>
    public void NoteCut(bool isCancelled)
    {
        if (_whyCut == CutReason.EndedOtherwise)
        {
            _whyCut = isCancelled ? CutReason.StopCancelled
                : connection.Queue.BufferedBytes > 0 ? CutReason.NotRead
                : connection.Handlers.IsRunning ? CutReason.HandlerRunning
                : CutReason.NotAnswered;
        }
    }

    /// <summary>Checks the deadlines: cuts the connection when the peer's has passed, gives up the handlers when theirs has.</summary>
    public void Beat(long now)
    {
        if (Deadline.IsOver(now))
        {
            // The peer has closed and only handlers are missing: give them the same timeout as after a cut.
            if (_hasPeerClosed && connection.Handlers.IsRunning)
            {
                Deadline.StartForHandlers();
            }
            else
            {
                NoteCut(isCancelled: false);
                connection.Cut();
            }
        }

        if (Deadline.IsOverForHandlers(now))
            connection.LeaveHandlers(HandlersEnd.GivenUp);
    }

    private void DiscardMessages()
    {
        _discardsMessages = true;
        connection.EndMessages();
        connection.Receive.Interrupt();
    }

    private ConnectionEnding Describe(ProtocolViolation violation)
    {
        if (_violation is not null)
            return _violation;
        (CloseCode code, string reason, string section) = violation.Describe();
        connection.Log.ProtocolViolated(connection.RemoteEndPoint, reason, section, code.Value);
        DisconnectCause cause = violation is ProtocolViolation.MessageTooBig or ProtocolViolation.TooManyFragments ? DisconnectCause.LimitExceeded : DisconnectCause.ProtocolViolation;
        return _violation = new ConnectionEnding(cause, ConnectionSide.Server, code, reason);
    }
}
