using System.Diagnostics;
using System.IO.Compression;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Protocol.Compression;

/// <summary>
/// Decompresses messages (RFC 7692 7.2.2), piece by piece as they come. With context takeover one decompressor, 20 to 45 KiB, goes on from
/// message to message; without, one exists only while a message comes in. Not thread-safe.
/// </summary>
/// <remarks>
/// RFC 7692 7.2.3.4 allows a last block with BFINAL set. What a client puts behind that block in the same message is not looked at: zlib stops there, and
/// <see cref="DeflateStream"/> does not tell where that was. The next message begins anew.
/// </remarks>
internal sealed class MessageInflater(bool contextTakeover) : IDisposable
{
    // What is asked for at least at a time, so that a small message does not make the buffer grow in small steps.
    private const int ReadSize = 4096;

    // What is inflated at a time at most: a few bytes may inflate to many MiB, which would take long.
    private const int StepSize = 256 * 1024;

    // 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message."
    private static readonly byte[] Tail = [0x00, 0x00, 0xFF, 0xFF];

    private readonly Source _source = new();
    private DeflateStream? _context;
    private bool _inMessage;

    /// <summary>Whether a decompressor exists.</summary>
    public bool HasContext => _context is not null;

    /// <summary>Whether the last bytes have not been inflated in full: <see cref="Continue"/> goes on, and they must stay where they are until then.</summary>
    public bool IsUnfinished { get; private set; }

    /// <summary>Appends what the next bytes of the message inflate to. It stops as soon as that is more than <paramref name="maxSize"/> bytes in all.</summary>
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

    /// <summary>Goes on with bytes that have not been inflated in full.</summary>
    public ProtocolViolation Continue(ref PooledBuffer message, int maxSize) => Read(ref message, maxSize);

    /// <summary>The message has come to its end: appends the rest of it.</summary>
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

                // 10.4 of RFC 6455: the limit counts what the message is after all is undone, and is kept while that is done.
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
