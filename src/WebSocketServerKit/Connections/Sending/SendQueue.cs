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
internal sealed class SendQueue(TransportConnection transport, int limit, MemoryBudget budget, ISlowReadingListener? listener = null)
{
    /// <summary>The largest payload of a message in bytes, so that sizes stay far from overflow.</summary>
    public const int MaxPayload = 1 << 30;

    /// <summary>The most bytes of one write. Each completed write shows the keep-alive that a slow peer still reads.</summary>
    public const int WriteLimit = 256 * 1024;

    private static readonly Task<SendOutcome> Sent = Task.FromResult(SendOutcome.Sent);
    private static readonly Task<SendOutcome> Queued = Task.FromResult(SendOutcome.Queued);
    private static readonly Task<SendOutcome> Dropped = Task.FromResult(SendOutcome.Dropped);
    private static readonly Task<SendOutcome> LineFull = Task.FromResult(SendOutcome.LineFull);
    private static readonly Task<SendOutcome> Closed = Task.FromResult(SendOutcome.Closed);

    private SendGate _gate = new();
    private int _limit = limit;      // bytes
    private byte _policy;            // a SlowClientPolicy; an enumeration field would take four bytes of each client

    // The lock guards all fields below.
    private OutgoingFrames _outgoing = new(budget.Pool);
    private FragmentTurn? _turn;     // null unless a message in fragments has the turn
    private WaitingLine? _line;      // made for the first sender that waits
    private NewestPong? _newestPong; // made for the first Pong that waits
    private Cork? _cork;             // the cork that holds back messages here, and will flush them
    private SlowReading? _slow;      // made for the first message that is dropped, replaced or has to wait
    private bool _ended;             // nothing more is accepted: a Close frame was appended, or the peer has half-closed
    private Exception? _failure;

    /// <summary>Bytes accepted and not yet taken by the transport. A snapshot.</summary>
    public int BufferedBytes
    {
        get
        {
            using (_gate.Enter())
                return Buffered;
        }
    }

    /// <summary>Whether senders wait in line. Unless the policy is to wait, whole messages pass them. A snapshot.</summary>
    public bool HasWaiting
    {
        get
        {
            using (_gate.Enter())
                return _line is { IsEmpty: false };
        }
    }

    /// <summary>What happens to a whole message for which there is no room. Set before the first message.</summary>
    public SlowClientPolicy Policy
    {
        get => (SlowClientPolicy)_policy;
        set => _policy = (byte)value;
    }

    /// <summary>Whether messages were dropped or replaced or had to wait, since the transport was last idle. From any thread.</summary>
    public bool IsSlow => Volatile.Read(ref _slow) is { IsSlow: true };

    /// <summary>Messages that do not reach the client, because it read too slowly. From any thread.</summary>
    public long MessagesDropped => Volatile.Read(ref _slow)?.Dropped ?? 0;

    /// <summary>Pending messages whose place a newer one took. From any thread.</summary>
    public long MessagesReplaced => Volatile.Read(ref _slow)?.Replaced ?? 0;

    /// <summary>Bytes of memory that it holds, including those of the senders that wait. From any thread.</summary>
    public long HeldBytes => _outgoing.Capacity + (Volatile.Read(ref _turn)?.Behind.Capacity ?? 0) + (Volatile.Read(ref _line)?.HeldBytes ?? 0);

    /// <summary>Data messages accepted so far.</summary>
    public long MessagesSent { get; private set; }

    /// <summary>Payload bytes of the data messages accepted so far.</summary>
    public long BytesSent { get; private set; }

    /// <summary>Bytes of frames that the transport has taken so far, and of the answer to the handshake.</summary>
    public long BytesTaken => _outgoing.BytesTaken;

    /// <summary>About the bytes accepted and not yet taken by the transport. From any thread, without the lock.</summary>
    public long PendingBytes => _outgoing.Length + (Volatile.Read(ref _turn)?.Behind.Length ?? 0);

    /// <summary>Whether the transport is still busy with a write. From any thread.</summary>
    public bool IsDraining => _outgoing.IsDraining;

    /// <summary>The error that ended the connection, or null.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Whether everything is refused from now on. A snapshot, from any thread.</summary>
    public bool IsClosed => Volatile.Read(ref _ended) || Failure is not null;

    private bool DropsOldest => Policy == SlowClientPolicy.DropOldest;

    private int Buffered => _outgoing.Length + (_turn?.Behind.Length ?? 0);

    // What counts against the limit. If the oldest messages are dropped, what is in flight leaves half of the limit to the newest ones.
    private long Counted =>
        _outgoing.Pending.Counted + (_turn?.Behind.Counted ?? 0) + (DropsOldest ? Math.Min(_outgoing.BytesInFlight, _limit / 2) : _outgoing.BytesInFlight);

    private SlowReading Slow => _slow ??= new SlowReading(listener);

    // Where whole messages go.
    private ref PendingFrames Messages => ref _turn is null ? ref _outgoing.Pending : ref _turn.Behind;

    /// <summary>Takes over the settings of the client. Call it before anything is sent.</summary>
    public void Apply(ConnectionSettings settings) => (_limit, Policy) = (settings.SendQueueLimit, settings.SlowClients);

    /// <summary>Sends a message if there is room. Never waits.</summary>
    /// <param name="opcode">Text or binary.</param>
    /// <param name="payload">The message.</param>
    /// <param name="mayWait">Whether the caller would rather wait for room, if the policy allows it: then the outcome is <see cref="SendOutcome.MustWait"/>.</param>
    public SendOutcome TrySend(Opcode opcode, ReadOnlySpan<byte> payload, bool mayWait = false)
    {
        if (payload.Length > WriteThrough.Threshold)
            return TrySendLarge(opcode, payload, mayWait);
        int size = FrameHeaderWriter.SizeFor(payload.Length) + payload.Length;
        SendOutcome outcome;
        bool drain;
        using (SendGate.Scope gate = _gate.Enter())
        {
            outcome = Admit(size, mayWait);
            if (!outcome.IsAccepted)
                goto Refused;
            Messages.Append(opcode, payload);
            Accepted(outcome, size, payload.Length);
            drain = BecomesDrainer(size, gate.Cork);
        }

        if (drain)
            Drain();
        return outcome;
    Refused:
        return Refuse(outcome);
    }

    /// <summary>Sends a text message if there is room. Never waits.</summary>
    /// <param name="text">The message.</param>
    /// <param name="mayWait">Whether the caller would rather wait for room, if the policy allows it: then the outcome is <see cref="SendOutcome.MustWait"/>.</param>
    public SendOutcome TrySend(string text, bool mayWait = false)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        int size = SizeOf(length);
        SendOutcome outcome;
        bool drain;
        using (SendGate.Scope gate = _gate.Enter())
        {
            outcome = Admit(size, mayWait);
            if (!outcome.IsAccepted)
                goto Refused;
            Messages.Append(text, length);
            Accepted(outcome, size, length);
            drain = BecomesDrainer(size, gate.Cork);
        }

        if (drain)
            Drain();
        return outcome;
    Refused:
        return Refuse(outcome);
    }

    /// <summary>Sends a message whose frame is ready if there is room: one for many clients, or a compressed one. Never waits.</summary>
    /// <param name="frame">The whole frame.</param>
    /// <param name="payloadLength">The length of the message before it was compressed, if it was.</param>
    /// <param name="mayWait">Whether the caller would rather wait for room, if the policy allows it: then the outcome is <see cref="SendOutcome.MustWait"/>.</param>
    public SendOutcome TrySendFrame(ReadOnlySpan<byte> frame, int payloadLength, bool mayWait = false)
    {
        SendOutcome outcome;
        bool drain;
        using (SendGate.Scope gate = _gate.Enter())
        {
            outcome = Admit(frame.Length, mayWait);
            if (!outcome.IsAccepted)
                goto Refused;
            Messages.Append(frame);
            Accepted(outcome, frame.Length, payloadLength);
            drain = BecomesDrainer(frame.Length, gate.Cork);
        }

        if (drain)
            Drain();
        return outcome;
    Refused:
        return Refuse(outcome);
    }

    /// <summary>Sends a message whose frame is ready. It takes the place of a pending message with the same key, or is sent like any other if there is none. Never waits.</summary>
    /// <param name="key">Says which messages make each other out of date.</param>
    /// <param name="frame">The whole frame. If it is compressed, it refers to no other message.</param>
    /// <param name="plain">The same message uncompressed.</param>
    /// <param name="payloadLength">The length of the message before it was compressed, if it was.</param>
    public SendOutcome TrySendLatest(string key, ReadOnlySpan<byte> frame, ReadOnlySpan<byte> plain, int payloadLength)
    {
        SendOutcome outcome;
        bool drain = false;
        using (SendGate.Scope gate = _gate.Enter())
        {
            // Where a message is pending already, nobody is passed by the new one. So senders in line do not matter.
            if (!IsClosed && _outgoing.Pending.TryFind(key, out int place))
            {
                outcome = Replace(ref _outgoing.Pending, place, isBehind: false, frame, plain, payloadLength);
            }
            else if (!IsClosed && _turn is not null && _turn.Behind.TryFind(key, out place))
            {
                outcome = Replace(ref _turn.Behind, place, isBehind: true, frame, plain, payloadLength);
            }
            else
            {
                outcome = Admit(frame.Length);
                if (outcome.IsAccepted)
                {
                    Messages.Append(frame);
                    CountMessage(payloadLength);
                    if (outcome == SendOutcome.Queued)
                        Messages.MarkLast(frame.Length, key, budget);
                    drain = BecomesDrainer(frame.Length, gate.Cork);
                }
            }
        }

        if (drain)
            Drain();
        return outcome.IsAccepted ? outcome : Refuse(outcome);
    }

    /// <summary>
    /// Sends a message whose frame is ready and never changes, if there is room. Never waits. A large frame is written from the caller's memory if the transport is idle, and not copied.
    /// </summary>
    /// <param name="frame">The whole frame. It must never change.</param>
    /// <param name="payloadLength">The length of the message before it was compressed, if it was.</param>
    /// <param name="mayWait">Whether the caller would rather wait for room, if the policy allows it: then the outcome is <see cref="SendOutcome.MustWait"/>.</param>
    public SendOutcome TrySendLasting(ReadOnlyMemory<byte> frame, int payloadLength, bool mayWait = false)
    {
        if (frame.Length <= WriteThrough.Threshold)
            return TrySendFrame(frame.Span, payloadLength, mayWait);
        SendOutcome outcome;
        bool drain, isWrittenFromThere;
        using (SendGate.Scope gate = _gate.Enter())
        {
            outcome = Admit(frame.Length, mayWait);
            if (!outcome.IsAccepted)
                goto Refused;
            isWrittenFromThere = outcome == SendOutcome.Sent && _outgoing.Pending.IsEmpty;
            if (isWrittenFromThere)
                _outgoing.BeginDrain(frame.Length);
            else
                Messages.Append(frame.Span);
            Accepted(outcome, frame.Length, payloadLength);
            drain = BecomesDrainer(frame.Length, gate.Cork);
        }

        if (drain)
            Drain();
        if (isWrittenFromThere)
            _ = Drainer.DrainAsync(this, transport, frame);
        return outcome;
    Refused:
        return Refuse(outcome);
    }

    /// <summary>Like <see cref="TrySendLasting"/>, but waits in line while there is no room: then <paramref name="waiting"/> is not null.</summary>
    public SendOutcome SendLasting(ReadOnlyMemory<byte> frame, int payloadLength, CancellationToken cancellationToken, out Task<SendOutcome>? waiting)
    {
        SendOutcome outcome = TrySendLasting(frame, payloadLength, mayWait: true);
        waiting = outcome == SendOutcome.MustWait ? WaitAndSendFrameAsync(frame, payloadLength, cancellationToken) : null;
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
        using (_gate.Enter())
        {
            EndTurn();
            if (IsDraining || IsClosed)
                return;
            _outgoing.BeginDrain(0); // even if nothing is pending: the drainer admits the senders that wait for the turn
        }

        Drain();
    }

    /// <summary>
    /// For callers that have to work for a message first: whether the shortest message is refused now, so that the work would be in vain. Then the message counts
    /// as refused, with this outcome.
    /// </summary>
    public bool Refuses(bool mayWait, out SendOutcome outcome)
    {
        using (_gate.Enter())
        {
            outcome = Expect(SizeOf(0));
            if (outcome == SendOutcome.Dropped)
                outcome = DropsOldest ? SendOutcome.Queued : ApplyPolicy(0, mayWait);
            if (outcome.IsAccepted || outcome == SendOutcome.MustWait)
                return false;
        }

        outcome = Refuse(outcome);
        return true;
    }

    /// <summary>Appends bytes that are no frame: the answer to the handshake, before anything else. <see cref="Flush"/> sends them.</summary>
    public void AppendHandshake(ReadOnlySpan<byte> response)
    {
        using (_gate.Enter())
            _outgoing.Pending.Append(response);
    }

    /// <summary>Sends a Ping unless the connection is closing. It ignores the limit: at most one Ping is unanswered.</summary>
    public void Ping(ReadOnlySpan<byte> payload)
    {
        bool drain;
        using (SendGate.Scope gate = _gate.Enter())
        {
            if (IsClosed)
                return;
            _outgoing.Pending.Append(Opcode.Ping, payload);
            drain = BecomesDrainer(payload.Length, gate.Cork);
        }

        if (drain)
            Drain();
    }

    /// <summary>Answers a Ping. While the transport is busy only the newest answer is kept.</summary>
    public void Pong(ReadOnlySpan<byte> payload)
    {
        bool drain;
        using (SendGate.Scope gate = _gate.Enter())
        {
            if (IsClosed)
                return;
            if (IsDraining)
            {
                (_newestPong ??= new NewestPong(budget.Pool)).Replace(payload);
                return;
            }

            _outgoing.Pending.Append(Opcode.Pong, payload);
            drain = BecomesDrainer(payload.Length, gate.Cork);
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
        using (_gate.Enter())
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
        using (_gate.Enter())
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
        using (_gate.Enter())
        {
            if (!BeginsToDrain())
                return;
        }

        Drain();
    }

    /// <summary>This thread is about to send much: see <see cref="SendGate"/>.</summary>
    /// <param name="cork">The cork that the thread has put in, and pulls after <see cref="EndBatch"/>.</param>
    public void BeginBatch(Cork cork) => _gate.Bias(cork);

    /// <summary>Ends <see cref="BeginBatch"/>, on the same thread.</summary>
    public void EndBatch() => _gate.Unbias();

    /// <summary>Sends what the cork has held back. From the thread that pulls the cork.</summary>
    public void FlushCorked()
    {
        using (_gate.Enter())
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
        Task drained;
        using (_gate.Enter())
            drained = _outgoing.WhenDrained();
        return drained;
    }

    /// <summary>Refuses everything from now on and drops what is pending: the connection is over.</summary>
    public void Fail(Exception failure)
    {
        using (_gate.Enter())
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
            throw new ArgumentException($"A message of {payloadLength} bytes is more than the {MaxPayload} that one message may have. Send it as a stream.");
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
        using (_gate.Enter())
        {
            Debug.Assert(IsDraining, "Only the drainer takes.");
            _outgoing.Wrote(left: 0);
            if (!IsClosed)
                _newestPong?.MoveTo(ref _outgoing.Pending);
            AdmitWaiting();
            if (_failure is null && _outgoing.TryTake(Math.Min(WriteLimit, _limit / 2), out bytes))
                return true;
            _newestPong?.Release();
            _outgoing.EndDrain();
            if (_slow is not null && _failure is null && _turn is null or { Behind.IsEmpty: true })
                _slow.End();
            bytes = default;
            return false;
        }
    }

    // For the drainer: the transport has taken all but so many bytes.
    internal void Wrote(int left)
    {
        using (_gate.Enter())
            _outgoing.Wrote(left);
    }

    // For the drainer, which ends with this.
    internal void DrainFailed(Exception failure)
    {
        using (_gate.Enter())
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
        using (_gate.Enter())
        {
            if (!_line!.TryRemove(sender))
                return false;
            if (!IsDraining)
                AdmitWaiting(); // the senders behind it may have been waiting only for this one
            return true;
        }
    }

    // The outcome for a whole message of this size, frame header included. If the policy demands it, there is room now.
    private SendOutcome Admit(int size, bool mayWait = false)
    {
        SendOutcome outcome = Expect(size);
        return outcome == SendOutcome.Dropped ? ApplyPolicy(size, mayWait) : outcome;
    }

    private SendOutcome Expect(int size)
    {
        if (IsClosed)
            return SendOutcome.Closed;
        // With another policy than to wait, only messages in fragments are in line. They have to wait anyway, so others pass them.
        if (_line is { IsEmpty: false } && Policy == SlowClientPolicy.Wait)
            return SendOutcome.Dropped;
        // The limit bounds what is pending because of a slow peer or a message in fragments. On an idle transport nothing is pending except what a cork holds
        // back, and that is less than the limit. So an idle transport accepts even a message that is larger than the limit.
        if (!IsDraining && _turn is null)
            return SendOutcome.Sent;
        return FitsLimit(size) ? SendOutcome.Queued : SendOutcome.Dropped;
    }

    // There is no room for a message of this size, or for so many bytes more of the one at a place that is kept.
    private SendOutcome ApplyPolicy(int size, bool mayWait, int keepPending = -1, int keepBehind = -1)
    {
        switch (Policy)
        {
            case SlowClientPolicy.Wait when mayWait:
                return SendOutcome.MustWait;
            case SlowClientPolicy.DropOldest when TryMakeRoom(size, keepPending, keepBehind):
                return SendOutcome.Queued;
            case SlowClientPolicy.Disconnect:
                Slow.Drop(1);
                return SendOutcome.TooSlow;
            default:
                Slow.Drop(1);
                return SendOutcome.Dropped;
        }
    }

    // Drops the oldest messages until a message of this size fits. If it is too large for that, it goes alone, as on an idle transport. False when other frames
    // take the room; then nothing is dropped.
    private bool TryMakeRoom(int size, int keepPending, int keepBehind)
    {
        long excess = Counted + size - _limit;
        int messages = _outgoing.Pending.MessageLength + (_turn?.Behind.MessageLength ?? 0);
        if (excess > messages && Buffered - _outgoing.BytesInFlight - messages > _limit / 2)
            return false;
        int dropped = _outgoing.Pending.DropOldest(ref excess, keepPending);
        if (_turn is not null)
            dropped += _turn.Behind.DropOldest(ref excess, keepBehind);
        if (dropped > 0)
            Slow.Drop(dropped);
        return true;
    }

    private SendOutcome Replace(ref PendingFrames holder, int place, bool isBehind, ReadOnlySpan<byte> frame, ReadOnlySpan<byte> plain, int payloadLength)
    {
        ReadOnlySpan<byte> old = holder.At(place);
        // A compressed message is in the client's window from its place on. Messages behind an uncompressed one may refer to messages before it, at distances
        // that do not count it.
        if (!FrameHeaderWriter.IsCompressed(old))
            frame = plain;
        int more = frame.Length - old.Length;
        if (more > 0 && !FitsLimit(more))
        {
            SendOutcome outcome = ApplyPolicy(more, mayWait: false, isBehind ? -1 : place, isBehind ? place : -1);
            if (!outcome.IsAccepted)
                return outcome;
        }

        holder.Replace(place, frame);
        CountMessage(payloadLength);
        Slow.Replace();
        return SendOutcome.Replaced;
    }

    // Outside the lock.
    private SendOutcome Refuse(SendOutcome outcome)
    {
        if (outcome != SendOutcome.TooSlow)
            return outcome;
        listener?.ReadsTooSlowly();
        return SendOutcome.Closed;
    }

    private SendOutcome Admit(SendKind kind, int size)
    {
        if (IsClosed)
            return SendOutcome.Closed;
        SendOutcome accepted = IsDraining ? SendOutcome.Queued : SendOutcome.Sent;
        return kind switch
        {
            SendKind.Message => Admit(size, mayWait: true),
            SendKind.Turn => _turn is null && _line is not { IsEmpty: false } ? accepted : SendOutcome.MustWait,
            // Fragments must not wait for the line: the line may be waiting for their end.
            _ => !IsDraining || FitsLimit(size) ? accepted : SendOutcome.MustWait,
        };
    }

    // Whether the first sender in line can be admitted while no write is in flight. If nothing is pending, a message larger than the limit is admitted as well.
    private bool CanAdmit(WaitingSend first) => first.Kind switch
    {
        SendKind.Message => (_turn is null && _outgoing.Pending.IsEmpty) || FitsLimit(first.Frame.Length),
        SendKind.Turn => _turn is null,
        _ => _outgoing.Pending.IsEmpty || FitsLimit(first.Frame.Length),
    };

    private bool FitsLimit(int size) => Counted + size <= _limit;

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

        WaitingSend? waiting;
        SendOutcome outcome;
        bool drain;
        using (SendGate.Scope gate = _gate.Enter())
        {
            outcome = Admit(kind, frame.Length);
            if (outcome == SendOutcome.MustWait)
            {
                waiting = TryWait(kind, frame, payloadLength);
                goto Waits;
            }

            if (!outcome.IsAccepted)
                goto Refused;
            Append(kind, frame.Span, payloadLength);
            if (kind == SendKind.Message && outcome == SendOutcome.Queued && DropsOldest)
                Messages.MarkLast(frame.Length, key: null, budget);
            drain = BecomesDrainer(frame.Length, gate.Cork);
        }

        if (drain)
            Drain();
        return outcome == SendOutcome.Sent ? Sent : Queued;
    Refused:
        return Refuse(outcome) == SendOutcome.Closed ? Closed : Dropped;
    Waits:
        // Callers that do not await their sends ignore back-pressure, so the line has a limit.
        if (waiting is null)
            return LineFull;
        waiting.CancelWith(cancellationToken); // not inside the lock: a token that is cancelled already withdraws the sender at once
        return waiting.Task;
    }

    // Inside the lock. Null if the line is full.
    private WaitingSend? TryWait(SendKind kind, ReadOnlyMemory<byte> frame, long payloadLength)
    {
        if (kind != SendKind.Turn)
            Slow.Begin();
        _line ??= new WaitingLine(budget, _limit);
        if (!_line.HasRoom(kind, frame.Length))
        {
            // The callers may not see the exception either.
            if (kind == SendKind.Message)
                Slow.Drop(1);
            return null;
        }

        var sender = new WaitingSend(this, kind, frame, payloadLength);
        _line.Add(sender);
        return sender;
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

    // Inside the lock, after a whole message was appended.
    private void Accepted(SendOutcome outcome, int size, int payloadLength)
    {
        CountMessage(payloadLength);
        if (outcome == SendOutcome.Queued && DropsOldest)
            Messages.MarkLast(size, key: null, budget);
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
    private bool BecomesDrainer(int size, Cork? cork)
    {
        if (IsDraining || _outgoing.Pending.IsEmpty)
            return false;
        if (_outgoing.Pending.Length < Math.Min(Cork.QueueLimit, DropsOldest ? _limit / 2 : _limit) && cork is not null && cork.TryHoldBack(this, ref _cork, size))
            return false;
        return _outgoing.TryBeginDrain();
    }

    private bool BeginsToDrain() => _failure is null && _outgoing.TryBeginDrain();

    private void Drain() => _ = Drainer.DrainAsync(this, transport, default);

    private SendOutcome TrySendLarge(Opcode opcode, ReadOnlySpan<byte> payload, bool mayWait)
    {
        int size = SizeOf(payload.Length);
        SendOutcome outcome;
        bool drain, writeThrough;
        using (SendGate.Scope gate = _gate.Enter())
        {
            outcome = Admit(size, mayWait);
            if (!outcome.IsAccepted)
                goto Refused;
            writeThrough = outcome == SendOutcome.Sent && _outgoing.Pending.IsEmpty;
            if (writeThrough)
                _outgoing.BeginDrain(size);
            else
                Messages.Append(opcode, payload);
            Accepted(outcome, size, payload.Length);
            drain = BecomesDrainer(size, gate.Cork);
        }

        if (drain)
            Drain();
        if (writeThrough)
            WriteThroughAndDrain(opcode, payload);
        return outcome;
    Refused:
        return Refuse(outcome);
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
