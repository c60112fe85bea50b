namespace WebSocketServerKit.TestKit;

/// <summary>A stream whose members a test replaces. Those it leaves alone: a read waits until it is cancelled, a write is recorded.</summary>
internal sealed class FakeStream : Stream
{
    private readonly Lock _gate = new();
    private readonly List<byte[]> _writes = [];
    private int _disposals;

    /// <summary>Reads, also the empty ones that wait for the first byte.</summary>
    public Func<Memory<byte>, CancellationToken, ValueTask<int>> OnRead { get; set; } = async (_, token) =>
    {
        await Task.Delay(Timeout.Infinite, token);
        return 0;
    };

    public Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> OnWrite { get; set; } = (_, _) => ValueTask.CompletedTask;

    public Func<Task> OnFlush { get; set; } = () => Task.CompletedTask;

    public Func<ValueTask> OnDispose { get; set; } = () => ValueTask.CompletedTask;

    /// <summary>What was written, call by call.</summary>
    public byte[][] Writes
    {
        get
        {
            lock (_gate)
                return [.. _writes];
        }
    }

    public int Flushes { get; private set; }

    public int Disposals => Volatile.Read(ref _disposals);

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Gives these bytes, so many at once, and then waits.</summary>
    public void Feed(byte[] bytes, int atOnce = int.MaxValue)
    {
        int read = 0;
        Func<Memory<byte>, CancellationToken, ValueTask<int>> then = OnRead;
        OnRead = (buffer, token) =>
        {
            if (read == bytes.Length)
                return then(buffer, token);
            int count = Math.Min(Math.Min(buffer.Length, atOnce), bytes.Length - read);
            bytes.AsMemory(read, count).CopyTo(buffer);
            read += count;
            return ValueTask.FromResult(count);
        };
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => OnRead(buffer, cancellationToken);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await OnWrite(buffer, cancellationToken);
        lock (_gate)
            _writes.Add(buffer.ToArray());
    }

    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        Flushes++;
        return OnFlush();
    }

    public override async ValueTask DisposeAsync()
    {
        Interlocked.Increment(ref _disposals);
        await OnDispose();
        await base.DisposeAsync();
    }

    public override void Flush() => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
