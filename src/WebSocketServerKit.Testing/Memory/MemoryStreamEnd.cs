namespace WebSocketServerKit.Testing.Memory;

/// <summary>One end of a connection in memory. Its asynchronous methods never block; a read that was cancelled has taken nothing.</summary>
internal sealed class MemoryStreamEnd(ByteChannel input, ByteChannel output) : Stream
{
    private const string OnlyAsync = "A connection in memory has only asynchronous methods: use ReadAsync and WriteAsync.";

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Cuts the connection: the other end's reads and writes fail.</summary>
    public void Cut(string reason)
    {
        output.Fail(reason);
        input.Fail(reason);
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => input.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        input.ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => output.WriteAsync(buffer, cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        output.WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException(OnlyAsync);

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException(OnlyAsync);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        output.End();
        input.CloseReader();
        base.Dispose(disposing);
    }
}
