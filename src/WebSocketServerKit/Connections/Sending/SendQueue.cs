using System.Diagnostics;
using System.Text;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The send side of one connection: it decides, under one lock, which message is accepted and in which order messages leave. Thread-safe.
/// <para>Senders append frames to a buffer. A sender that finds no drainer becomes the <see cref="Drainer"/>, and writes what is pending to the transport in
/// one call while others append to the second buffer of <see cref="OutgoingFrames"/>.</para>
/// <para>Invariants: the order of appending is the order on the wire; nothing follows a Close frame; the first failure refuses everything after it; no code of
/// the host and no write runs inside the lock.</para>
/// </summary>
internal sealed class SendQueue(TransportConnection transport, int limit, MemoryBudget budget)
{
    /// <summary>The largest payload of a message in bytes, so that sizes stay far from overflow.</summary>
    public const int MaxPayload = 1 << 30;

    /// <summary>The most bytes of one write. Each completed write shows the keep-alive that a slow peer still reads.</summary>
    public const int WriteLimit = 256 * 1024;

    private static readonly Task<SendOutcome> Sent = Task.FromResult(SendOutcome.Sent);
    private static readonly Task<SendOutcome> Queued = Task.FromResult(SendOutcome.Queued);
    private static readonly Task<SendOutcome> LineFull = Task.FromResult(SendOutcome.LineFull);
    private static readonly Task<SendOutcome> Closed = Task.FromResult(SendOutcome.Closed);

    private readonly Lock _gate = new();
    private int _limit = limit;      // bytes

    // The lock guards all fields below.
    private OutgoingFrames _outgoing = new(budget.Pool);
    private FragmentTurn? _turn;     // null unless a message in fragments has the turn
    private WaitingLine? _line;      // made for the first sender that waits
    private NewestPong? _newestPong; // made for the first Pong that waits
    private Cork? _cork;             // the cork that holds back messages here, and will flush them
    private bool _ended;             // nothing more is accepted: a Close frame was appended, or the peer has half-closed
    private Exception? _failure;

    /// <summary>Bytes accepted and not yet taken by the transport. A snapshot.</summary>
    public int BufferedBytes
    {
        get
        {
            lock (_gate)
                return Buffered;
        }
    }

    /// <summary>Bytes of memory that it holds, including those of the senders that wait. From any thread.</summary>
    public long HeldBytes => _outgoing.Capacity + (Volatile.Read(ref _turn)?.Behind.Capacity ?? 0) + (Volatile.Read(ref _line)?.HeldBytes ?? 0);

    /// <summary>Data messages accepted so far.</summary>
    public long MessagesSent { get; private set; }

    /// <summary>Payload bytes of the data messages accepted so far.</summary>
    public long BytesSent { get; private set; }

    /// <summary>Whether the transport is still busy with a write. From any thread.</summary>
    public bool IsDraining => _outgoing.IsDraining;

    /// <summary>The error that ended the connection, or null.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    private bool IsClosed => _ended || _failure is not null;

    private int Buffered => _outgoing.Length + (_turn?.Behind.Length ?? 0);

    // Where whole messages go.
    private ref PendingFrames Messages => ref _turn is null ? ref _outgoing.Pending : ref _turn.Behind;

    /// <summary>Takes over the settings of the client. Call it before anything is sent.</summary>
    public void Apply(ConnectionSettings settings) => _limit = settings.SendQueueLimit;

    /// <summary>Sends a message if there is room. Never waits.</summary>
    public SendOutcome TrySend(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        if (payload.Length > WriteThrough.Threshold)
            return TrySendLarge(opcode, payload);
        int size = FrameHeaderWriter.SizeFor(payload.Length) + payload.Length;
        SendOutcome outcome;
        bool drain;
        lock (_gate)
        {
            outcome = Admit(size);
            if (!outcome.IsAccepted)
                return outcome;
            Messages.Append(opcode, payload);
            CountMessage(payload.Length);
            drain = BecomesDrainer(size);
        }

        if (drain)
            Drain();
        return outcome;
    }

    /// <summary>Sends a text message if there is room. Never waits.</summary>
    public SendOutcome TrySend(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        int size = SizeOf(length);
        SendOutcome outcome;
        bool drain;
        lock (_gate)
        {
            outcome = Admit(size);
            if (!outcome.IsAccepted)
                return outcome;
            Messages.Append(text, length);
            CountMessage(length);
            drain = BecomesDrainer(size);
        }

        if (drain)
            Drain();
        return outcome;
    }

    /// <summary>Sends a message whose frame is ready if there is room: one for many clients, or a compressed one. Never waits.</summary>
    /// <param name="frame">The whole frame.</param>
    /// <param name="payloadLength">The length of the message before it was compressed, if it was.</param>
    public SendOutcome TrySendFrame(ReadOnlySpan<byte> frame, int payloadLength)
    {
        SendOutcome outcome;
        bool drain;
        lock (_gate)
        {
            outcome = Admit(frame.Length);
            if (!outcome.IsAccepted)
                return outcome;
            Messages.Append(frame);
            CountMessage(payloadLength);
            drain = BecomesDrainer(frame.Length);
        }

        if (drain)
            Drain();
        return outcome;
    }

    /// <summary>
    /// Sends a message, and waits in the <see cref="WaitingLine"/> while there is no room. When the line is full too, the outcome is
    /// <see cref="SendOutcome.LineFull"/>. A message that is cancelled while it waits is not sent, and the connection lives on. <paramref name="frame"/> must
    /// not change until the task has ended.
    /// </summary>
    public Task<SendOutcome> WaitAndSendFrameAsync(ReadOnlyMemory<byte> frame, int payloadLength, CancellationToken cancellationToken) =>
        WaitAndSendAsync(SendKind.Message, frame, payloadLength, cancellationToken);

    /// <summary>
    /// Gets the turn for a message in fragments, whose length is not known yet. The sender that has the turn sends any number of fragments and then the last
    /// one, or takes the message back. It waits behind all senders that came before. Messages that others send during the turn are pending until its end.
    /// </summary>
    public Task<SendOutcome> BeginFragmentsAsync(CancellationToken cancellationToken) => WaitAndSendAsync(SendKind.Turn, default, 0, cancellationToken);

    /// <summary>Sends one fragment of the message that has the turn, when there is room. <paramref name="frame"/> must not change until the task has ended.</summary>
    public Task<SendOutcome> SendFragmentAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken) =>
        WaitAndSendAsync(SendKind.Fragment, frame, 0, cancellationToken);

    /// <summary>Sends the last fragment of the message that has the turn, which ends the turn.</summary>
    /// <param name="frame">The whole frame; it must not change until the task has ended.</param>
    /// <param name="payloadLength">The length of the whole message before it was compressed, if it was.</param>
    /// <param name="cancellationToken">Cancels the wait for room: then the fragment is not sent and the turn goes on.</param>
    public Task<SendOutcome> SendLastFragmentAsync(ReadOnlyMemory<byte> frame, long payloadLength, CancellationToken cancellationToken) =>
        WaitAndSendAsync(SendKind.LastFragment, frame, payloadLength, cancellationToken);

    /// <summary>Ends the turn of a message of which no fragment was sent.</summary>
    public void TakeBackFragments()
    {
        lock (_gate)
        {
            EndTurn();
            if (IsDraining || IsClosed)
                return;
            _outgoing.BeginDrain(0); // even if nothing is pending: the drainer admits the senders that wait for the turn
        }

        Drain();
    }

    /// <summary>The outcome that the shortest message would have now, for callers that have to work for the message first.</summary>
    public SendOutcome Probe()
    {
        lock (_gate)
            return Admit(SizeOf(0));
    }

    /// <summary>Appends bytes that are no frame: the answer to the handshake, before anything else. <see cref="Flush"/> sends them.</summary>
    public void AppendHandshake(ReadOnlySpan<byte> response)
    {
        lock (_gate)
            _outgoing.Pending.Append(response);
    }

    /// <summary>Sends a Ping unless the connection is closing. It ignores the limit: at most one Ping is unanswered.</summary>
    public void Ping(ReadOnlySpan<byte> payload)
    {
        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return;
            _outgoing.Pending.Append(Opcode.Ping, payload);
            drain = BecomesDrainer(payload.Length);
        }

        if (drain)
            Drain();
    }

    /// <summary>Answers a Ping. While the transport is busy only the newest answer is kept.</summary>
    public void Pong(ReadOnlySpan<byte> payload)
    {
        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return;
            if (IsDraining)
            {
                (_newestPong ??= new NewestPong(budget.Pool)).Replace(payload);
                return;
            }

            _outgoing.Pending.Append(Opcode.Pong, payload);
            drain = BecomesDrainer(payload.Length);
        }

        if (drain)
            Drain();
    }

    /// <summary>Sends a Close frame, the last one. False if one was sent before or the connection is lost.</summary>
    /// <param name="code">The close code.</param>
    /// <param name="reason">The close reason.</param>
    /// <param name="discard">Whether pending messages are dropped, to give their memory back.</param>
    public bool Close(CloseCode code, string reason, bool discard = false)
    {
        Span<byte> payload = stackalloc byte[FrameHeader.MaxControlPayload];
        payload = payload[..CloseFrame.Write(payload, code, reason)];
        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return false;
            EndTurnThatHasNotBegun();
            if (discard)
                _outgoing.Pending.Discard();
            _outgoing.Pending.Append(Opcode.Close, payload);
            // 5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
            _ended = true;
            RefuseRest();
            drain = _outgoing.TryBeginDrain(); // a cork would be useless: nothing follows
        }

        if (drain)
            Drain();
        return true;
    }

    /// <summary>Refuses everything from now on; accepted messages are still sent. For a peer that has ended its side without a Close frame.</summary>
    public void End()
    {
        lock (_gate)
        {
            EndTurnThatHasNotBegun();
            _ended = true;
            RefuseRest();
        }

        Flush();
    }

    /// <summary>Sends what is pending, unless there is a drainer, which will do so.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            if (!BeginsToDrain())
                return;
        }

        Drain();
    }

    /// <summary>Sends what the cork has held back. From the thread that pulls the cork.</summary>
    public void FlushCorked()
    {
        lock (_gate)
        {
            _cork = null;
            if (!BeginsToDrain())
                return;
        }

        Drain();
    }

    /// <summary>Completes when the transport has taken all accepted messages, or has failed.</summary>
    public Task WhenDrained()
    {
        Flush(); // the caller may be the thread whose cork holds the messages back
        lock (_gate)
            return _outgoing.WhenDrained();
    }

    /// <summary>Refuses everything from now on and drops what is pending: the connection is over.</summary>
    public void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            RefuseRest();
            _newestPong?.Release();
            // A drainer still writes from its buffer. It gives both buffers back when its write has ended.
            if (!IsDraining)
                _outgoing.EndDrain();
        }
    }

    /// <summary>The size of a message's frame.</summary>
    /// <exception cref="ArgumentException">It is more than one message may have.</exception>
    public static int SizeOf(int payloadLength)
    {
        if (payloadLength > MaxPayload)
            throw new ArgumentException($"A message of {payloadLength} bytes is more than the {MaxPayload} that one message may have. Send it in parts.");
        return FrameHeaderWriter.SizeFor(payloadLength) + payloadLength;
    }

    /// <summary>The message as a frame of its own.</summary>
    public static byte[] ToFrame(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[SizeOf(payload.Length)];
        payload.CopyTo(frame.AsSpan(FrameHeaderWriter.Write(frame, opcode, payload.Length)));
        return frame;
    }

    // For the drainer: makes all that is pending the next bytes to write. False when nothing is; then the caller is the drainer no more.
    internal bool TryTakePending(out ReadOnlyMemory<byte> bytes)
    {
        lock (_gate)
        {
            Debug.Assert(IsDraining, "Only the drainer takes.");
            _outgoing.Wrote(left: 0);
            if (!IsClosed)
                _newestPong?.MoveTo(ref _outgoing.Pending);
            AdmitWaiting();
            if (_failure is null && _outgoing.TryTake(out bytes))
                return true;
            _newestPong?.Release();
            _outgoing.EndDrain();
            bytes = default;
            return false;
        }
    }

    // For the drainer: the transport has taken all but so many bytes.
    internal void Wrote(int left)
    {
        lock (_gate)
            _outgoing.Wrote(left);
    }

    // For the drainer, which ends with this.
    internal void DrainFailed(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            RefuseRest();
            _newestPong?.Release();
            _outgoing.EndDrain();
        }

        // The receive loop sees the end of its input.
        transport.Abort();
    }

    // For a sender that is cancelled. False when it has left the line already.
    internal bool TryWithdraw(WaitingSend sender)
    {
        lock (_gate)
        {
            if (!_line!.TryRemove(sender))
                return false;
            if (!IsDraining)
                AdmitWaiting(); // the senders behind it may have been waiting only for this one
            return true;
        }
    }

    // The outcome for a whole message of this size, frame header included.
    private SendOutcome Admit(int size)
    {
        if (IsClosed)
            return SendOutcome.Closed;
        if (_line is { IsEmpty: false })
            return SendOutcome.Full;
        // The limit bounds what is pending because of a slow peer or a message in fragments. On an idle transport nothing is pending except what a cork holds
        // back, and that is less than the limit. So an idle transport accepts even a message that is larger than the limit.
        if (!IsDraining && _turn is null)
            return SendOutcome.Sent;
        return FitsLimit(size) ? SendOutcome.Queued : SendOutcome.Full;
    }

    private SendOutcome Admit(SendKind kind, int size)
    {
        if (IsClosed)
            return SendOutcome.Closed;
        SendOutcome accepted = IsDraining ? SendOutcome.Queued : SendOutcome.Sent;
        return kind switch
        {
            SendKind.Message => Admit(size),
            SendKind.Turn => _turn is null && _line is not { IsEmpty: false } ? accepted : SendOutcome.Full,
            // Fragments must not wait for the line: the line may be waiting for their end.
            _ => !IsDraining || FitsLimit(size) ? accepted : SendOutcome.Full,
        };
    }

    // Whether the first sender in line can be admitted while no write is in flight. If nothing is pending, a message larger than the limit is admitted as well.
    private bool CanAdmit(WaitingSend first) => first.Kind switch
    {
        SendKind.Message => (_turn is null && _outgoing.Pending.IsEmpty) || FitsLimit(first.Frame.Length),
        SendKind.Turn => _turn is null,
        _ => _outgoing.Pending.IsEmpty || FitsLimit(first.Frame.Length),
    };

    private bool FitsLimit(int size) => (long)Buffered + size <= _limit;

    private void AdmitWaiting()
    {
        while (_line?.First is { } first && CanAdmit(first))
        {
            // Appending may throw OutOfMemoryException. So remove the sender only afterwards: it is then refused together with the others.
            Append(first.Kind, first.Frame.Span, first.PayloadLength);
            _line.TryRemove(first);
            first.Complete(SendOutcome.Queued);
        }
    }

    private Task<SendOutcome> WaitAndSendAsync(SendKind kind, ReadOnlyMemory<byte> frame, long payloadLength, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<SendOutcome>(cancellationToken);

        SendOutcome outcome;
        bool drain;
        lock (_gate)
        {
            outcome = Admit(kind, frame.Length);
            if (outcome == SendOutcome.Closed)
                return Closed;
            if (outcome == SendOutcome.Full)
                return WaitAsync(kind, frame, payloadLength, cancellationToken);
            Append(kind, frame.Span, payloadLength);
            drain = BecomesDrainer(frame.Length);
        }

        if (drain)
            Drain();
        return outcome == SendOutcome.Sent ? Sent : Queued;
    }

    // Inside the lock.
    private Task<SendOutcome> WaitAsync(SendKind kind, ReadOnlyMemory<byte> frame, long payloadLength, CancellationToken cancellationToken)
    {
        _line ??= new WaitingLine(budget, _limit);
        // Callers that do not await their sends ignore back-pressure, so the line has a limit.
        if (!_line.HasRoom(kind, frame.Length))
            return LineFull;
        var sender = new WaitingSend(this, kind, frame, payloadLength);
        _line.Add(sender);
        sender.CancelWith(cancellationToken);
        return sender.Task;
    }

    private void Append(SendKind kind, ReadOnlySpan<byte> frame, long payloadLength)
    {
        switch (kind)
        {
            case SendKind.Message:
                Messages.Append(frame);
                CountMessage(payloadLength);
                break;
            case SendKind.Turn:
                _turn = new FragmentTurn(budget.Pool);
                break;
            case SendKind.Fragment:
                _outgoing.Pending.Append(frame);
                _turn!.HasBegun = true;
                break;
            case SendKind.LastFragment:
                _outgoing.Pending.Append(frame);
                CountMessage(payloadLength);
                EndTurn();
                break;
        }
    }

    private void CountMessage(long payloadLength)
    {
        MessagesSent++;
        BytesSent += payloadLength;
    }

    // Does nothing if the connection is over: then there is no turn.
    private void EndTurn()
    {
        _turn?.Behind.MoveTo(ref _outgoing.Pending);
        _turn = null;
    }

    // The message in fragments will not be finished. If none of it was sent, the messages behind it can be sent.
    private void EndTurnThatHasNotBegun()
    {
        if (_turn is { HasBegun: false })
            EndTurn();
    }

    private void RefuseRest()
    {
        _line?.RefuseAll();
        // No message may follow one that was begun and will not be finished.
        _turn?.Behind.Release();
        _turn = null;
    }

    // True when the caller, which has appended this many bytes, has to drain. Bytes that another thread's cork holds back are sent with it: that thread may be
    // blocked.
    private bool BecomesDrainer(int size)
    {
        if (IsDraining || _outgoing.Pending.IsEmpty)
            return false;
        if (_outgoing.Pending.Length < Math.Min(Cork.QueueLimit, _limit) && Cork.TryHoldBack(this, ref _cork, size))
            return false;
        return _outgoing.TryBeginDrain();
    }

    private bool BeginsToDrain() => _failure is null && _outgoing.TryBeginDrain();

    private void Drain() => _ = Drainer.DrainAsync(this, transport, default);

    private SendOutcome TrySendLarge(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        int size = SizeOf(payload.Length);
        SendOutcome outcome;
        bool drain, writeThrough;
        lock (_gate)
        {
            outcome = Admit(size);
            if (!outcome.IsAccepted)
                return outcome;
            writeThrough = outcome == SendOutcome.Sent && _outgoing.Pending.IsEmpty;
            if (writeThrough)
                _outgoing.BeginDrain(size);
            else
                Messages.Append(opcode, payload);
            CountMessage(payload.Length);
            drain = BecomesDrainer(size);
        }

        if (drain)
            Drain();
        if (writeThrough)
            WriteThroughAndDrain(opcode, payload);
        return outcome;
    }

    private void WriteThroughAndDrain(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        ReadOnlyMemory<byte> rest;
        try
        {
            rest = WriteThrough.Write(transport, ref _outgoing.InFlight, opcode, payload);
        }
        catch (Exception failure)
        {
            DrainFailed(failure);
            return;
        }

        _ = Drainer.DrainAsync(this, transport, rest);
    }
}
