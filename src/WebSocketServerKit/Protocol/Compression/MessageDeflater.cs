using System.IO.Compression;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Protocol.Compression;

/// <summary>
/// Compresses messages (RFC 7692 7.2.1). With context takeover one compressor of 220 to 330 KiB is kept for all messages. Without it, a compressor exists only
/// while a message is compressed. Not thread-safe.
/// </summary>
/// <remarks>
/// <see cref="DeflateStream"/> always uses a window of 32 KiB. For a smaller window the message is compressed in pieces of the window's size, each by a new
/// compressor, so that no reference exceeds the window. So a smaller window excludes context takeover.
/// </remarks>
internal sealed class MessageDeflater(CompressionLevel level, bool contextTakeover, int windowBits) : IDisposable
{
    /// <summary>Octets that a flush ends with.</summary>
    public const int TailSize = 4;

    private readonly Sink _sink = new();
    private DeflateStream? _context;
    private long _left;      // of the piece that _context is for
    private bool _hasBegun;  // the message has bytes
    private bool _isFlushed; // and all of them are compressed

    /// <summary>Appends the compressed message.</summary>
    public void Deflate(ReadOnlySpan<byte> message, ref PooledBuffer compressed)
    {
        Write(message, ref compressed);
        End(ref compressed);
    }

    /// <summary>Compresses the next part of a message, and appends the output so far.</summary>
    public void Write(ReadOnlySpan<byte> part, ref PooledBuffer compressed)
    {
        _sink.Buffer = compressed;
        try
        {
            while (!part.IsEmpty)
            {
                if (_context is null)
                {
                    _context = new DeflateStream(_sink, level, leaveOpen: true);
                    _left = windowBits == PerMessageDeflateParameters.MaxWindowBits ? long.MaxValue : 1L << windowBits;
                }

                int count = (int)Math.Min(_left, part.Length);
                _context.Write(part[..count]);
                part = part[count..];
                _hasBegun = true;
                _isFlushed = false;
                if (_left == long.MaxValue || (_left -= count) > 0)
                    continue;
                FlushContext();
                EndContext();
            }
        }
        finally
        {
            compressed = _sink.Buffer;
        }
    }

    /// <summary>
    /// Appends what is left to be compressed, so that the client can read all that was written. The last <see cref="TailSize"/> octets must stay in
    /// <paramref name="compressed"/> until more is appended, for they are not sent if the message ends here.
    /// </summary>
    public void Flush(ref PooledBuffer compressed)
    {
        _sink.Buffer = compressed;
        try
        {
            if (_hasBegun && !_isFlushed)
                FlushContext();
        }
        finally
        {
            compressed = _sink.Buffer;
        }
    }

    /// <summary>Appends the end of the message.</summary>
    public void End(ref PooledBuffer compressed)
    {
        if (!_hasBegun)
        {
            // 7.2.3.6: "the octet 0x00" stands for an empty message. The compressor would write nothing, not even the four octets below.
            compressed.Append([0]);
            return;
        }

        Flush(ref compressed);
        // 7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
        compressed.Advance(-TailSize);
        _hasBegun = false;
        if (!contextTakeover)
            EndContext();
    }

    /// <summary>Drops the context and an unfinished message: the next message refers to nothing before it.</summary>
    public void Reset()
    {
        EndContext();
        _hasBegun = false;
    }

    public void Dispose() => Reset();

    private void FlushContext()
    {
        _context!.Flush();
        _isFlushed = true;
    }

    private void EndContext()
    {
        _sink.IsClosed = true; // ignore the last block, which the compressor writes when it is disposed
        _context?.Dispose();
        _context = null;
        _sink.IsClosed = false;
    }

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
