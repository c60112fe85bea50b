using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Scheduling;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>What became of a message that was offered to a <see cref="SendQueue"/>.</summary>
internal enum SendOutcome
{
    Accepted,

    /// <summary>The queue is full; nothing was appended.</summary>
    Full,

    /// <summary>The queue is full, and so is the line of those who wait for room; nothing was appended.</summary>
    LineFull,

    /// <summary>A Close frame was sent or the connection is lost; nothing was appended.</summary>
    Closed,
}

/// <summary>
/// The way out of one connection. Any thread appends frames to one buffer; whoever finds nobody draining becomes the drainer, and writes the
/// gathered bytes to the transport in one call while others go on appending to a second buffer.
/// <para>A message that is sent in fragments has the turn until its last one; what others send meanwhile is kept behind it.</para>
/// <para>Invariants: at most one drainer; the order of appending is the order on the wire; nothing follows a Close frame; while nobody drains
/// and nothing is gathered, both buffers are given back; the first failure refuses everything after it; no code of the host runs inside the gate.</para>
/// </summary>
internal sealed class SendQueue(TransportConnection transport, int limit, MemoryBudget budget)
{
    /// <summary>What one message may hold at most, so that sizes stay far from overflow.</summary>
    public const int MaxPayload = 1 << 30;

    // What a cork holds back at most: past this, waiting for more to gather saves no more calls.
    private const int CorkLimit = 64 * 1024;

    // What one write hands to the transport at most: a write that has ended is how the keep-alive sees that a slow peer still reads.
    public const int WriteLimit = 256 * 1024;

    // A payload of this size, with nothing before it, is written from where it lies as far as the transport takes it at once: to copy it would cost more
    // than a second call does. As much of it is copied behind its header, so that the two leave together.
    private const int WriteThroughSize = 64 * 1024;

    // What may stand in line at least, where the queue itself is small.
    private const int SmallestLine = 64 * 1024;

    // What one that stands in line takes beside its bytes.
    private const int WaitingSize = 256;

    // How often a sender writes what others appended meanwhile, before it leaves that to the thread pool.
    private const int RoundsBeforeYield = 16;

    private static readonly Task<SendOutcome> Accepted = Task.FromResult(SendOutcome.Accepted);
    private static readonly Task<SendOutcome> LineFull = Task.FromResult(SendOutcome.LineFull);
    private static readonly Task<SendOutcome> Closed = Task.FromResult(SendOutcome.Closed);

    private readonly Lock _gate = new();

    // All below is guarded by _gate, but for _sending, which belongs to the drainer while there is one.
    private PooledBuffer _filling = new(budget.Pool);
    private PooledBuffer _sending = new(budget.Pool);
    private PooledBuffer _latestPong = new(budget.Pool);    // a whole frame, held while the transport is busy: the newest one only
    private MessagesBehind? _behind;                 // not null exactly while a message that is sent in fragments has the turn
    private LinkedList<WaitingPart>? _waiting;       // not empty only while the queue is full or the turn is taken: all after it stand in line
    private int _waitingBytes;                       // of all that stands there
    private TaskCompletionSource? _drained;          // somebody waits for the queue to be empty
    private bool _draining;
    private int _inFlight;                           // bytes in _sending
    private Cork? _cork;                             // of the thread that will flush what it gathered here
    private bool _ended;                             // a Close frame was appended, or none will be
    private Exception? _failure;

    private enum Part : byte
    {
        /// <summary>A whole message.</summary>
        Message,

        /// <summary>The turn to send a message in fragments. It has no bytes.</summary>
        Turn,

        Fragment,
        LastFragment,
    }

    /// <summary>Bytes accepted and not yet taken by the transport. A snapshot.</summary>
    public int BufferedBytes
    {
        get
        {
            lock (_gate)
                return Gathered + _inFlight;
        }
    }

    /// <summary>Bytes of memory that it holds, those that stand in line included. From any thread.</summary>
    public long HeldBytes => (long)_filling.Capacity + _sending.Capacity + (Volatile.Read(ref _behind)?.Frames.Capacity ?? 0) + Volatile.Read(ref _waitingBytes);

    /// <summary>Data messages accepted so far, and their payload bytes.</summary>
    public long MessagesSent { get; private set; }

    public long BytesSent { get; private set; }

    /// <summary>Whether the transport is still busy with a write.</summary>
    public bool IsDraining => Volatile.Read(ref _draining);

    /// <summary>Why the transport took no more, or null.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Appends a message if there is room. Never waits.</summary>
    public SendOutcome TrySend(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        if (payload.Length > WriteThroughSize)
            return TrySendLarge(opcode, payload);
        int size = FrameHeaderWriter.SizeFor(payload.Length) + payload.Length;
        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return SendOutcome.Closed;
            if (!HasRoom(size))
                return SendOutcome.Full;
            AppendMessage(opcode, payload);
            drain = BecomesDrainer(size);
        }

        if (drain)
            Drain();
        return SendOutcome.Accepted;
    }

    /// <summary>Appends a text message if there is room, encoding it where it will lie. Never waits.</summary>
    public SendOutcome TrySend(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        int size = SizeOf(length);
        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return SendOutcome.Closed;
            if (!HasRoom(size))
                return SendOutcome.Full;
            ref PooledBuffer buffer = ref ForMessages;
            Span<byte> frame = buffer.GetSpan(size);
            int header = FrameHeaderWriter.Write(frame, Opcode.Text, length);
            Encoding.UTF8.GetBytes(text, frame[header..]);
            buffer.Advance(size);
            CountMessage(length);
            drain = BecomesDrainer(size);
        }

        if (drain)
            Drain();
        return SendOutcome.Accepted;
    }

    /// <summary>Appends a message whose frame is ready: for many clients, or compressed. Never waits.</summary>
    /// <param name="frame">The whole frame.</param>
    /// <param name="payloadLength">The length of the message before it was compressed, if it was.</param>
    public SendOutcome TrySendFrame(ReadOnlySpan<byte> frame, int payloadLength)
    {
        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return SendOutcome.Closed;
            if (!HasRoom(frame.Length))
                return SendOutcome.Full;
            ForMessages.Append(frame);
            CountMessage(payloadLength);
            drain = BecomesDrainer(frame.Length);
        }

        if (drain)
            Drain();
        return SendOutcome.Accepted;
    }

    /// <summary>
    /// Stands in line until there is room; messages get in in the order in which they came. As many bytes as the queue holds, or 64 KiB, may stand there; who comes then gets
    /// <see cref="SendOutcome.LineFull"/>. Cancelled before it gets in, the message is not sent and the connection lives on. <paramref name="frame"/> must not change until the task has ended.
    /// </summary>
    public Task<SendOutcome> WaitAndSendFrameAsync(ReadOnlyMemory<byte> frame, int payloadLength, CancellationToken cancellationToken) =>
        WaitAndSendAsync(Part.Message, frame, payloadLength, cancellationToken);

    /// <summary>
    /// Takes the turn for a message whose length is not known yet; whoever gets it sends any number of fragments and then the last one, or takes the message back.
    /// It stands in line behind all who came before, and while it has the turn what others send is kept behind it.
    /// </summary>
    public Task<SendOutcome> BeginFragmentsAsync(CancellationToken cancellationToken) => WaitAndSendAsync(Part.Turn, default, 0, cancellationToken);

    /// <summary>Sends one fragment of the message that has the turn, when there is room. <paramref name="frame"/> must not change until the task has ended.</summary>
    public Task<SendOutcome> SendFragmentAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken) =>
        WaitAndSendAsync(Part.Fragment, frame, 0, cancellationToken);

    /// <summary>Sends the last fragment of the message that has the turn, and with it the turn is over.</summary>
    /// <param name="frame">The whole frame; it must not change until the task has ended.</param>
    /// <param name="payloadLength">The length of the whole message before it was compressed, if it was.</param>
    /// <param name="cancellationToken">Cancelled while it waits for room, the fragment is not sent and the turn goes on.</param>
    public Task<SendOutcome> SendLastFragmentAsync(ReadOnlyMemory<byte> frame, long payloadLength, CancellationToken cancellationToken) =>
        WaitAndSendAsync(Part.LastFragment, frame, payloadLength, cancellationToken);

    /// <summary>Ends the turn of a message of which no fragment was sent.</summary>
    public void TakeBackFragments()
    {
        lock (_gate)
        {
            EndTurn();
            if (_draining || IsClosed)
                return;
            _draining = true; // somebody may stand in line for the turn, so even if there is nothing to send
        }

        Drain();
    }

    /// <summary>What would become of the shortest message now: for those to whom it is work to make one.</summary>
    public SendOutcome Probe()
    {
        lock (_gate)
        {
            if (IsClosed)
                return SendOutcome.Closed;
            return HasRoom(SizeOf(0)) ? SendOutcome.Accepted : SendOutcome.Full;
        }
    }

    /// <summary>Appends bytes that are no frame: the answer to the handshake, before anything else. <see cref="Flush"/> sends them.</summary>
    public void AppendHandshake(ReadOnlySpan<byte> response)
    {
        lock (_gate)
            _filling.Append(response);
    }

    /// <summary>Sends a Ping unless the connection is closing. It waits for no room: at most one is under way.</summary>
    public void Ping(ReadOnlySpan<byte> payload)
    {
        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return;
            AppendFrame(Opcode.Ping, payload);
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
            // 5.5.3: an endpoint that "has not yet sent Pong frame(s) in response to previous Ping frame(s)" may
            // "elect to send a Pong frame for only the most recently processed Ping frame."
            if (_draining)
            {
                _latestPong.Clear();
                AppendFrame(ref _latestPong, Opcode.Pong, payload);
                return;
            }

            AppendFrame(Opcode.Pong, payload);
            drain = BecomesDrainer(payload.Length);
        }

        if (drain)
            Drain();
    }

    /// <summary>Sends a Close frame, the last one. False if one was sent before or the connection is lost.</summary>
    /// <param name="code">The close code.</param>
    /// <param name="reason">The close reason.</param>
    /// <param name="discard">Whether messages that the transport has not begun to take are thrown away, to give their memory back.</param>
    public bool Close(WebSocketCloseStatus code, string reason, bool discard = false)
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
                _filling.Empty();
            AppendFrame(Opcode.Close, payload);
            // 5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
            _ended = true;
            RefuseRest();
            drain = BeginsToDrain(); // no cork holds back what has nothing to follow
        }

        if (drain)
            Drain();
        return true;
    }

    /// <summary>Refuses everything from now on; what was accepted still goes. For a peer that has ended its side without a Close frame.</summary>
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

    /// <summary>Sends what was gathered, unless a drainer is at it.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            if (!BeginsToDrain())
                return;
        }

        Drain();
    }

    /// <summary>The cork that held back messages of its thread is pulled.</summary>
    public void FlushGathered()
    {
        lock (_gate)
        {
            _cork = null;
            if (!BeginsToDrain())
                return;
        }

        Drain();
    }

    /// <summary>Completes when all that was accepted has been taken by the transport, or the transport failed.</summary>
    public Task WhenDrained()
    {
        Flush(); // whoever waits must not wait for a cork, which may be its own
        lock (_gate)
            return _draining ? (_drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task : Task.CompletedTask;
    }

    /// <summary>Refuses everything from now on and lets go of what was gathered: the connection is over.</summary>
    public void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            RefuseRest();
            _latestPong.Release();
            // A drainer still writes from _sending; it releases both when it comes back.
            if (!_draining)
                Stop();
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

    private bool IsClosed => _ended || _failure is not null;

    private int Gathered => _behind is null ? _filling.Length : _filling.Length + _behind.Frames.Length;

    // Where whole messages are gathered: 5.4 "The fragments of one message MUST NOT be interleaved between the fragments of another message".
    private ref PooledBuffer ForMessages => ref _behind is null ? ref _filling : ref _behind.Frames;

    private bool HasRoom(int size)
    {
        if (_waiting is { Count: > 0 })
            return false;
        // The limit is about what piles up while the transport is busy, or behind fragments. Where nothing does, nothing is queued but what a cork holds
        // back, and that goes on its way with this message: see HoldsBack. So a message larger than the whole queue goes as well.
        return (!_draining && _behind is null) || (long)Gathered + _inFlight + size <= limit;
    }

    private bool HasRoom(Part part, int size) => part switch
    {
        Part.Message => HasRoom(size),
        Part.Turn => _behind is null && _waiting is not { Count: > 0 },
        // The line waits for the fragments, so they do not wait for the line.
        _ => !_draining || (long)Gathered + _inFlight + size <= limit,
    };

    private void Append(Part part, ReadOnlySpan<byte> frame, long payloadLength)
    {
        switch (part)
        {
            case Part.Message:
                ForMessages.Append(frame);
                CountMessage(payloadLength);
                break;
            case Part.Turn:
                _behind = new MessagesBehind { Frames = new PooledBuffer(budget.Pool) };
                break;
            case Part.Fragment:
                _filling.Append(frame);
                _behind!.HasBegun = true;
                break;
            case Part.LastFragment:
                _filling.Append(frame);
                CountMessage(payloadLength);
                EndTurn();
                break;
        }
    }

    private void EndTurn()
    {
        if (_behind is not { } behind)
            return; // the connection is over
        _filling.Append(behind.Frames.Written.Span);
        behind.Frames.Release();
        _behind = null;
    }

    // Whoever has the turn will be refused, but what was accepted behind it meanwhile has nothing in its way.
    private void EndTurnThatHasNotBegun()
    {
        if (_behind is { HasBegun: false })
            EndTurn();
    }

    private Task<SendOutcome> WaitAndSendAsync(Part part, ReadOnlyMemory<byte> frame, long payloadLength, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<SendOutcome>(cancellationToken);

        bool drain;
        lock (_gate)
        {
            if (IsClosed)
                return Closed;
            if (!HasRoom(part, frame.Length))
            {
                // Callers who do not wait for their messages would fill the memory.
                if (part is Part.Message or Part.Turn && _waitingBytes > 0 && (long)_waitingBytes + frame.Length + WaitingSize > Math.Max(limit, SmallestLine))
                    return LineFull;
                Wait(frame.Length + WaitingSize);
                var waiting = new WaitingPart(this, part, frame, payloadLength);
                _waiting ??= new LinkedList<WaitingPart>();
                if (part is Part.Fragment or Part.LastFragment)
                    _waiting.AddFirst(waiting.Place);
                else
                    _waiting.AddLast(waiting.Place);
                waiting.CancelWith(cancellationToken);
                return waiting.Task;
            }

            Append(part, frame.Span, payloadLength);
            drain = BecomesDrainer(frame.Length);
        }

        if (drain)
            Drain();
        return Accepted;
    }

    private void AppendMessage(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        AppendFrame(ref ForMessages, opcode, payload);
        CountMessage(payload.Length);
    }

    private void AppendFrame(Opcode opcode, ReadOnlySpan<byte> payload) => AppendFrame(ref _filling, opcode, payload);

    private static void AppendFrame(ref PooledBuffer buffer, Opcode opcode, ReadOnlySpan<byte> payload)
    {
        Span<byte> frame = buffer.GetSpan(FrameHeaderWriter.MaxSize + payload.Length);
        int header = FrameHeaderWriter.Write(frame, opcode, payload.Length);
        payload.CopyTo(frame[header..]);
        buffer.Advance(header + payload.Length);
    }

    private void CountMessage(long payloadLength)
    {
        MessagesSent++;
        BytesSent += payloadLength;
    }

    // True when the caller, who has appended this many bytes, has to drain.
    private bool BecomesDrainer(int size)
    {
        if (_draining || _filling.IsEmpty || HoldsBack(size))
            return false;
        return _draining = true;
    }

    // Where another thread's cork holds something back, that leaves with this message: nobody waits for a thread that may be blocked.
    private bool HoldsBack(int size)
    {
        if (Cork.Current is not { } cork || (_cork is not null && _cork != cork) || _filling.Length >= Math.Min(CorkLimit, limit))
            return false;
        if (_cork is null)
        {
            cork.Add(this);
            _cork = cork;
        }

        cork.Gathered(size);
        return true;
    }

    private SendOutcome TrySendLarge(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        int size = SizeOf(payload.Length);
        bool drain, writeThrough;
        lock (_gate)
        {
            if (IsClosed)
                return SendOutcome.Closed;
            if (!HasRoom(size))
                return SendOutcome.Full;
            writeThrough = !_draining && _behind is null && _filling.IsEmpty;
            if (writeThrough)
            {
                (_draining, _inFlight) = (true, size);
                CountMessage(payload.Length);
            }
            else
            {
                AppendMessage(opcode, payload);
            }

            drain = !writeThrough && BecomesDrainer(size);
        }

        if (drain)
            Drain();
        if (!writeThrough)
            return SendOutcome.Accepted;
        try
        {
            _ = DrainAsync(WriteThrough(opcode, payload));
        }
        catch (Exception failure)
        {
            DrainFailed(failure);
        }

        return SendOutcome.Accepted;
    }

    // Called by the drainer alone. Gives back what the transport did not take at once, copied.
    private ReadOnlyMemory<byte> WriteThrough(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        Span<byte> begin = _sending.GetSpan(FrameHeaderWriter.MaxSize + WriteThroughSize);
        int header = FrameHeaderWriter.Write(begin, opcode, payload.Length);
        payload[..WriteThroughSize].CopyTo(begin[header..]);
        _sending.Advance(header + WriteThroughSize);
        payload = payload[WriteThroughSize..];

        int taken = transport.TryWrite(_sending.Written.Span);
        bool takesAll = taken == _sending.Length;
        while (takesAll && !payload.IsEmpty)
        {
            ReadOnlySpan<byte> piece = payload[..Math.Min(payload.Length, WriteLimit)];
            int count = transport.TryWrite(piece);
            payload = payload[count..];
            takesAll = count == piece.Length;
        }

        _sending.Append(payload);
        return _sending.Written[taken..];
    }

    private bool BeginsToDrain()
    {
        if (_draining || _filling.IsEmpty || _failure is not null)
            return false;
        return _draining = true;
    }

    private void Drain() => _ = DrainAsync(default);

    // Ends synchronously, and allocates nothing, as long as the transport takes the bytes at once.
    private async Task DrainAsync(ReadOnlyMemory<byte> rest)
    {
        try
        {
            for (int round = 1; !rest.IsEmpty || TakeGathered(out rest); round++)
            {
                while (!rest.IsEmpty)
                {
                    int count = Math.Min(rest.Length, WriteLimit);
                    await transport.WriteAsync(rest[..count]).ConfigureAwait(false);
                    rest = rest[count..];
                    Wrote(rest.Length);
                }

                // The sender that drains for everybody must get back to its own work.
                if (round % RoundsBeforeYield == 0)
                    await Turn.ToOthers;
            }
        }
        catch (Exception failure)
        {
            DrainFailed(failure);
        }
    }

    private void Wrote(int left)
    {
        if (left == 0)
            return; // TakeGathered is next
        lock (_gate)
            _inFlight = left;
    }

    private void DrainFailed(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            RefuseRest();
            Stop();
        }

        // The receive loop finds out by the end of its input.
        transport.Abort();
    }

    // Makes what was gathered the next bytes to send; false when there is none, and then nobody drains any more.
    private bool TakeGathered(out ReadOnlyMemory<byte> gathered)
    {
        lock (_gate)
        {
            Debug.Assert(_draining, "Only the drainer takes.");
            _sending.Clear();
            _inFlight = 0;

            if (!_latestPong.IsEmpty && !IsClosed)
                _filling.Append(_latestPong.Written.Span);
            _latestPong.Release();
            AdmitWaiting();

            if (_filling.IsEmpty || _failure is not null)
            {
                Stop();
                gathered = default;
                return false;
            }

            (_filling, _sending) = (_sending, _filling);
            _inFlight = _sending.Length;
            gathered = _sending.Written;
            return true;
        }
    }

    private void Stop()
    {
        _draining = false;
        _inFlight = 0;
        _filling.Release();
        _sending.Release();
        _latestPong.Release();
        _drained?.SetResult();
        _drained = null;
    }

    private void AdmitWaiting()
    {
        while (_waiting?.First is { Value: var first } && Admits(first))
        {
            // First of all, for it may find no memory: then the part is still in the line, and is refused with the rest of it.
            Append(first.Part, first.Frame.Span, first.PayloadLength);
            Leave(first);
            first.End(SendOutcome.Accepted);
        }
    }

    // Called when nothing is in flight. One that is larger than the whole queue gets in when nothing else is in its way.
    private bool Admits(WaitingPart first)
    {
        bool isAlone = first.Part switch
        {
            Part.Message => _behind is null && _filling.IsEmpty,
            Part.Turn => _behind is null,
            _ => _filling.IsEmpty,
        };
        return isAlone || (first.Part != Part.Turn && (long)Gathered + first.Frame.Length <= limit);
    }

    private void Leave(WaitingPart waiting)
    {
        _waiting!.Remove(waiting.Place);
        Wait(-waiting.Frame.Length - WaitingSize);
    }

    private void Wait(int bytes)
    {
        _waitingBytes += bytes;
        budget.Count(bytes);
    }

    private void RefuseRest()
    {
        while (_waiting?.First is { Value: var first })
        {
            Leave(first);
            first.End(SendOutcome.Closed);
        }

        // No whole message can follow a message that was begun and will not be finished.
        _behind?.Frames.Release();
        _behind = null;
    }

    private sealed class MessagesBehind
    {
        public PooledBuffer Frames;
        public bool HasBegun; // a fragment was sent
    }

    private sealed class WaitingPart : TaskCompletionSource<SendOutcome>
    {
        private readonly SendQueue _queue;
        private CancellationTokenRegistration _cancellation;

        public WaitingPart(SendQueue queue, Part part, ReadOnlyMemory<byte> frame, long payloadLength)
            : base(TaskCreationOptions.RunContinuationsAsynchronously)
        {
            _queue = queue;
            Part = part;
            Frame = frame;
            PayloadLength = payloadLength;
            Place = new LinkedListNode<WaitingPart>(this);
        }

        public Part Part { get; }

        public ReadOnlyMemory<byte> Frame { get; }

        public long PayloadLength { get; }

        public LinkedListNode<WaitingPart> Place { get; }

        public void CancelWith(CancellationToken token) =>
            _cancellation = token.UnsafeRegister(static (part, token) => ((WaitingPart)part!).Cancel(token), this);

        public void End(SendOutcome outcome)
        {
            // Unregister does not wait for a callback that is waiting for the gate.
            _cancellation.Unregister();
            TrySetResult(outcome);
        }

        private void Cancel(CancellationToken token)
        {
            lock (_queue._gate)
            {
                if (Place.List is null)
                    return; // it got in before
                _queue.Leave(this);
                if (!_queue._draining)
                    _queue.AdmitWaiting(); // those behind it that have waited for nothing else
            }

            TrySetCanceled(token);
        }
    }
}
