using System.IO.Compression;

namespace WebSocketServerKit.TestKit;

/// <summary>A client's permessage-deflate, made of the framework's compressors without the code under test.</summary>
internal sealed class Zlib(bool contextTakeover = false) : IDisposable
{
    private static readonly byte[] Tail = [0x00, 0x00, 0xFF, 0xFF];

    private readonly MemoryStream _deflated = new();
    private readonly MemoryStream _toInflate = new();
    private DeflateStream? _deflate;
    private DeflateStream? _inflate;

    public byte[] Deflate(ReadOnlySpan<byte> message)
    {
        if (message.IsEmpty)
            return [0];
        _deflated.SetLength(0);
        _deflate ??= new DeflateStream(_deflated, CompressionLevel.Optimal, leaveOpen: true);
        _deflate.Write(message);
        _deflate.Flush();
        byte[] deflated = _deflated.ToArray();
        if (!contextTakeover)
            _deflate = null;
        return deflated[..^4];
    }

    public byte[] Inflate(ReadOnlySpan<byte> payload)
    {
        _toInflate.SetLength(0);
        _toInflate.Write([.. payload, .. Tail]);
        _toInflate.Position = 0;
        _inflate ??= new DeflateStream(_toInflate, CompressionMode.Decompress, leaveOpen: true);
        using var message = new MemoryStream();
        byte[] buffer = new byte[4096];
        for (int count = _inflate.Read(buffer); count > 0; count = _inflate.Read(buffer))
            message.Write(buffer, 0, count);
        if (!contextTakeover)
            _inflate = null;
        return message.ToArray();
    }

    public void Dispose()
    {
        _deflate?.Dispose();
        _inflate?.Dispose();
    }
}
