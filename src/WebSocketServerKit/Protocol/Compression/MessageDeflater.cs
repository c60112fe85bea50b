using System.IO.Compression;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Protocol.Compression;

/// <summary>
/// Compresses messages (RFC 7692 7.2.1). With context takeover one compressor goes on from message to message, and costs 220 to 330 KiB for as long
/// as it is kept; without, one exists only while a message is compressed. Not thread-safe.
/// </summary>
/// <remarks>
/// <see cref="DeflateStream"/> always uses a window of 32 KiB. A smaller one is kept by compressing the message in pieces of its size, each by a fresh
/// compressor: nothing can refer back further than its own piece goes. So a smaller window excludes context takeover.
/// </remarks>
internal sealed class MessageDeflater(CompressionLevel level, bool contextTakeover, int windowBits) : IDisposable
{
    private readonly Sink _sink = new();
    private DeflateStream? _context;

    /// <summary>Appends the compressed message.</summary>
    public void Deflate(ReadOnlySpan<byte> message, ref PooledBuffer compressed)
    {
        if (message.IsEmpty)
        {
            // 7.2.3.6: "the octet 0x00" stands for an empty message. The compressor would write nothing, not even the four octets below.
            compressed.Append([0]);
            return;
        }

        int pieceSize = windowBits == PerMessageDeflateParameters.MaxWindowBits ? message.Length : 1 << windowBits;
        _sink.Buffer = compressed;
        try
        {
            while (!message.IsEmpty)
            {
                ReadOnlySpan<byte> piece = message[..Math.Min(pieceSize, message.Length)];
                message = message[piece.Length..];
                _context ??= new DeflateStream(_sink, level, leaveOpen: true);
                _context.Write(piece);
                _context.Flush();
                if (!contextTakeover)
                    Reset();
            }
        }
        finally
        {
            compressed = _sink.Buffer;
        }

        // 7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
        compressed.Advance(-4);
    }

    /// <summary>Forgets all messages: the next one does not refer to them.</summary>
    public void Reset()
    {
        _sink.IsClosed = true; // a compressor writes a last block when it is given back
        _context?.Dispose();
        _context = null;
        _sink.IsClosed = false;
    }

    public void Dispose() => Reset();

    private sealed class Sink : OneWayStream
    {
        public PooledBuffer Buffer; // the caller's, while a message is compressed

        public bool IsClosed { get; set; }

        public override bool CanWrite => true;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (!IsClosed)
                Buffer.Append(buffer);
        }
    }
}
