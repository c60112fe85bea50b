using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Scheduling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Receiving;

/// <summary>How a receive loop ended.</summary>
internal enum ReceiveEnd
{
    /// <summary>The peer's Close frame came.</summary>
    CloseReceived,

    /// <summary>The peer broke a rule.</summary>
    Violation,

    /// <summary>The input ended or failed without a Close frame.</summary>
    Lost,

    /// <summary>Handlers were given up while they still ran, or had not begun.</summary>
    Abandoned,
}

/// <summary>
/// The only one that takes the input of a connection through its protocol. It steps through all complete frames of a read before it awaits
/// the network again, but for no longer than a slice of time while others wait for a thread. A handler that goes on holds back the next message, and so the
/// reading: that is the back-pressure.
/// <para>While a handler runs, the heartbeat may <see cref="Look"/> at the peer; while the loop waits for the network, others may <see cref="Discard"/> what has come of a message. They exclude
/// each other: the loop touches the input and the protocol at other times only, and when it is back while another one is at it, it waits for that.</para>
/// </summary>
internal sealed class ReceiveLoop(ConnectionLifetime connection, TransportConnection transport, ConnectionSettings settings, Heartbeat heartbeat)
{
    private readonly PipeReader _input = transport.Input;
    private readonly ServerProtocol _protocol = new(settings.MaxMessageSize, settings.MaxFragmentsPerMessage, settings.Pool);
    private readonly RateLimit? _messageRate = Limit(settings.MaxMessagesPerSecond, heartbeat);
    private readonly RateLimit? _byteRate = Limit(settings.MaxBytesPerSecond, heartbeat);
    private TimeSlice _slice = new(settings.Clock);
    private LookAhead? _ahead;          // made for the first handler that runs for long
    private Memory<byte> _segment;      // of the input, while it is being stepped through
    private int _left;                  // bytes at its end that were not yet when the handlers were called
    private bool _isLastSegment;        // what the look receives follows right behind it
    private bool _isUnfinished;         // the protocol has more to do before it takes more input
    private bool _expectsRsv1;
    private bool _hasInflater;          // and it counts
    private long _inflated;             // bytes of ServerProtocol.InflatedBytes that count for the rate
    private bool _hasBegun;
    private volatile bool _isWaiting;   // for the network or for the time
    private volatile bool _isVisited;   // another thread looks or discards
    private ReceiveEnd? _end;

    /// <summary>The message that handlers are being called for.</summary>
    public ReadOnlyMemory<byte> Payload => _protocol.Payload;

    public WebSocketMessageType MessageType => _protocol.MessageType;

    public CloseCode CloseCode => _protocol.CloseCode;

    public string CloseReason => _protocol.CloseReason;

    /// <summary>How the loop ended; null before.</summary>
    public ReceiveEnd? End => _end;

    public ProtocolViolation Violation => _protocol.Violation;

    public Exception? Failure { get; private set; }

    /// <summary>Data messages received so far, and their payload bytes.</summary>
    public long MessagesReceived { get; private set; }

    public long BytesReceived { get; private set; }

    /// <summary>Bytes of memory that are held for what the client sends. From any thread.</summary>
    public int HeldBytes => _protocol.HeldBytes + (_ahead?.HeldBytes ?? 0) + (_hasInflater ? MemoryBudget.InflaterSize : 0);

    /// <summary>Whether the client is made to wait because it sends more than the options allow, or because the server is short of memory.</summary>
    public bool IsHoldingBack { get; private set; }

    /// <summary>Whether the last look, while handlers run, has read everything that the peer had sent.</summary>
    public bool SeesAll => _ahead is { SeesAll: true };

    /// <summary>Whether handlers that were given up, or have not begun, may still read the payload: then all buffers that it may lie in are theirs.</summary>
    public bool IsPayloadLeft { get; private set; }

    /// <summary>permessage-deflate was agreed on. Before <see cref="RunAsync"/>.</summary>
    public void Agree(PerMessageDeflateParameters agreed)
    {
        _expectsRsv1 = true;
        _protocol.Agree(new MessageInflater(contextTakeover: !agreed.ClientNoContextTakeover));
    }

    /// <summary>Receives until <see cref="End"/> is set. Never throws.</summary>
    public async Task RunAsync()
    {
        _hasBegun = true;
        try
        {
            while (_end is null)
            {
                // Keep no locals across this await: each would be stored in the state machine of every idle connection.
                if (_ahead is null or { IsEmpty: true })
                    await TakeAsync(await ReadAsync().ConfigureAwait(false)).ConfigureAwait(false);
                else
                    await TakeAheadAsync().ConfigureAwait(false);
            }
        }
        catch (Exception failure)
        {
            // The network's IOException, or one that should not be: the connection is lost in either case, and its end has to be told.
            EndWait();
            Failure = failure;
            _end = ReceiveEnd.Lost;
        }

        if (IsPayloadLeft)
        {
            settings.Budget.Forget(_protocol.HeldBytes + (_ahead?.TakenBytes ?? 0));
            _protocol.Abandon();
        }
        else
        {
            _protocol.Release();
        }

        ReleaseAhead();
        CountInflater();
    }

    /// <summary>
    /// Looks at the peer while the handlers of this run go on: answers a Ping, and tells the connection of a Close frame and of the end. Called by the heartbeat, also while
    /// a handler blocks the loop's thread.
    /// </summary>
    /// <param name="run">The value of <see cref="HandlerScope.Run"/> that the caller has seen.</param>
    /// <param name="isOpen">Whether frames are answered: not before the answer to the handshake.</param>
    public void Look(long run, bool isOpen)
    {
        lock (_protocol)
        {
            BeginVisit();
            try
            {
                if (_end is null && connection.Handlers.Run == run)
                    LookDuring(run, isOpen);
            }
            finally
            {
                _isVisited = false;
            }
        }
    }

    /// <summary>Gives up what has come of a message, if the loop waits for more of it: the connection is being closed, and the memory is needed.</summary>
    public void Discard()
    {
        lock (_protocol)
        {
            BeginVisit();
            if (_isWaiting)
            {
                _protocol.DiscardMessages();
                CountInflater();
            }

            _isVisited = false;
        }
    }

    /// <summary>Gives back what was read ahead, and will not be stepped through any more. Nobody visits from here on.</summary>
    public void ReleaseAhead()
    {
        lock (_protocol)
        {
            _end ??= ReceiveEnd.Lost;
            if (!IsPayloadLeft)
                _ahead?.Done();
            _ahead?.Release();
        }
    }

    /// <summary>A handler or a wait has just ended, and another thread may still be at what is the loop's from here on: waits for that.</summary>
    public void WaitForVisitor()
    {
        if (!_isVisited)
            return;
        lock (_protocol)
        {
            // It has gone.
        }
    }

    // A full fence in the loop, for each message, would be dear; so this side issues one for both. Either this side sees that the loop is back, or the loop sees that it has to wait.
    private void BeginVisit()
    {
        _isVisited = true;
        Interlocked.MemoryBarrierProcessWide();
    }

    private void LookDuring(long run, bool isOpen)
    {
        _ahead ??= new LookAhead(connection, connection.Transport, settings.Pool, _expectsRsv1);
        // Before the loop begins, what came right behind the request lies in the reader.
        if (!_hasBegun && _input.TryRead(out ReadResult read))
        {
            _ahead.Add(read.Buffer);
            _input.AdvanceTo(read.Buffer.End);
        }

        _ahead.Look(run, _segment.Span[^_left..], isOpen && (_isLastSegment || !_hasBegun));
    }

    private ValueTask<ReadResult> ReadAsync()
    {
        ValueTask<ReadResult> reading = _input.ReadAsync();
        if (!reading.IsCompleted)
        {
            _slice.End();
            _isWaiting = true;
        }

        return reading;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask TakeAsync(ReadResult read)
    {
        EndWait();
        if (!read.Buffer.IsEmpty)
        {
            connection.Heard();
            _byteRate?.Count(read.Buffer.Length, connection.Heartbeat.Now);
        }

        if (connection.DiscardsMessages)
            _protocol.DiscardMessages();
        SequencePosition next = read.Buffer.Start;
        while (_end is null && read.Buffer.TryGet(ref next, out ReadOnlyMemory<byte> segment))
        {
            _isLastSegment = next.GetObject() is null;
            // The memory is the reader's own and nobody else reads it before it is consumed: frames are unmasked where they lie.
            await StepThroughAsync(MemoryMarshal.AsMemory(segment)).ConfigureAwait(false);
        }

        // Handlers that were given up may still be reading what lies there.
        if (IsPayloadLeft)
            return;
        _input.AdvanceTo(read.Buffer.End);
        if (read.IsCompleted)
            _end ??= ReceiveEnd.Lost;
        CountInflater();
        if (IsPaused)
            await HoldBackAsync().ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask TakeAheadAsync()
    {
        while (_end is null && _ahead!.TryTake(out Memory<byte> bytes))
        {
            _byteRate?.Count(bytes.Length, connection.Heartbeat.Now);
            _isLastSegment = true;
            await StepThroughAsync(bytes).ConfigureAwait(false);
            if (!IsPayloadLeft)
                _ahead.Done();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask StepThroughAsync(Memory<byte> segment)
    {
        (_segment, _left) = (segment, segment.Length);
        while (_end is null && (_left > 0 || _isUnfinished))
        {
            if (_slice.IsOver)
            {
                await Turn.InLine;
                _slice.End();
            }

            if (IsOverRate || IsPaused)
                await HoldBackAsync().ConfigureAwait(false);
            if (StepThrough())
                continue;
            HandlersEnd end = await connection.Handlers.WhenEnded().ConfigureAwait(false);
            if (end == HandlersEnd.GoOn && !await connection.Handlers.WhenPayloadReleased().ConfigureAwait(false))
                end = HandlersEnd.GivenUp;
            TakeEnd(end);
        }

        (_segment, _left) = (default, 0);
    }

    // Where what comes is thrown away, the sooner the peer's Close frame is read the better.
    private bool IsOverRate => (_messageRate ?? _byteRate) is not null && !connection.DiscardsMessages && (IsReached(_messageRate) || IsReached(_byteRate));

    // The server is short of memory, and this client is one of those that hold most.
    private bool IsPaused => settings.Budget.IsShort && _end is null && !connection.IsEnding && settings.Budget.Pauses(connection.HeldBytes);

    private bool IsReached(RateLimit? limit) => limit is not null && limit.IsReached(connection.Heartbeat.Now);

    private static RateLimit? Limit(long? perSecond, Heartbeat heartbeat) =>
        perSecond is { } limit ? new RateLimit(limit, heartbeat.ToTimestamp(TimeSpan.FromSeconds(1))) : null;

    // True when the bytes are used up, the client has sent too much, the slice is over or the end has come; false when handlers of a message go on and have to be awaited.
    private bool StepThrough()
    {
        HandlerScope handlers = connection.Handlers;
        Memory<byte> left = _segment[^_left..]; // a local costs less to move on than a field
        handlers.Enter();
        Cork? cork = null;
        try
        {
            while (_protocol.Step(ref left) is var found and not ProtocolEvent.None)
            {
                _left = left.Length;
                // More frames are there already: what is sent for them leaves together with what is sent for this one.
                if (_left > 0)
                    cork ??= Cork.Put(settings.Clock);
                _isUnfinished = found == ProtocolEvent.Unfinished;
                if (_byteRate is not null)
                    CountInflated(_byteRate);
                if (found != ProtocolEvent.Message)
                    Take(found);
                else if (!TakeMessage(handlers))
                    return false;
                WaitForVisitor();
                if (!_isUnfinished)
                    _protocol.ReleasePayload();
                cork?.FlushWhenFull();
                if (_end is not null || IsOverRate || ((_left > 0 || _isUnfinished) && _slice.IsOver))
                    return true;
            }

            (_left, _isUnfinished) = (0, false);
            return true;
        }
        finally
        {
            handlers.Leave();
            cork?.Pull();
        }
    }

    // False when handlers of a message go on and have to be awaited.
    private bool TakeMessage(HandlerScope handlers)
    {
        MessagesReceived++;
        BytesReceived += _protocol.Payload.Length;
        if (connection.DiscardsMessages)
            return true;
        _messageRate?.Count(1, connection.Heartbeat.Now);
        return handlers.Raise();
    }

    private void TakeEnd(HandlersEnd end)
    {
        if (end != HandlersEnd.Ended)
            connection.RenewHandlers(end);
        WaitForVisitor();
        if (end is HandlersEnd.GivenUp or HandlersEnd.Postponed)
        {
            IsPayloadLeft = true;
            _end = end == HandlersEnd.Postponed && connection.HasPeerClosed ? ReceiveEnd.CloseReceived : ReceiveEnd.Abandoned;
            return;
        }

        _protocol.ReleasePayload();
    }

    private void EndWait()
    {
        _isWaiting = false;
        WaitForVisitor();
    }

    private void Take(ProtocolEvent found)
    {
        switch (found)
        {
            case ProtocolEvent.Ping:
                // 5.5.2: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close frame."
                if (_ahead is null || !_ahead.TakeAnswered())
                    connection.Queue.Pong(_protocol.Payload.Span);
                break;
            case ProtocolEvent.Pong:
                // 5.5.3: "A Pong frame MAY be sent unsolicited. [...] A response to an unsolicited Pong frame is not expected."
                connection.PongReceived(_protocol.Payload.Span);
                break;
            case ProtocolEvent.Close:
                _end = ReceiveEnd.CloseReceived;
                break;
            case ProtocolEvent.Violation:
                _end = ReceiveEnd.Violation;
                break;
        }
    }

    // A few bytes may inflate to many.
    private void CountInflated(RateLimit byteRate)
    {
        byteRate.Count(_protocol.InflatedBytes - _inflated, connection.Heartbeat.Now);
        _inflated = _protocol.InflatedBytes;
    }

    private void CountInflater()
    {
        if (_protocol.HasInflater == _hasInflater)
            return;
        _hasInflater = !_hasInflater;
        settings.Budget.Count(_hasInflater ? MemoryBudget.InflaterSize : -MemoryBudget.InflaterSize);
    }

    private async Task HoldBackAsync()
    {
        IsHoldingBack = true;
        _isWaiting = true;
        Task nextBeat = connection.Heartbeat.WhenNextBeat(); // taken before each look, so that no beat falls between
        while (IsOverRate || IsPaused)
        {
            await nextBeat.ConfigureAwait(false);
            nextBeat = connection.Heartbeat.WhenNextBeat();
        }

        IsHoldingBack = false;
        EndWait();
    }
}
