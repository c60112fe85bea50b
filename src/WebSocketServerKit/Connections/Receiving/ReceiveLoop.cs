using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Scheduling;
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

    /// <summary>The connection ends without waiting for handlers that still run or have not begun.</summary>
    Abandoned,
}

/// <summary>
/// Reads the input of one connection, parses it with <see cref="ServerProtocol"/>, and raises messages. It alone advances the protocol. It parses all complete
/// frames of a read before it reads again, but yields its thread when its time slice is over. It does not read while a handler runs: that is the back-pressure.
/// <para>Invariant: two other operations may touch the input and the protocol, and only while the loop is suspended. <see cref="Look"/> runs while the loop
/// waits for handlers,
/// <see cref="Discard"/> while it waits for the network or the heartbeat. Both take the lock on the protocol. The loop takes no lock; when it resumes, it calls
/// <see cref="WaitForVisitor"/> before it touches either.</para>
/// <para>A message that is handed on in parts (<see cref="MessageParts"/>) is raised with its first part. Then the loop goes on while its handlers run, and waits for the reader of each part.</para>
/// </summary>
internal sealed class ReceiveLoop(ConnectionLifetime connection, TransportConnection transport, ConnectionSettings settings, Heartbeat heartbeat)
{
    private readonly PipeReader _input = transport.Input;
    private readonly ServerProtocol _protocol = new(settings.MaxMessageSize, settings.MaxFragmentsPerMessage, settings.Pool);
    private RateLimit? _messageRate = Limit(settings.MaxMessagesPerSecond, heartbeat);
    private RateLimit? _byteRate = Limit(settings.MaxBytesPerSecond, heartbeat);
    private OverRate? _overRate = Reaction(settings, heartbeat); // null without a limit
    private TimeSlice _slice = new(settings.Clock);
    private LookAhead? _ahead;          // made for the first handler that still runs at the second beat
    private Memory<byte> _segment;      // the segment of the input that is being parsed
    private int _left;                  // bytes at its end that are not parsed yet
    private bool _isLastSegment;        // the bytes that LookAhead receives follow this segment directly
    private bool _isUnfinished;         // the protocol has to be stepped again even without more input
    private bool _expectsRsv1;
    private long _unpooled;             // bytes that the memory budget counts and that are not rented: a decompressor, a large message
    private MessageParts? _parts;       // of the message that is being handed on in parts
    private bool _isPartPut;            // the current part was given to _parts
    private bool _isLastPart;
    private long _inflated;             // the part of ServerProtocol.InflatedBytes that the byte rate has counted
    private bool _hasBegun;
    private volatile bool _isWaiting;   // for the network or for the heartbeat
    private volatile bool _isVisited;   // another thread is in Look or Discard
    private ReceiveEnd? _end;

    /// <summary>The payload of the message that is being handled.</summary>
    public ReadOnlyMemory<byte> Payload => _protocol.Payload;

    public WebSocketMessageType MessageType => _protocol.MessageType;

    public CloseCode CloseCode => _protocol.CloseCode;

    public string CloseReason => _protocol.CloseReason;

    /// <summary>How the loop ended; null before.</summary>
    public ReceiveEnd? End => _end;

    public ProtocolViolation Violation => _protocol.Violation;

    public Exception? Failure { get; private set; }

    /// <summary>Data messages received so far.</summary>
    public long MessagesReceived { get; private set; }

    /// <summary>Payload bytes of the data messages received so far.</summary>
    public long BytesReceived { get; private set; }

    /// <summary>Bytes of frames received so far.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Messages that were not raised because the client had sent too many. From any thread.</summary>
    public long MessagesRefused => _overRate?.Refused ?? 0;

    /// <summary>Bytes of memory held for incoming data. From any thread.</summary>
    public long HeldBytes => _protocol.HeldBytes + (_ahead?.HeldBytes ?? 0) + Volatile.Read(ref _unpooled);

    /// <summary>Whether the loop does not read because the client exceeds a rate limit or the server is short of memory.</summary>
    public bool IsHoldingBack { get; private set; }

    /// <summary>Whether the loop waits for the network or for the heartbeat. From any thread.</summary>
    public bool IsWaiting => _isWaiting;

    /// <summary>Whether the last <see cref="Look"/> has read everything that the peer had sent.</summary>
    public bool SeesAll => _ahead is { SeesAll: true } && !IsInPart;

    /// <summary>The message that is being handed on in parts; null while there is none.</summary>
    public MessageParts? Parts => Volatile.Read(ref _parts);

    /// <summary>
    /// Identifies what the loop waits for: odd while it waits for handlers, and different for each wait. While a message is handed on in parts, handlers run all the time; then it is the wait for
    /// the reader of the current part.
    /// </summary>
    public long WatchedRun => Parts is { IsOver: false } parts ? parts.Wait : connection.Handlers.Run;

    // The next byte of the input belongs to the payload of a frame: read-ahead would not find the frames behind it.
    private bool IsInPart => Parts is { IsOver: false } && _protocol.IsInFrame;

    /// <summary>Whether handlers that are not waited for may still read the payload. Then no buffer that may contain it goes back to the pool.</summary>
    public bool IsPayloadLeft { get; private set; }

    /// <summary>Takes over the limits of the client. Call it before <see cref="Begin"/>, while no handler runs.</summary>
    public void Apply(ConnectionSettings applied)
    {
        _protocol.Limit(applied.MaxMessageSize, applied.MaxFragmentsPerMessage);
        _messageRate = Limit(applied.MaxMessagesPerSecond, connection.Heartbeat);
        _byteRate = Limit(applied.MaxBytesPerSecond, connection.Heartbeat);
        _overRate = Reaction(applied, connection.Heartbeat);
    }

    /// <summary>Hands on messages from a size on in parts. Call it before <see cref="Begin"/>.</summary>
    public void Split(long from, long maxSize) => _protocol.Split(from, maxSize);

    /// <summary>Enables permessage-deflate. Call it before <see cref="Begin"/>.</summary>
    public void Agree(PerMessageDeflateParameters agreed)
    {
        _expectsRsv1 = true;
        _protocol.Agree(new MessageInflater(contextTakeover: !agreed.ClientNoContextTakeover));
    }

    /// <summary>Begins to receive. Then the connection calls <see cref="WaitForInputAsync"/> and <see cref="TakeInputAsync"/> in turn until <see cref="End"/> is set, and at last <see cref="FinishAsync"/>.</summary>
    // The loop itself is in ConnectionLifetime.RunAsync: as a method of its own it would cost each idle connection another state machine.
    public void Begin() => _hasBegun = true;

    /// <summary>Waits until there is input to take, or it has ended. An idle connection waits here.</summary>
    public ValueTask WaitForInputAsync() => _ahead is { IsEmpty: false } ? default : WaitToReadAsync();

    /// <summary>Parses the input, and raises its messages.</summary>
    public ValueTask TakeInputAsync()
    {
        if (_ahead is { IsEmpty: false })
            return TakeAheadAsync();
        EndWait();
        return _input.TryRead(out ReadResult read) ? TakeAsync(read) : default;
    }

    /// <summary>Ends it with what <see cref="WaitForInputAsync"/> or <see cref="TakeInputAsync"/> has thrown: an IOException of the network, or a bug. In both cases the connection is lost.</summary>
    public void Fail(Exception failure)
    {
        EndWait();
        Failure = failure;
        _end = ReceiveEnd.Lost;
    }

    /// <summary>Lets the handlers of an incomplete message end, and releases the buffers.</summary>
    public async ValueTask FinishAsync()
    {
        if (_parts is { HasHandlers: true })
            await InterruptMessageAsync().ConfigureAwait(false);
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
        CountUnpooled();
    }

    /// <summary>
    /// Reads ahead while the handlers of this run are running: answers Pings, and reports a Close frame or the end of the input to the connection. The
    /// heartbeat calls it, also while a handler blocks the loop's thread.
    /// </summary>
    /// <param name="run">The value of <see cref="WatchedRun"/> that the caller has seen. For another one it does nothing.</param>
    /// <param name="isOpen">Whether frames may be answered. False before the answer to the handshake.</param>
    public void Look(long run, bool isOpen)
    {
        lock (_protocol)
        {
            BeginVisit();
            try
            {
                if (_end is null && WatchedRun == run)
                    LookDuring(run, isOpen);
            }
            finally
            {
                _isVisited = false;
            }
        }
    }

    /// <summary>Drops an incomplete message to free its memory, if the loop is waiting for input. For a connection that is being closed. From any thread.</summary>
    public void Discard()
    {
        lock (_protocol)
        {
            BeginVisit();
            if (_isWaiting)
            {
                _protocol.DiscardMessages();
                CountUnpooled();
            }

            _isVisited = false;
        }
    }

    /// <summary>Ends the message that is being handed on in parts, if it is not complete: this side ends the connection. From any thread.</summary>
    public void Interrupt()
    {
        Interlocked.MemoryBarrier(); // the caller has set DiscardsMessages, then read _parts; the loop does the reverse
        Parts?.Fail(new InterruptedMessageException("The rest of the message does not come: the server has ended the connection."));
    }

    /// <summary>Checks the time limit of the message that is being handed on in parts. Called by the heartbeat.</summary>
    public void Beat(long now)
    {
        if (Parts is not { IsOver: false } parts)
            return;
        bool waitsForPeer = (parts.Wait & 1) == 0 && !IsHoldingBack;
        if (parts.IsOverdue(now, waitsForPeer, heartbeat.ToTimestamp(connection.Settings.StreamedMessageTimeout)))
            connection.BeginClose(new ConnectionEnding(DisconnectCause.LimitExceeded, ConnectionSide.Server, CloseCode.PolicyViolation, "message takes too long"));
    }

    /// <summary>Releases what was read ahead. <see cref="Look"/> does nothing from then on.</summary>
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

    /// <summary>Waits until no other thread is in <see cref="Look"/> or <see cref="Discard"/>. The loop calls it whenever handlers or a wait have ended.</summary>
    public void WaitForVisitor()
    {
        if (!_isVisited)
            return;
        lock (_protocol)
        {
            // Only the wait matters.
        }
    }

    // Asymmetric fence: a full fence per message in the loop would cost too much, so the rare visitor issues it for both threads. Either the visitor sees that
    // the loop has resumed, or the loop sees _isVisited.
    private void BeginVisit()
    {
        _isVisited = true;
        Interlocked.MemoryBarrierProcessWide();
    }

    private void LookDuring(long run, bool isOpen)
    {
        if (IsInPart)
        {
            if (connection.Transport.HasPeerEnded)
                connection.PeerEnded(null);
            return;
        }

        _ahead ??= new LookAhead(connection, connection.Transport, settings.Pool, _expectsRsv1);
        // Before the loop begins, bytes that followed the request are still in the reader.
        if (!_hasBegun && _input.TryRead(out ReadResult read))
        {
            _ahead.Add(read.Buffer);
            _input.AdvanceTo(read.Buffer.End);
        }

        _ahead.Look(run, _segment.Span[^_left..], isOpen && (_isLastSegment || !_hasBegun));
    }

    private ValueTask WaitToReadAsync()
    {
        ValueTask waiting = connection.Transport.WaitToReadAsync();
        if (!waiting.IsCompleted)
        {
            _slice.End();
            _isWaiting = true;
        }

        return waiting;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask TakeAsync(ReadResult read)
    {
        if (!read.Buffer.IsEmpty)
        {
            connection.Heard();
            CountRead(read.Buffer.Length);
        }

        if (connection.DiscardsMessages)
            _protocol.DiscardMessages();
        SequencePosition next = read.Buffer.Start;
        while (_end is null && read.Buffer.TryGet(ref next, out ReadOnlyMemory<byte> segment))
        {
            _isLastSegment = next.GetObject() is null;
            // Frames are unmasked in place. That is safe: nobody else reads this memory before AdvanceTo.
            await ParseAsync(MemoryMarshal.AsMemory(segment)).ConfigureAwait(false);
        }

        // The handlers may still read this memory, so it must not be returned to the reader.
        if (IsPayloadLeft)
            return;
        _input.AdvanceTo(read.Buffer.End);
        if (read.IsCompleted)
            _end ??= ReceiveEnd.Lost;
        CountUnpooled();
        if (IsPaused)
            await HoldBackAsync().ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask TakeAheadAsync()
    {
        while (_end is null && _ahead!.TryTake(out Memory<byte> bytes))
        {
            CountRead(bytes.Length);
            _isLastSegment = true;
            await ParseAsync(bytes).ConfigureAwait(false);
            if (!IsPayloadLeft)
                _ahead.Done();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ParseAsync(Memory<byte> segment)
    {
        (_segment, _left) = (segment, segment.Length);
        while (_end is null && (_left > 0 || _isUnfinished))
        {
            if (_slice.IsOver)
            {
                await Turn.InLine;
                _slice.End();
            }

            if (_isUnfinished)
                CountUnpooled();
            if (IsOverRate || IsPaused)
                await HoldBackAsync().ConfigureAwait(false);
            if (ParseSegment(out long measuredFrom))
                continue;
            if (_parts is not null)
            {
                await HandOnPartAsync().ConfigureAwait(false);
                continue;
            }

            HandlersEnd end = await connection.Handlers.WhenEnded().ConfigureAwait(false);
            if (end == HandlersEnd.GoOn && !await connection.Handlers.WhenPayloadReleased().ConfigureAwait(false))
                end = HandlersEnd.GivenUp;
            EndMessage(end);
            if (measuredFrom != 0)
                settings.Metrics!.HandlersEnded(heartbeat.Elapsed(measuredFrom, heartbeat.Timestamp()));
        }

        (_segment, _left) = (default, 0);
    }

    // Messages that are discarded need no limit: the sooner the peer's Close frame is read, the better.
    // A message that is handed on in parts has begun, so it cannot be refused any more: the rest of it is read more slowly.
    private bool IsOverRate => _overRate is not null && (!_overRate.Refuses ? IsLimitReached : _parts is not null && !connection.DiscardsMessages && IsReached(_byteRate));

    private bool IsLimitReached => !connection.DiscardsMessages && (IsReached(_messageRate) || IsReached(_byteRate));

    // The server is short of memory, and this client is one of those that hold the most.
    private bool IsPaused => settings.Budget.IsShort && _end is null && !connection.IsEnding && settings.Budget.Pauses(connection.HeldBytes);

    private bool IsReached(RateLimit? limit) => limit is not null && limit.IsReached(connection.Heartbeat.Now);

    private static RateLimit? Limit(long? perSecond, Heartbeat heartbeat) =>
        perSecond is { } limit ? new RateLimit(limit, heartbeat.ToTimestamp(TimeSpan.FromSeconds(1))) : null;

    private static OverRate? Reaction(ConnectionSettings settings, Heartbeat heartbeat) =>
        settings.MaxMessagesPerSecond is null && settings.MaxBytesPerSecond is null ? null : new OverRate(settings.OverRate, heartbeat);

    // Parses until the bytes are used up, a rate limit is reached, the time slice is over or the loop has to end. False when handlers of a message have to be
    // awaited, or a part of a message has to be handed on. Handlers that have to be awaited are measured from that timestamp on, if it is not 0.
    private bool ParseSegment(out long measuredFrom)
    {
        measuredFrom = 0;
        bool isWatched = connection.IsTraced || settings.Metrics is { MeasuresMessages: true };
        HandlerScope handlers = connection.Handlers;
        Memory<byte> left = _segment[^_left..]; // a local is cheaper to update than a field
        handlers.Enter();
        Cork? cork = null;
        try
        {
            if (_overRate is { Refuses: true })
                _protocol.PassesOverNext = IsLimitReached;
            while (_protocol.Step(ref left) is var found and not ProtocolEvent.None)
            {
                _left = left.Length;
                // More frames have been received already: their answers leave in one write with this one's.
                if (_left > 0 && cork is null && (cork = Cork.Put(settings.Clock)) is not null)
                    connection.Queue.BeginBatch(cork);
                _isUnfinished = _protocol.HasMore;
                if (_byteRate is not null && _overRate is { Refuses: false })
                    CountInflated(_byteRate);
                if (!(found != ProtocolEvent.Message ? Take(found, handlers)
                    : isWatched && (ServerMetrics.IsSampled(MessagesReceived + 1) || connection.IsTraced) ? WatchMessage(handlers, out measuredFrom)
                    : TakeMessage(handlers)))
                {
                    return false;
                }


                WaitForVisitor();
                if (!_isUnfinished)
                    _protocol.ReleasePayload();
                cork?.FlushWhenFull();
                if (_overRate is { Refuses: true })
                    _protocol.PassesOverNext = IsLimitReached;
                if (_end is not null || IsOverRate || ((_left > 0 || _isUnfinished) && _slice.IsOver))
                    return true;
            }

            (_left, _isUnfinished) = (0, false);
            return true;
        }
        finally
        {
            handlers.Leave();
            if (cork is not null)
            {
                connection.Queue.EndBatch();
                cork.Pull();
            }
        }
    }

    // False when the handlers have to be awaited.
    private bool TakeMessage(HandlerScope handlers)
    {
        MessagesReceived++;
        BytesReceived += _protocol.Payload.Length;
        if (connection.DiscardsMessages)
            return true;
        if (_overRate is not null)
            CountMessage(_overRate);
        return handlers.Raise();
    }

    // A message that is traced, or measured.
    private bool WatchMessage(HandlerScope handlers, out long measuredFrom)
    {
        measuredFrom = 0;
        if (ServerMetrics.IsSampled(MessagesReceived + 1) && settings.Metrics is { } metrics)
        {
            metrics.MessageReceived(_protocol.Payload.Length);
            measuredFrom = heartbeat.Timestamp();
        }

        if (!TakeMessage(handlers))
            return false;
        connection.MessageHandled();
        if (measuredFrom != 0)
            settings.Metrics!.HandlersEnded(heartbeat.Elapsed(measuredFrom, heartbeat.Timestamp()));
        measuredFrom = 0;
        return true;
    }

    // Of a message that is handed on in parts, the first part begins the event.
    private void BeginParts(HandlerScope handlers)
    {
        MessageParts parts = new(_protocol.MessageType, heartbeat.Now);
        parts.Put(_protocol.Payload, _isLastPart); // nobody is told, because nobody reads yet
        parts.IsOver = _isLastPart;
        _isPartPut = true;
        Volatile.Write(ref _parts, parts);
        _messageRate?.Count(1, heartbeat.Now);
        Interlocked.MemoryBarrier(); // store _parts, then read DiscardsMessages; Interrupt does the reverse
        if (connection.DiscardsMessages)
            parts.Close();
        else
            parts.HasHandlers = !connection.RaiseMessageStream(handlers);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask HandOnPartAsync()
    {
        MessageParts parts = _parts!;
        if (!_isPartPut)
        {
            parts.IsOver = _isLastPart;
            parts.Put(_protocol.Payload, _isLastPart);
        }

        if (_isLastPart)
        {
            // From here on it is like any other message: its handlers have it as a whole.
            EndMessage(parts.HasHandlers ? await connection.Handlers.WhenEnded().ConfigureAwait(false) : HandlersEnd.Ended);
            return;
        }

        if (!parts.TryGoOn())
        {
            await parts.WhenTaken().ConfigureAwait(false);
            parts.EndWait();
        }

        WaitForVisitor();
        _protocol.ReleasePayload();
    }

    // The loop ends in the middle of a message whose handlers run. The peer is answered at once, and the handlers learn it when they read.
    private async ValueTask InterruptMessageAsync()
    {
        MessageParts parts = _parts!;
        parts.IsOver = true;
        connection.EndMessages(); // these handlers may wait for another message
        if (_end == ReceiveEnd.Violation)
        {
            Interrupt(parts, $"the client broke a rule of the protocol ({Violation.Describe().Reason}).");
            connection.Closing.BeginForViolation(Violation);
        }
        else if (_end == ReceiveEnd.CloseReceived)
        {
            // 5.4 and 5.5.1 let a Close frame come between the fragments of a message.
            connection.PeerCloses(CloseCode, CloseReason);
            Interrupt(parts, "the client has closed the connection.");
        }
        else
        {
            connection.PeerEnded(Failure);
            Interrupt(parts, "the connection is lost.");
        }

        EndHandlers(await connection.Handlers.WhenEnded().ConfigureAwait(false));
    }

    private void Interrupt(MessageParts parts, string cause) =>
        parts.Fail(new InterruptedMessageException($"The rest of the message does not come: {cause}", Failure), dropsLastPart: true);

    private void CountRead(long bytes)
    {
        BytesRead += bytes;
        if (_byteRate is not null && _overRate is { Refuses: false })
            _byteRate.Count(bytes, connection.Heartbeat.Now);
    }

    // Messages that are refused do not count: otherwise a client that goes on to send too much would get nothing through.
    private void CountMessage(OverRate overRate)
    {
        _messageRate?.Count(1, connection.Heartbeat.Now);
        if (overRate.Refuses)
            _byteRate?.Count(_protocol.Payload.Length, connection.Heartbeat.Now);
    }

    private void RefuseMessage(OverRate overRate)
    {
        overRate.Refuse();
        if (overRate.Begins())
            connection.Notify(new Notice(NoticeKind.OverRate, (long)overRate.Reaction));
        if (overRate.Reaction == RateLimitReaction.Close)
            connection.BeginClose(new ConnectionEnding(DisconnectCause.LimitExceeded, ConnectionSide.Server, CloseCode.PolicyViolation, "too many messages"));
    }

    private void EndMessage(HandlersEnd end)
    {
        EndHandlers(end);
        if (end is not (HandlersEnd.GivenUp or HandlersEnd.Postponed))
            _protocol.ReleasePayload();
    }

    private void EndHandlers(HandlersEnd end)
    {
        connection.MessageHandled();
        if (end != HandlersEnd.Ended)
            connection.RenewHandlers(end);
        WaitForVisitor();
        if (_parts is { } parts)
            EndParts(parts, end);
        if (end is HandlersEnd.GivenUp or HandlersEnd.Postponed)
        {
            IsPayloadLeft = _parts is null;
            _end = end == HandlersEnd.Postponed && connection.HasPeerClosed ? ReceiveEnd.CloseReceived : ReceiveEnd.Abandoned;
        }
    }

    // Nobody may read from the input any more. Handlers that have not begun still find the message, and that it is over.
    private void EndParts(MessageParts parts, HandlersEnd end)
    {
        parts.HasHandlers = false;
        Interrupt(parts, end == HandlersEnd.GoOn
            ? "the handler has let in the client's next message. Read a message to its end before RequestAsync."
            : "the handler has not read it in time.");
        if (end is not (HandlersEnd.Ended or HandlersEnd.GoOn))
            return;
        Volatile.Write(ref _parts, null);
        connection.MessageStreamEnded();
    }

    private void EndWait()
    {
        _isWaiting = false;
        WaitForVisitor();
    }

    // False when a part of a message has to be handed on.
    private bool Take(ProtocolEvent found, HandlerScope handlers)
    {
        switch (found)
        {
            case ProtocolEvent.Part or ProtocolEvent.LastPart:
                _isLastPart = found == ProtocolEvent.LastPart;
                _isPartPut = false;
                BytesReceived += _protocol.Payload.Length;
                if (_overRate is { Refuses: true })
                    _byteRate?.Count(_protocol.Payload.Length, heartbeat.Now);
                if (_isLastPart)
                    MessagesReceived++;
                if (_parts is null)
                    BeginParts(handlers);
                return false;
            case ProtocolEvent.PassedOver:
                RefuseMessage(_overRate!);
                break;
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

        return true;
    }

    // The rate counts decompressed bytes as well: a few bytes may inflate to many.
    private void CountInflated(RateLimit byteRate)
    {
        byteRate.Count(_protocol.InflatedBytes - _inflated, connection.Heartbeat.Now);
        _inflated = _protocol.InflatedBytes;
    }

    private void CountUnpooled()
    {
        long bytes = _protocol.LargeBytes + (_protocol.HasInflater ? MemoryBudget.InflaterSize : 0);
        if (bytes == _unpooled)
            return;
        settings.Budget.Count(bytes - _unpooled);
        Volatile.Write(ref _unpooled, bytes);
    }

    private async Task HoldBackAsync()
    {
        bool isOverRate = IsOverRate;
        if (isOverRate && _overRate!.Begins())
            connection.Notify(new Notice(NoticeKind.OverRate, (long)RateLimitReaction.ReadSlower));
        _isWaiting = true;
        Task nextBeat = connection.Heartbeat.WhenNextBeat(); // taken before each check, so that no beat is missed
        IsHoldingBack = true; // who sees it, sees the notice too
        // The largest are closed first, but on a busy machine it takes a while to find them, and meanwhile one client after the other would grow.
        if (IsPaused && settings.Budget.IsFarExceeded)
            connection.CloseForMemory();
        while (IsOverRate || IsPaused)
        {
            await nextBeat.ConfigureAwait(false);
            nextBeat = connection.Heartbeat.WhenNextBeat();
        }

        if (isOverRate)
            _overRate!.Ends();
        IsHoldingBack = false;
        EndWait();
    }
}
