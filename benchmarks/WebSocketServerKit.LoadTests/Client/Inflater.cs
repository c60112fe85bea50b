using System.IO.Compression;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>Undoes permessage-deflate for messages, each of which may refer to those before it.</summary>
internal sealed class Inflater : IDisposable
{
    private readonly MemoryStream _source = new();
    private readonly MemoryStream _message = new();
    private readonly DeflateStream _inflating;

    public Inflater() => _inflating = new DeflateStream(_source, CompressionMode.Decompress);

    /// <returns>Valid until the next call.</returns>
    public ReadOnlySpan<byte> Inflate(ReadOnlySpan<byte> compressed)
    {
        _source.SetLength(0);
        _source.Write(compressed);
        // RFC 7692 7.2.2
        _source.Write([0x00, 0x00, 0xFF, 0xFF]);
        _source.Position = 0;
        _message.SetLength(0);
        _inflating.CopyTo(_message);
        return _message.GetBuffer().AsSpan(0, (int)_message.Length);
    }

    public void Dispose() => _inflating.Dispose();
}
