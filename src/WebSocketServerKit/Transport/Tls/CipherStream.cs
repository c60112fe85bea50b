using System.Buffers;
using System.IO.Pipelines;

namespace WebSocketServerKit.Transport.Tls;

/// <summary>
/// The encrypted side of an <see cref="System.Net.Security.SslStream"/>: it writes to a connection, and reads one complete TLS record at a time from it. So the SslStream never waits for the rest
/// of a record with a buffer of its own, which no limit would count, and never holds a record that nobody asked for.
/// </summary>
/// <remarks>Until <see cref="EndWaits"/> a read waits for the next record. After that it throws <see cref="NothingToReadException"/>, and <see cref="TlsInput"/> waits.</remarks>
internal sealed class CipherStream(TransportConnection connection) : Stream
{
    // Records without data are for TLS itself, such as a KeyUpdate. Each may make TLS owe an answer, which it keeps in memory until the next write. An honest peer sends few.
    private const int MostWithoutData = 100;

    private bool _waits = true;
    private int _left;        // bytes of the current record that were not read yet
    private int _withoutData; // records since the last write. The writer resets it without a lock: it may be wrong by a few

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Lets further reads not wait.</summary>
    public void EndWaits() => _waits = false;

    /// <summary>The last record had data of the application.</summary>
    public void HadData() => _withoutData--;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty && !_waits)
            return new ValueTask<int>(0); // the read that follows tells
        return TryRead(buffer, out int count) ? new ValueTask<int>(count) : _waits ? WaitAndReadAsync(buffer) : throw new NothingToReadException();
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _withoutData = 0;
        return connection.WriteAsync(buffer);
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
        // Nothing is held back.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async ValueTask<int> WaitAndReadAsync(Memory<byte> buffer)
    {
        int count;
        do
            await connection.WaitToReadAsync().ConfigureAwait(false);
        while (!TryRead(buffer, out count));
        return count;
    }

    // False if no complete record is there and more may come. Then all received bytes are examined, so that a wait waits for more.
    private bool TryRead(Memory<byte> buffer, out int count)
    {
        count = 0;
        PipeReader input = connection.Input;
        if (!input.TryRead(out ReadResult read))
            return false;
        int available = _left > 0 ? _left : TlsRecord.CompleteSize(read.Buffer);
        if (available == 0 && !read.IsCompleted)
        {
            input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            return false;
        }

        if (available == 0 && !read.Buffer.IsEmpty && !buffer.IsEmpty)
            throw new IOException("the connection ended in the middle of a TLS record");
        if (_left == 0 && available > 0 && !_waits && ++_withoutData > MostWithoutData)
            throw new IOException("the peer sent too many TLS records without data");
        count = Math.Min(available, buffer.Length);
        _left = available - count;
        SequencePosition end = read.Buffer.GetPosition(count);
        read.Buffer.Slice(0, end).CopyTo(buffer.Span);
        input.AdvanceTo(end);
        return true;
    }

    /// <summary>No complete record is there. The SslStream stays usable.</summary>
    public sealed class NothingToReadException() : IOException("No complete TLS record has arrived.");
}
