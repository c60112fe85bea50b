using System.Buffers;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>A message for many clients. Its frame is built once, and compressed at most once for each negotiated window size. Not thread-safe.</summary>
internal sealed class SharedMessage : IDisposable
{
    private readonly Opcode _opcode;
    private readonly int _payloadLength;
    private readonly bool _compress;
    private readonly ArrayPool<byte> _pool;
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

    /// <summary>The payload, to be written before the first client gets the message.</summary>
    public Span<byte> Payload => _plain.Written.Span[^_payloadLength..];

    /// <summary>Sends the message to one client if there is room. Never waits.</summary>
    /// <param name="queue">The queue of the client.</param>
    /// <param name="compressor">The compressor of the client, or null.</param>
    /// <param name="key">The key of a message that replaces a pending one; null for none.</param>
    public SendOutcome TrySendTo(SendQueue queue, MessageCompressor? compressor, string? key = null)
    {
        ReadOnlySpan<byte> plain = _plain.Written.Span;
        if (_compress && compressor is not null && compressor.Takes(_payloadLength) && CompressedBy(compressor) is { IsEmpty: false } frame
            && compressor.TrySendShared(frame.Span, _payloadLength, out SendOutcome outcome, key, plain))
        {
            return outcome;
        }

        return key is null ? queue.TrySendFrame(plain, _payloadLength) : queue.TrySendLatest(key, plain, plain, _payloadLength);
    }

    public void Dispose()
    {
        _plain.Release();
        for (int i = 0; i < _byWindow?.Length; i++)
            _byWindow[i].Buffer.Release();
    }

    private ReadOnlyMemory<byte> CompressedBy(MessageCompressor compressor)
    {
        _byWindow ??= new Compressed[PerMessageDeflateParameters.MaxWindowBits - PerMessageDeflateParameters.MinWindowBits + 1];
        ref Compressed compressed = ref _byWindow[compressor.WindowBits - PerMessageDeflateParameters.MinWindowBits];
        if (!compressed.IsTried)
        {
            compressed.IsTried = true;
            compressed.Buffer = new PooledBuffer(_pool);
            compressed.Frame = compressor.Compress(_opcode, Payload, ref compressed.Buffer);
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
