using System.Buffers;
using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// A message on its way to many clients: a payload that is written into it, one that somebody else holds until all have got it, or a prepared message. It is compressed at most once for each
/// negotiated window size. Not thread-safe.
/// </summary>
internal sealed class SharedMessage : IDisposable
{
    private readonly Opcode _opcode;
    private readonly int _payloadLength;
    private readonly bool _compress;
    private readonly ArrayPool<byte> _pool;
    private readonly ReadOnlyMemory<byte> _held; // the payload, if somebody else holds it
    private readonly PreparedFrames? _prepared;
    private PooledBuffer _plain;
    private Compressed[]? _byWindow; // by window size, the smallest first; made for the first client with compression

    public SharedMessage(Opcode opcode, int payloadLength, bool compress, ArrayPool<byte> pool)
    {
        int size = SendQueue.SizeOf(payloadLength);
        _opcode = opcode;
        _payloadLength = payloadLength;
        _compress = compress;
        _pool = pool;
        _plain = new PooledBuffer(pool);
        FrameHeaderWriter.Write(_plain.GetSpan(size), opcode, payloadLength);
        _plain.Advance(size);
    }

    /// <summary>For a payload that somebody else holds, unchanged, until the last client has got it.</summary>
    public SharedMessage(Opcode opcode, ReadOnlyMemory<byte> payload, bool compress, ArrayPool<byte> pool)
        : this(opcode, compress, pool)
    {
        SendQueue.SizeOf(payload.Length); // too much is refused before anybody gets the message
        _payloadLength = payload.Length;
        _held = payload;
    }

    public SharedMessage(PreparedFrames prepared)
        : this(prepared.Opcode, prepared.IsCompressed, ArrayPool<byte>.Shared)
    {
        _payloadLength = prepared.PayloadLength;
        _prepared = prepared;
    }

    private SharedMessage(Opcode opcode, bool compress, ArrayPool<byte> pool)
    {
        _opcode = opcode;
        _compress = compress;
        _pool = pool;
        _plain = new PooledBuffer(pool);
    }

    /// <summary>A message with this text.</summary>
    public static SharedMessage Of(Opcode opcode, string text, bool compress)
    {
        var message = new SharedMessage(opcode, Encoding.UTF8.GetByteCount(text), compress, ArrayPool<byte>.Shared);
        Encoding.UTF8.GetBytes(text, message.Payload);
        return message;
    }

    /// <summary>A message with a copy of these bytes.</summary>
    public static SharedMessage Of(Opcode opcode, ReadOnlySpan<byte> payload, bool compress)
    {
        var message = new SharedMessage(opcode, payload.Length, compress, ArrayPool<byte>.Shared);
        payload.CopyTo(message.Payload);
        return message;
    }

    public Opcode Opcode => _opcode;

    /// <summary>Whether it may be compressed.</summary>
    public bool IsCompressed => _compress;

    /// <summary>The payload, wherever it is.</summary>
    public ReadOnlySpan<byte> PayloadBytes => _prepared is not null ? _prepared.Payload : _held.Length == _payloadLength ? _held.Span : Payload;

    /// <summary>The payload, to be written before the first client gets the message.</summary>
    public Span<byte> Payload => _plain.Written.Span[^_payloadLength..];

    /// <summary>Sends the message to one client if there is room. Never waits.</summary>
    /// <param name="queue">The queue of the client.</param>
    /// <param name="compressor">The compressor of the client, or null.</param>
    /// <param name="key">The key of a message that replaces a pending one; null for none.</param>
    public SendOutcome TrySendTo(SendQueue queue, MessageCompressor? compressor, string? key = null)
    {
        ReadOnlySpan<byte> plain = key is null ? default : PlainFrame();
        if (_compress && compressor is not null && compressor.Takes(_payloadLength) && CompressedBy(compressor) is { IsEmpty: false } frame
            && compressor.TrySendShared(frame.Span, _payloadLength, out SendOutcome outcome, key, plain))
        {
            return outcome;
        }

        if (key is not null)
            return queue.TrySendLatest(key, plain, plain, _payloadLength);
        if (_prepared is not null)
            return queue.TrySendLasting(_prepared.Plain, _payloadLength);
        return _plain.IsEmpty ? queue.TrySend(_opcode, _held.Span) : queue.TrySendFrame(_plain.Written.Span, _payloadLength);
    }

    public void Dispose()
    {
        _plain.Release();
        for (int i = 0; i < _byWindow?.Length; i++)
            _byWindow[i].Buffer.Release();
    }

    private ReadOnlySpan<byte> PlainFrame()
    {
        if (_prepared is not null)
            return _prepared.Plain.Span;
        if (_plain.IsEmpty)
        {
            Span<byte> frame = _plain.GetSpan(SendQueue.SizeOf(_payloadLength));
            int header = FrameHeaderWriter.Write(frame, _opcode, _payloadLength);
            _held.Span.CopyTo(frame[header..]);
            _plain.Advance(header + _payloadLength);
        }

        return _plain.Written.Span;
    }

    private ReadOnlyMemory<byte> CompressedBy(MessageCompressor compressor)
    {
        if (_prepared is not null)
            return _prepared.CompressedBy(compressor, wait: false);
        _byWindow ??= new Compressed[PerMessageDeflateParameters.MaxWindowBits - PerMessageDeflateParameters.MinWindowBits + 1];
        ref Compressed compressed = ref _byWindow[compressor.WindowBits - PerMessageDeflateParameters.MinWindowBits];
        if (!compressed.IsTried)
        {
            compressed.IsTried = true;
            compressed.Buffer = new PooledBuffer(_pool);
            compressed.Frame = compressor.Compress(_opcode, _plain.IsEmpty ? _held.Span : Payload, ref compressed.Buffer);
        }

        return compressed.Frame;
    }

    private struct Compressed
    {
        public bool IsTried;
        public PooledBuffer Buffer;
        public ReadOnlyMemory<byte> Frame; // empty when the message goes uncompressed
    }
}
