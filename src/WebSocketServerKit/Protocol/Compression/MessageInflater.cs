using System.Diagnostics;
using System.IO.Compression;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Protocol.Compression;

/// <summary>
/// Decompresses messages (RFC 7692 7.2.2), piece by piece as they are received. With context takeover one decompressor of 20 to 50 KiB is kept for all
/// messages. Without it, a decompressor exists only while a message is received. Not thread-safe.
/// </summary>
/// <remarks>
/// RFC 7692 7.2.3.4 allows a last block with BFINAL set. Bytes after that block in the same message are ignored: zlib stops there, and
/// <see cref="DeflateStream"/> does not tell where. The next message begins without context.
/// </remarks>
internal sealed class MessageInflater(bool contextTakeover) : IDisposable
{
    // The smallest read from the decompressor, so that the buffer does not grow in small steps.
    private const int ReadSize = 4096;

    // The most bytes that one call decompresses. A few bytes may inflate to many MiB, which would block the thread for long.
    private const int StepSize = 256 * 1024;

    // 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message."
    private static readonly byte[] Tail = [0x00, 0x00, 0xFF, 0xFF];

    private readonly Source _source = new();
    private DeflateStream? _context;
    private bool _inMessage;

    /// <summary>Whether a decompressor exists.</summary>
    public bool HasContext => _context is not null;

    /// <summary>Whether the last piece is not completely decompressed. Then call <see cref="Continue"/>, and keep the piece's memory until then.</summary>
    public bool IsUnfinished { get; private set; }

    /// <summary>Decompresses the next piece of a message. It stops as soon as the message is larger than <paramref name="maxSize"/> bytes.</summary>
    public ProtocolViolation Inflate(ReadOnlyMemory<byte> piece, ref PooledBuffer message, int maxSize)
    {
        int began = message.Length;
        _source.Rest = piece;
        ProtocolViolation violation = Read(ref message, maxSize);
        // A block with BFINAL set ended the message before this one.
        if (!_inMessage && violation == ProtocolViolation.None && message.Length == began && _source.Rest.Length == piece.Length)
        {
            Reset();
            violation = Read(ref message, maxSize);
        }

        _inMessage = true;
        return violation;
    }

    /// <summary>Continues with the last piece.</summary>
    public ProtocolViolation Continue(ref PooledBuffer message, int maxSize) => Read(ref message, maxSize);

    /// <summary>Ends the message and appends the rest of it.</summary>
    public ProtocolViolation End(ref PooledBuffer message, int maxSize)
    {
        _source.Rest = Tail;
        ProtocolViolation violation = Read(ref message, maxSize);
        Debug.Assert(!IsUnfinished, "What the bytes before inflate to has been read; four octets hold no long rest.");
        _inMessage = false;
        bool endedBefore = !_source.Rest.IsEmpty;
        if (!contextTakeover || endedBefore)
            Reset();
        _source.Rest = default;
        return violation;
    }

    public void Dispose() => Reset();

    private void Reset()
    {
        _context?.Dispose();
        _context = null;
    }

    private ProtocolViolation Read(ref PooledBuffer message, int maxSize)
    {
        int began = message.Length;
        IsUnfinished = false;
        _context ??= new DeflateStream(_source, CompressionMode.Decompress, leaveOpen: true);
        try
        {
            while (true)
            {
                if (message.Length - began >= StepSize)
                {
                    IsUnfinished = true;
                    return ProtocolViolation.None;
                }

                // 10.4 of RFC 6455: the limit applies to the decompressed size, and is checked during decompression.
                int room = maxSize - message.Length;
                if (room == 0)
                    return _context.ReadByte() < 0 ? ProtocolViolation.None : ProtocolViolation.MessageTooBig;
                room = Math.Min(room, began + StepSize - message.Length);
                Span<byte> free = message.GetSpan(Math.Min(room, ReadSize));
                int count = _context.Read(free[..Math.Min(room, free.Length)]);
                if (count == 0)
                    return ProtocolViolation.None;
                message.Advance(count);
            }
        }
        catch (InvalidDataException)
        {
            return ProtocolViolation.InvalidCompressedData;
        }
    }

    private sealed class Source : OneWayStream
    {
        public ReadOnlyMemory<byte> Rest { get; set; }

        public override bool CanRead => true;

        public override int Read(Span<byte> buffer)
        {
            int count = Math.Min(buffer.Length, Rest.Length);
            Rest.Span[..count].CopyTo(buffer);
            Rest = Rest[count..];
            return count;
        }
    }
}
