using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Compresses the messages for one client that agreed on permessage-deflate, and appends them to its <see cref="SendQueue"/>. Thread-safe.
/// <para>Invariant of context takeover: a compressed message refers to the messages before it, so all of them reach the client in the order in which they were
/// compressed. A lock around compressing and appending keeps this order. After a message that may yet be cancelled, that was compressed for several clients,
/// or that has passed one that waits for its turn, the context is reset: the next message refers to nothing.</para>
/// </summary>
internal sealed class MessageCompressor(SendQueue queue, PerMessageDeflateParameters agreed, CompressionSettings settings, MemoryBudget budget) : IDisposable
{
    private readonly Lock? _order = agreed.ServerNoContextTakeover ? null : new Lock();
    private MessageDeflater? _context; // made for the first message that is compressed; guarded by _order
    private volatile bool _ended;

    /// <summary>The window size that was agreed on for the server. Clients with the same size can share a compressed message.</summary>
    public int WindowBits => agreed.ServerMaxWindowBits;

    /// <summary>Bytes of the context that is kept between messages. From any thread.</summary>
    public int HeldBytes => Volatile.Read(ref _context) is null ? 0 : MemoryBudget.DeflaterSize;

    /// <summary>Whether a message of this many bytes is worth compressing.</summary>
    public bool Takes(int length) => length >= settings.MinMessageSize;

    /// <summary>Sends a message if there is room. Never waits.</summary>
    public SendOutcome TrySend(Opcode opcode, ReadOnlySpan<byte> payload) => Send(opcode, payload, wait: false, default, out _);

    /// <summary>Sends a message, and waits in line while there is no room. The payload is not used after the call returns.</summary>
    public Task<SendOutcome> SendAsync(Opcode opcode, ReadOnlySpan<byte> payload, CancellationToken cancellationToken)
    {
        SendOutcome outcome = Send(opcode, payload, wait: true, cancellationToken, out Task<SendOutcome>? waiting);
        return waiting ?? Task.FromResult(outcome);
    }

    /// <summary>
    /// Sends a message that was compressed for several clients and refers to no other. Never waits. False while another message is being compressed for this
    /// client: then the caller sends the message uncompressed.
    /// </summary>
    /// <param name="frame">The whole frame.</param>
    /// <param name="payloadLength">The length of the message before it was compressed.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="key">The key of a message that replaces a pending one: see <see cref="SendQueue.TrySendLatest"/>. Null for none.</param>
    /// <param name="plain">The same message uncompressed, if it has a key.</param>
    public bool TrySendShared(ReadOnlySpan<byte> frame, int payloadLength, out SendOutcome outcome, string? key = null, ReadOnlySpan<byte> plain = default)
    {
        if (_order is null)
        {
            outcome = key is null ? queue.TrySendFrame(frame, payloadLength) : queue.TrySendLatest(key, frame, plain, payloadLength);
            return true;
        }

        outcome = default;
        if (!_order.TryEnter())
            return false;
        try
        {
            // The client's window now contains this message and our context does not, so later messages must not refer to earlier ones.
            _context?.Reset();
            outcome = key is null ? queue.TrySendFrame(frame, payloadLength) : queue.TrySendLatest(key, frame, plain, payloadLength);
            return true;
        }
        finally
        {
            Leave(_order);
        }
    }

    /// <summary>
    /// Sends a message that was compressed for several clients, refers to no other, and whose frame never changes. Waits in line while there is no room: then <paramref name="waiting"/> is not
    /// null. It also waits for another message that is being compressed for this client.
    /// </summary>
    public SendOutcome SendLasting(ReadOnlyMemory<byte> frame, int payloadLength, CancellationToken cancellationToken, out Task<SendOutcome>? waiting)
    {
        if (_order is null)
            return queue.SendLasting(frame, payloadLength, cancellationToken, out waiting);
        _order.Enter();
        try
        {
            // As in TrySendShared. Where the message waits in line, those behind it wait too, each with a reset of its own.
            _context?.Reset();
            return queue.SendLasting(frame, payloadLength, cancellationToken, out waiting);
        }
        finally
        {
            Leave(_order);
        }
    }

    /// <summary>
    /// Gets the turn for a message in fragments: see <see cref="SendQueue.BeginFragmentsAsync"/>. The compressor of <see cref="BeginMessage"/> compresses the
    /// fragments, without reference to other messages.
    /// </summary>
    public Task<SendOutcome> BeginFragmentsAsync(CancellationToken cancellationToken)
    {
        if (_order is null)
            return queue.BeginFragmentsAsync(cancellationToken);
        _order.Enter();
        try
        {
            // The client's window will contain this message before those that are compressed from now on, and our context will not.
            _context?.Reset();
            return queue.BeginFragmentsAsync(cancellationToken);
        }
        finally
        {
            Leave(_order);
        }
    }

    /// <summary>A compressor for one message in fragments, or null while the limit of concurrent compressions is reached. <see cref="EndMessage"/> follows.</summary>
    public MessageDeflater? BeginMessage() =>
        settings.Limits.TryBeginCompression() ? new MessageDeflater(settings.Level, contextTakeover: false, WindowBits) : null;

    public void EndMessage(MessageDeflater deflater)
    {
        deflater.Dispose();
        settings.Limits.EndCompression();
    }

    /// <summary>
    /// The connection is over: nothing more is compressed for it. A thread that still compresses a message disposes of the context when it is done.
    /// </summary>
    public void Dispose()
    {
        _ended = true;
        Interlocked.MemoryBarrier(); // the thread that holds the lock now reads _ended after it has released the lock
        if (_order is not null && _order.TryEnter())
            Leave(_order);
    }

    /// <summary>
    /// Writes a message as one compressed frame that refers to no other. Empty if that saves nothing, or while the limit of concurrent compressions is reached.
    /// </summary>
    public ReadOnlyMemory<byte> Compress(Opcode opcode, ReadOnlySpan<byte> payload, ref PooledBuffer buffer)
    {
        TryCompress(opcode, payload, ref buffer, out ReadOnlyMemory<byte> frame);
        return frame;
    }

    /// <summary>The same for a caller that keeps the frame, which is empty if compression saves nothing. False while the limit of concurrent compressions is reached.</summary>
    public bool TryCompress(Opcode opcode, ReadOnlySpan<byte> payload, ref PooledBuffer buffer, out ReadOnlyMemory<byte> frame)
    {
        using var deflater = new MessageDeflater(settings.Level, contextTakeover: false, WindowBits);
        frame = Compress(opcode, payload, deflater, ref buffer);
        if (frame.IsEmpty)
            return false;
        if (frame.Length >= SendQueue.SizeOf(payload.Length))
            frame = default;
        return true;
    }

    private SendOutcome Send(Opcode opcode, ReadOnlySpan<byte> payload, bool wait, CancellationToken cancellationToken, out Task<SendOutcome>? waiting)
    {
        waiting = null;
        // Do not compress a message that would be refused.
        if (queue.Refuses(mayWait: wait, out SendOutcome refused))
            return refused;

        var buffer = new PooledBuffer(budget.Pool);
        try
        {
            if (_order is null)
                return Send(Compress(opcode, payload, ref buffer), opcode, payload, wait, cancellationToken, out waiting);
            if (wait)
                _order.Enter();
            else if (!_order.TryEnter())
                return queue.TrySend(opcode, payload); // an uncompressed message does not enter the window, so it may pass the one that is being compressed
            try
            {
                return SendInContext(ref buffer, opcode, payload, wait, cancellationToken, out waiting);
            }
            finally
            {
                Leave(_order);
            }
        }
        finally
        {
            buffer.Release();
        }
    }

    // After the end, the last thread that leaves the lock disposes of the context.
    private void Leave(Lock order)
    {
        order.Exit();
        if (!_ended || !order.TryEnter())
            return;
        if (_context is { } context)
        {
            context.Dispose();
            _context = null;
            budget.Count(-MemoryBudget.DeflaterSize);
        }

        order.Exit();
    }

    private SendOutcome SendInContext(
        ref PooledBuffer buffer, Opcode opcode, ReadOnlySpan<byte> payload, bool wait, CancellationToken cancellationToken, out Task<SendOutcome>? waiting)
    {
        waiting = null;
        if (_ended)
            return SendOutcome.Closed;
        var outcome = SendOutcome.Closed;
        // A message in fragments that waits for its turn comes between this message and the next. No other one begins to wait while this thread has the lock.
        bool passesFragments = queue.HasWaiting;
        MessageDeflater context = _context ?? MakeContext();
        try
        {
            outcome = Send(Compress(opcode, payload, context, ref buffer), opcode, payload, wait, cancellationToken, out waiting);
        }
        finally
        {
            // A message that waits in line may be cancelled; then it never reaches the client.
            if (!outcome.IsAccepted || passesFragments)
                context.Reset();
        }

        return outcome;
    }

    private MessageDeflater MakeContext()
    {
        var context = new MessageDeflater(settings.Level, contextTakeover: true, WindowBits);
        Volatile.Write(ref _context, context);
        budget.Count(MemoryBudget.DeflaterSize);
        return context;
    }

    private SendOutcome Send(
        ReadOnlyMemory<byte> frame, Opcode opcode, ReadOnlySpan<byte> payload, bool wait, CancellationToken cancellationToken, out Task<SendOutcome>? waiting)
    {
        SendOutcome outcome = frame.IsEmpty ? queue.TrySend(opcode, payload, wait) : queue.TrySendFrame(frame.Span, payload.Length, wait);
        waiting = outcome == SendOutcome.MustWait
            ? queue.WaitAndSendFrameAsync(frame.IsEmpty ? SendQueue.ToFrame(opcode, payload) : frame.ToArray(), payload.Length, cancellationToken)
            : null;
        return outcome;
    }

    private ReadOnlyMemory<byte> Compress(Opcode opcode, ReadOnlySpan<byte> payload, MessageDeflater deflater, ref PooledBuffer buffer)
    {
        if (!settings.Limits.TryBeginCompression())
            return default;
        try
        {
            // Leave room for the header: the length is known only afterwards.
            buffer.GetSpan(FrameHeaderWriter.MaxSize);
            buffer.Advance(FrameHeaderWriter.MaxSize);
            deflater.Deflate(payload, ref buffer);
        }
        finally
        {
            settings.Limits.EndCompression();
        }

        return FrameHeaderWriter.WriteBefore(buffer.Written, opcode, rsv1: true);
    }
}
