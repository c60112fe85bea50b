using System.IO.Compression;

namespace WebSocketServerKit.Conformance.Compression;

/// <summary>Compresses messages as a client does (RFC 7692 7.2.1), with the framework's compressor and nothing of the server's code.</summary>
internal sealed class Deflater(bool contextTakeover, CompressionLevel level = CompressionLevel.Optimal) : IDisposable
{
    private readonly MemoryStream _deflated = new();
    private DeflateStream? _context;

    public byte[] Deflate(ReadOnlySpan<byte> message)
    {
        // 7.2.3.6: an empty message; the framework's compressor would write nothing at all.
        if (message.IsEmpty)
            return [0];
        _deflated.SetLength(0);
        _context ??= new DeflateStream(_deflated, level, leaveOpen: true);
        _context.Write(message);
        _context.Flush();
        byte[] deflated = _deflated.ToArray();
        if (!contextTakeover)
            Reset();
        return deflated[..^4];
    }

    public void Dispose()
    {
        Reset();
        _deflated.Dispose();
    }

    private void Reset()
    {
        _context?.Dispose();
        _context = null;
    }
}
