using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Compresses what goes into the <see cref="SendQueue"/> of one client that agreed on permessage-deflate. Thread-safe.
/// <para>With context takeover a compressed message refers to those before it, so all of them must reach the client, in the order of compressing. The order is
/// kept by a lock around compressing and appending; a message that may yet be cancelled, or that was compressed elsewhere, is followed by one that refers to nothing.</para>
/// </summary>
internal sealed class MessageCompressor(SendQueue queue, PerMessageDeflateParameters agreed, CompressionSettings settings, MemoryBudget budget) : IDisposable
{
    private readonly Lock? _order = agreed.ServerNoContextTakeover ? null : new Lock();
    private MessageDeflater? _context; // kept between messages, under _order; made for the first that is compressed
    private volatile bool _ended;

    /// <summary>The window that was agreed on for the server. Clients with the same one can share a compressed message.</summary>
    public int WindowBits => agreed.ServerMaxWindowBits;

    /// <summary>Bytes that the compressor takes which is kept between messages. From any thread.</summary>
    public int HeldBytes => Volatile.Read(ref _context) is null ? 0 : MemoryBudget.DeflaterSize;

    /// <summary>Whether a message of this many bytes is worth compressing.</summary>
    public bool Takes(int length) => length >= settings.MinMessageSize;

    /// <summary>Sends a message if there is room. Never waits.</summary>
    public SendOutcome TrySend(Opcode opcode, ReadOnlySpan<byte> payload) => Send(opcode, payload, wait: false, default, out _);

    /// <summary>Sends a message, and stands in line while there is no room. The payload is used before the call returns.</summary>
    public Task<SendOutcome> SendAsync(Opcode opcode, ReadOnlySpan<byte> payload, CancellationToken cancellationToken)
    {
        SendOutcome outcome = Send(opcode, payload, wait: true, cancellationToken, out Task<SendOutcome>? waiting);
        return waiting ?? Task.FromResult(outcome);
    }

    /// <summary>
    /// Sends a message that was compressed for several clients, without reference to others. Never waits; false when that would be needed, because another message is being compressed
    /// for this client: it can have the message uncompressed.
    /// </summary>
    public bool TrySendShared(ReadOnlySpan<byte> frame, int payloadLength, out SendOutcome outcome)
    {
        if (_order is null)
        {
            outcome = queue.TrySendFrame(frame, payloadLength);
            return true;
        }

        outcome = default;
        if (!_order.TryEnter())
            return false;
        try
        {
            // The client takes it into its window, and our compressor knows nothing of it.
            _context?.Reset();
            outcome = queue.TrySendFrame(frame, payloadLength);
            return true;
        }
        finally
        {
            Leave(_order);
        }
    }

    /// <summary>
    /// Takes the turn for a message that is sent in fragments: see <see cref="SendQueue.BeginFragmentsAsync"/>. They are compressed by <see cref="BeginMessage"/>,
    /// without reference to other messages.
    /// </summary>
    public Task<SendOutcome> BeginFragmentsAsync(CancellationToken cancellationToken)
    {
        if (_order is null)
            return queue.BeginFragmentsAsync(cancellationToken);
        _order.Enter();
        try
        {
            // The client takes it into its window, between those before and those that are compressed from now on.
            _context?.Reset();
            return queue.BeginFragmentsAsync(cancellationToken);
        }
        finally
        {
            Leave(_order);
        }
    }

    /// <summary>A compressor for one message in fragments, or null while too much is being compressed already. <see cref="EndMessage"/> follows.</summary>
    public MessageDeflater? BeginMessage() =>
        settings.Limits.TryBeginCompression() ? new MessageDeflater(settings.Level, contextTakeover: false, WindowBits) : null;

    public void EndMessage(MessageDeflater deflater)
    {
        deflater.Dispose();
        settings.Limits.EndCompression();
    }

    /// <summary>The connection is over: nothing is compressed for it any more. Whoever still compresses gives the compressor back.</summary>
    public void Dispose()
    {
        _ended = true;
        Interlocked.MemoryBarrier(); // whoever holds the lock now looks at _ended when it leaves
        if (_order is not null && _order.TryEnter())
            Leave(_order);
    }

    /// <summary>Writes a message as one compressed frame that refers to no other. Empty if that is not worth it, or too much is being compressed already.</summary>
    public ReadOnlyMemory<byte> Compress(Opcode opcode, ReadOnlySpan<byte> payload, ref PooledBuffer buffer)
    {
        using var deflater = new MessageDeflater(settings.Level, contextTakeover: false, WindowBits);
        ReadOnlyMemory<byte> frame = Compress(opcode, payload, deflater, ref buffer);
        return frame.Length < SendQueue.SizeOf(payload.Length) ? frame : default;
    }

    private SendOutcome Send(Opcode opcode, ReadOnlySpan<byte> payload, bool wait, CancellationToken cancellationToken, out Task<SendOutcome>? waiting)
    {
        waiting = null;
        // To compress would be work for nothing.
        SendOutcome expected = queue.Probe();
        if (expected == SendOutcome.Closed || (expected == SendOutcome.Full && !wait))
            return expected;

        var buffer = new PooledBuffer(budget.Pool);
        try
        {
            if (_order is null)
                return Send(Compress(opcode, payload, ref buffer), opcode, payload, wait, cancellationToken, out waiting);
            if (wait)
                _order.Enter();
            else if (!_order.TryEnter())
                return queue.TrySend(opcode, payload); // what is not compressed does not enter the window, so its place in the order is free
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

    // Whoever leaves last after the end gives the compressor back.
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
        MessageDeflater context = _context ?? MakeContext();
        try
        {
            outcome = Send(Compress(opcode, payload, context, ref buffer), opcode, payload, wait, cancellationToken, out waiting);
        }
        finally
        {
            // While it stands in line it may be cancelled, and then the client never sees it.
            if (outcome != SendOutcome.Accepted)
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
        SendOutcome outcome = frame.IsEmpty ? queue.TrySend(opcode, payload) : queue.TrySendFrame(frame.Span, payload.Length);
        waiting = outcome == SendOutcome.Full && wait
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
            // The header tells the length, which is known only afterwards.
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
