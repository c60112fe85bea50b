using System.IO.Pipelines;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Pipes;

public sealed class DuplexPipeCarrierTests
{
    private readonly Pipe _fromPeer = new();
    private readonly Pipe _toPeer = new(new PipeOptions(pauseWriterThreshold: 8, resumeWriterThreshold: 4));
    private readonly DuplexPipeCarrier _carrier;

    public DuplexPipeCarrierTests() => _carrier = new DuplexPipeCarrier(_fromPeer.Reader, _toPeer.Writer);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_empty_read_waits_and_takes_nothing()
    {
        Task<int> waiting = _carrier.ReadAsync(Memory<byte>.Empty, Token).AsTask();
        Assert.False(waiting.IsCompleted);
        await _fromPeer.Writer.WriteAsync("hello"u8.ToArray(), Token);
        Assert.Equal(0, await waiting.InTime());
        byte[] read = new byte[3];
        Assert.Equal(3, await _carrier.ReadAsync(read, Token).InTime());
        Assert.Equal("hel"u8, read);
        Assert.Equal(2, await _carrier.ReadAsync(read, Token).InTime());
        Assert.Equal("lol"u8, read);
    }

    [Fact]
    public async Task The_end_is_read_behind_the_last_byte()
    {
        await _fromPeer.Writer.WriteAsync("x"u8.ToArray(), Token);
        await _fromPeer.Writer.CompleteAsync();
        Assert.Equal(1, await _carrier.ReadAsync(new byte[3], Token).InTime());
        Assert.Equal(0, await _carrier.ReadAsync(new byte[3], Token).InTime());
    }

    [Fact]
    public async Task A_read_that_somebody_else_cancels_fails()
    {
        Task<int> reading = _carrier.ReadAsync(new byte[3], Token).AsTask();
        _fromPeer.Reader.CancelPendingRead();
        Assert.Equal("the read was cancelled", (await Assert.ThrowsAsync<IOException>(() => reading.InTime())).Message);
    }

    [Fact]
    public async Task A_reader_that_gives_nothing_and_does_not_end_fails_instead_of_being_asked_for_ever()
    {
        var carrier = new DuplexPipeCarrier(new ReaderOfNothing(), _toPeer.Writer);
        Assert.Equal(0, await carrier.ReadAsync(Memory<byte>.Empty, Token).InTime());
        await Assert.ThrowsAsync<IOException>(() => carrier.ReadAsync(new byte[3], Token).InTime());
    }

    [Fact]
    public async Task A_write_waits_while_the_peer_takes_nothing_and_ends_when_it_is_over()
    {
        using CancellationTokenSource over = new();
        Task writing = _carrier.WriteAsync(new byte[8], over.Token).AsTask();
        Assert.False(writing.IsCompleted);
        await over.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing.InTime());
    }

    [Fact]
    public async Task A_write_to_a_peer_that_reads_no_more_fails()
    {
        await _toPeer.Reader.CompleteAsync();
        Assert.Equal("the peer reads no more", (await Assert.ThrowsAsync<IOException>(() => _carrier.WriteAsync(new byte[1], Token).AsTask().InTime())).Message);
    }

    [Fact]
    public async Task A_write_that_somebody_else_cancels_fails()
    {
        Task writing = _carrier.WriteAsync(new byte[8], Token).AsTask();
        _toPeer.Writer.CancelPendingFlush();
        Assert.Equal("the write was cancelled", (await Assert.ThrowsAsync<IOException>(() => writing.InTime())).Message);
    }

    [Fact]
    public async Task Our_direction_ends_alone()
    {
        Assert.True(_carrier.CanEndWrites);
        await _carrier.EndWritesAsync();
        Assert.True((await _toPeer.Reader.ReadAsync(Token).InTime()).IsCompleted);
        await _fromPeer.Writer.WriteAsync("x"u8.ToArray(), Token);
        Assert.Equal(1, await _carrier.ReadAsync(new byte[3], Token).InTime());
    }

    [Fact]
    public async Task Both_ends_are_completed_but_not_while_they_are_in_use()
    {
        TaskCompletionSource unused = Timely.Signal();
        Task closing = _carrier.CloseAsync(isCut: false, unused.Task).AsTask();
        Assert.False(_toPeer.Reader.TryRead(out _));
        unused.SetException(new IOException("what was under way failed"));
        await closing.InTime();
        Assert.True((await _toPeer.Reader.ReadAsync(Token).InTime()).IsCompleted);
        Assert.True((await _fromPeer.Writer.WriteAsync("x"u8.ToArray(), Token).InTime()).IsCompleted);
    }

    [Fact]
    public async Task A_cut_is_told_to_the_peer()
    {
        await _carrier.CloseAsync(isCut: true, Task.CompletedTask);
        await Assert.ThrowsAsync<IOException>(() => _toPeer.Reader.ReadAsync(Token).InTime());
        await Assert.ThrowsAsync<IOException>(() => _fromPeer.Writer.WriteAsync("x"u8.ToArray(), Token).InTime());
    }

    private sealed class ReaderOfNothing : PipeReader
    {
        public override void AdvanceTo(SequencePosition consumed)
        {
            // It has given nothing.
        }

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            // It has given nothing.
        }

        public override void CancelPendingRead()
        {
            // None waits.
        }

        public override void Complete(Exception? exception = null)
        {
            // It holds nothing.
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => ValueTask.FromResult(default(ReadResult));

        public override bool TryRead(out ReadResult result)
        {
            result = default;
            return true;
        }
    }
}
