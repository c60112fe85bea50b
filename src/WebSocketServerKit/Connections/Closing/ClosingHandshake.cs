using System.Net.WebSockets;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Receiving;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit.Connections.Closing;

/// <summary>
/// The end of one connection: its first cause, the Close frames of both sides, our FIN and the wait for the peer's. Made when the first reason to end comes up, so that it costs an idle
/// client nothing. Thread-safe.
/// <list type="bullet">
/// <item>The first cause is kept. Whatever goes wrong afterwards does not replace it.</item>
/// <item>This side closes first: <see cref="Begin"/>. The peer closes first: <see cref="AnswerAhead"/> while handlers run, <see cref="RunAsync"/> otherwise.</item>
/// <item>Our FIN goes first, and the peer's last bytes are read and discarded.</item>
/// </list>
/// </summary>
internal sealed class ClosingHandshake(ConnectionLifetime connection)
{
    private ConnectionEnding? _ending;           // set once, by compare-exchange
    private LeftMessage? _leftMessage;           // set once, when handlers are given up or postponed
    private volatile bool _discardsMessages;
    private volatile bool _hasPeerClosed;

    public CloseDeadline Deadline { get; } = new(connection.Transport, connection.Settings, connection.Heartbeat);

    /// <summary>The first cause, or null while it is not decided that the connection ends.</summary>
    public ConnectionEnding? Ending => Volatile.Read(ref _ending);

    /// <summary>Whether the peer's messages are not raised any more, because this side ends the connection. Those that came before the peer's own end are.</summary>
    public bool DiscardsMessages => _discardsMessages;

    /// <summary>Whether the peer's Close frame was seen, perhaps ahead of messages that wait for their turn.</summary>
    public bool HasPeerClosed => _hasPeerClosed;

    /// <summary>Whether both sides sent a Close frame.</summary>
    public bool WasClean { get; private set; }

    /// <summary>The message whose handlers are not waited for any longer, or that waits in the host's context although the connection is over.</summary>
    public LeftMessage? LeftMessage
    {
        get => Volatile.Read(ref _leftMessage);
        set => Volatile.Write(ref _leftMessage, value);
    }

    /// <summary>The event that tells the end, and its handlers.</summary>
    public Task Told { get; set; } = Task.CompletedTask;

    /// <summary>Keeps the cause if it is the first. True if it is.</summary>
    public bool TrySetEnding(ConnectionEnding ending) => Interlocked.CompareExchange(ref _ending, ending, null) is null;

    /// <summary>This side closes: sends a Close frame. The peer's has to come within the close timeout. Call it once, after the cause was kept.</summary>
    public void Begin(ConnectionEnding ending)
    {
        _discardsMessages = true;
        connection.Queue.Close(ending.Code, ending.Reason);
        Deadline.Start();
    }

    /// <summary>The same to free memory: messages that wait to be sent are discarded too, and the peer has one second.</summary>
    /// <param name="ending">The first cause.</param>
    /// <param name="isAnswered">Whether the 101 has left the queue. If not, it must not be discarded.</param>
    public void BeginForMemory(ConnectionEnding ending, bool isAnswered)
    {
        _discardsMessages = true;
        connection.Queue.Close(ending.Code, ending.Reason, discard: isAnswered);
        connection.Receive.Discard();
        connection.Transport.ReleaseIdle();
        Deadline.StartWith(TimeSpan.FromSeconds(1));
    }

    /// <summary>The peer's Close frame was seen while handlers run. Answers it now; the messages before it are still raised.</summary>
    public void AnswerAhead(WebSocketCloseStatus code, string reason)
    {
        _hasPeerClosed = true;
        // 5.5.1: "It SHOULD do so as soon as practical."
        if (connection.TryEnd(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Client, code, reason)))
            connection.Queue.Close(code, reason);
        else if (_discardsMessages)
            connection.LeaveHandlers(HandlersEnd.Postponed); // both sides have closed, and no message is waited for
    }

    /// <summary>The receive loop has ended: ends our side as that asks for. The wait for the peer's end is given back and never fails.</summary>
    public async Task<Task> RunAsync(ReceiveEnd end)
    {
        Exception? failure = connection.Queue.Failure ?? connection.Receive.Failure;
        if (failure is not (null or IOException))
            connection.Log.ConnectionFailed(failure, connection.RemoteEndPoint);
        ConnectionEnding ending = end switch
        {
            ReceiveEnd.CloseReceived => new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Client, connection.Receive.CloseCode, connection.Receive.CloseReason),
            ReceiveEnd.Violation => Describe(connection.Receive.Violation),
            _ => new ConnectionEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, CloseFrame.Abnormal, "", failure),
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
            // The peer ended its side without a Close frame. It may still read what was sent to it.
            connection.Queue.End();
            await connection.Queue.WhenDrained().ConfigureAwait(false);
            connection.Transport.ShutdownSend();
            return Task.CompletedTask;
        }

        // 5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a Close frame in
        // response. [...] When sending a Close frame in response, the endpoint typically echos the status code it received."
        connection.Queue.Close(ending.Code, ending.Reason); // the queue ignores a second one
        await connection.Queue.WhenDrained().ConfigureAwait(false);
        WasClean = end == ReceiveEnd.CloseReceived && connection.Queue.Failure is null;

        // 7.1.1: "the server MUST close the connection first" - our FIN goes first, and the unread rest is read: to close a socket with unread
        // bytes would send a RST, and that could destroy our Close frame on its way.
        connection.Transport.ShutdownSend();
        return Linger.ReadToEndAsync(connection.Transport.Input, connection.Settings.Clock);
    }

    /// <summary>Cuts the connection now, and gives its handlers the close timeout to end. Again does nothing.</summary>
    public void Cut()
    {
        _discardsMessages = true;
        Deadline.Stop();
        Deadline.StartForHandlers();
        connection.Queue.Fail(new IOException("The connection was cut."));
        connection.Transport.Abort();
        // An event that the host's context has not begun is not waited for. It is raised when the context gets to it.
        connection.LeaveHandlers(HandlersEnd.Postponed);
    }

    /// <summary>Cuts a peer, or gives up handlers, whose time is over.</summary>
    public void Beat(long now)
    {
        if (Deadline.IsOver(now))
        {
            // The peer has closed, and a handler is what is waited for: it gets the same time as after a cut.
            if (_hasPeerClosed && connection.Handlers.IsRunning)
                Deadline.StartForHandlers();
            else
                connection.Cut();
        }

        if (Deadline.IsOverForHandlers(now))
            connection.LeaveHandlers(HandlersEnd.GivenUp);
    }

    private ConnectionEnding Describe(ProtocolViolation violation)
    {
        (WebSocketCloseStatus code, string reason, string section) = violation.Describe();
        connection.Log.ProtocolViolated(connection.RemoteEndPoint, reason, section, (int)code);
        return new ConnectionEnding(DisconnectCause.ProtocolViolation, ConnectionSide.Server, code, reason);
    }
}
