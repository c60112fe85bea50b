using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Protocol.Compression;

/// <summary>The other end of a <see cref="System.IO.Compression.DeflateStream"/>: memory that it reads, or memory that it writes. It calls nothing else.</summary>
[ExcludeFromCodeCoverage(Justification = "Stream demands these members, and nobody calls them.")]
internal abstract class OneWayStream : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
}
