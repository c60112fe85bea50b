using System.Buffers;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The frames of a message that is sent to anyone at any time: one as it is, and a compressed one for each negotiated window size. Thread-safe.
/// <para>Invariants: its memory never changes and belongs to no pool. The first sender that needs a compressed frame makes it, within the limits of its own server; it is kept from then on. While
/// the limit of concurrent compressions is reached the message goes uncompressed, and the next sender tries again.</para>
/// </summary>
internal sealed class PreparedFrames
{
    private readonly byte[] _plain;
    private readonly Lock _compressing = new();
    private byte[]?[]? _byWindow; // by window size, the smallest first; null before the first attempt, empty if compression saves nothing

    private PreparedFrames(Opcode opcode, byte[] plain, int payloadLength, bool compress)
    {
        _plain = plain;
        Opcode = opcode;
        PayloadLength = payloadLength;
        IsCompressed = compress;
    }

    public Opcode Opcode { get; }

    public int PayloadLength { get; }

    /// <summary>Whether it may be compressed.</summary>
    public bool IsCompressed { get; }

    /// <summary>The uncompressed frame.</summary>
    public ReadOnlyMemory<byte> Plain => _plain;

    public ReadOnlySpan<byte> Payload => _plain.AsSpan(_plain.Length - PayloadLength);

    /// <summary>A message with a copy of this payload.</summary>
    public static PreparedFrames Of(Opcode opcode, ReadOnlySpan<byte> payload, bool compress) => new(opcode, SendQueue.ToFrame(opcode, payload), payload.Length, compress);

    /// <summary>A message whose payload is written into it.</summary>
    public static PreparedFrames Of<TState>(Opcode opcode, int payloadLength, bool compress, TState state, SpanAction<byte, TState> write)
    {
        byte[] plain = new byte[SendQueue.SizeOf(payloadLength)];
        write(plain.AsSpan(FrameHeaderWriter.Write(plain, opcode, payloadLength)), state);
        return new PreparedFrames(opcode, plain, payloadLength, compress);
    }

    /// <summary>Sends the message to one client if there is room. Never waits.</summary>
    public SendOutcome TrySendTo(SendQueue queue, MessageCompressor? compressor) =>
        IsCompressed && compressor is not null && compressor.Takes(PayloadLength) && CompressedBy(compressor, wait: false) is { IsEmpty: false } frame
            && compressor.TrySendShared(frame.Span, PayloadLength, out SendOutcome outcome)
            ? outcome
            : queue.TrySendLasting(_plain, PayloadLength);

    /// <summary>Sends the message to one client, and waits in line while there is no room: then <paramref name="waiting"/> is not null.</summary>
    public SendOutcome SendTo(SendQueue queue, MessageCompressor? compressor, CancellationToken cancellationToken, out Task<SendOutcome>? waiting) =>
        IsCompressed && compressor is not null && compressor.Takes(PayloadLength) && CompressedBy(compressor, wait: true) is { IsEmpty: false } frame
            ? compressor.SendLasting(frame, PayloadLength, cancellationToken, out waiting)
            : queue.SendLasting(_plain, PayloadLength, cancellationToken, out waiting);

    /// <summary>The frame for clients with the window of this one. Empty if the message goes to it uncompressed.</summary>
    /// <param name="compressor">Compresses the message if that was not done before.</param>
    /// <param name="wait">Whether to wait for another thread that compresses it now.</param>
    public ReadOnlyMemory<byte> CompressedBy(MessageCompressor compressor, bool wait)
    {
        byte[]?[] byWindow = Volatile.Read(ref _byWindow) ?? MakeWindows();
        ref byte[]? frame = ref byWindow[compressor.WindowBits - PerMessageDeflateParameters.MinWindowBits];
        if (Volatile.Read(ref frame) is { } kept)
            return kept;
        if (wait)
            _compressing.Enter();
        else if (!_compressing.TryEnter())
            return default;
        var buffer = new PooledBuffer(ArrayPool<byte>.Shared);
        try
        {
            if (frame is null && compressor.TryCompress(Opcode, Payload, ref buffer, out ReadOnlyMemory<byte> made))
                Volatile.Write(ref frame, made.ToArray());
            return frame;
        }
        finally
        {
            _compressing.Exit();
            buffer.Release();
        }
    }

    private byte[]?[] MakeWindows()
    {
        var mine = new byte[]?[PerMessageDeflateParameters.MaxWindowBits - PerMessageDeflateParameters.MinWindowBits + 1];
        return Interlocked.CompareExchange(ref _byWindow, mine, null) ?? mine;
    }
}
