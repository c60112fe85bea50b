using System.IO.Pipelines;
using System.Net;
using System.Runtime.InteropServices;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>AcceptTests has the contract of such a connection, over sockets and TLS.</summary>
public sealed class DirectConnectionTests : IAsyncDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly FakeStream _stream = new();
    private readonly TaskCompletionSource _hangs = Timely.Signal();
    private readonly DirectConnection _connection;
    private int _aborts;

    public DirectConnectionTests()
    {
        _connection = new DirectConnection(
            new StreamCarrier(_stream, () =>
            {
                _aborts++;
                _hangs.TrySetException(new IOException("cut"));
            }), IPEndPoint.Parse("[::ffff:192.0.2.1]:80"), null, _pool);
        _connection.Start();
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync().AsTask().InTime();
        await _connection.WhenClosed().InTime();
        _pool.AssertNothingRented();
        await _stream.DisposeAsync();
    }

    [Fact]
    public async Task Bytes_are_written_in_one_call_from_where_they_are_and_flushed()
    {
        byte[] bytes = "header and payload"u8.ToArray();
        byte[]? written = null;
        _stream.OnWrite = (memory, _) =>
        {
            written = MemoryMarshal.TryGetArray(memory, out ArraySegment<byte> segment) ? segment.Array : null;
            return ValueTask.CompletedTask;
        };
        ValueTask writing = _connection.WriteAsync(bytes);
        Assert.True(writing.IsCompletedSuccessfully);
        await writing;
        Assert.Same(bytes, written);
        Assert.Equal((1, 18), (_stream.Flushes, (int)_connection.BytesTaken));
    }

    [Fact]
    public async Task Many_bytes_are_written_in_pieces_so_that_a_slow_peer_is_seen_to_get_on()
    {
        byte[] bytes = new byte[150_000];
        new Random(1).NextBytes(bytes);
        int written = 0;
        _stream.OnWrite = (_, _) => ++written == 2 ? new ValueTask(_hangs.Task) : ValueTask.CompletedTask;
        Task writing = _connection.WriteAsync(bytes).AsTask();
        await Polling.UntilAsync(() => _connection.BytesTaken == 64 * 1024);
        Assert.False(writing.IsCompleted);
        _hangs.SetResult();
        await writing.InTime();
        Assert.Equal(bytes, _stream.Writes.SelectMany(piece => piece));
        Assert.Equal(bytes.Length, _connection.BytesTaken);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_write_throws_is_the_loss_of_the_connection(bool isSynchronous)
    {
        _stream.OnWrite = (_, _) => isSynchronous ? throw new InvalidTimeZoneException("broken") : ValueTask.FromException(new InvalidTimeZoneException("broken"));
        IOException lost = await Assert.ThrowsAsync<IOException>(() => _connection.WriteAsync(new byte[1]).AsTask().InTime());
        Assert.Equal("The connection is lost: broken.", lost.Message);
        Assert.Equal(0, _connection.BytesTaken);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100_000)]
    public async Task A_write_behind_our_end_is_refused(int length)
    {
        _connection.ShutdownSend();
        await Assert.ThrowsAsync<IOException>(() => _connection.WriteAsync(new byte[length]).AsTask().InTime());
        Assert.Empty(_stream.Writes);
    }

    [Fact]
    public async Task A_stream_that_cannot_end_one_direction_is_disposed_of_instead_and_the_reading_ends()
    {
        Task<ReadResult> reading = _connection.Input.ReadAsync(CancellationToken.None).InTime();
        _connection.ShutdownSend();
        await Assert.ThrowsAsync<IOException>(() => reading);
        await _connection.WhenClosed().InTime();
        _connection.ShutdownSend();
        await _connection.DisposeAsync();
        Assert.Equal((1, 0), (_stream.Disposals, _aborts));
    }

    [Fact]
    public async Task A_cut_ends_a_read_and_a_write_that_wait_and_disposes_of_the_stream_once()
    {
        _stream.OnWrite = (_, _) => new ValueTask(_hangs.Task);
        Task<ReadResult> reading = _connection.Input.ReadAsync(CancellationToken.None).InTime();
        Task writing = _connection.WriteAsync(new byte[1]).AsTask().InTime();
        _connection.Abort();
        _connection.Abort();
        await Assert.ThrowsAsync<IOException>(() => reading);
        IOException lost = await Assert.ThrowsAsync<IOException>(() => writing);
        Assert.IsType<ObjectDisposedException>(lost.InnerException);
        await _connection.DisposeAsync();
        await _connection.DisposeAsync();
        Assert.Equal((1, 1), (_stream.Disposals, _aborts));
    }

    [Fact]
    public async Task Disposing_cuts_a_peer_that_has_ended_and_takes_nothing()
    {
        _stream.OnWrite = (_, _) => new ValueTask(_hangs.Task);
        Task writing = _connection.WriteAsync(new byte[1]).AsTask();
        await _connection.DisposeAsync().AsTask().InTime();
        await Assert.ThrowsAsync<IOException>(() => writing.InTime());
        Assert.Equal(1, _aborts);
    }

    [Fact]
    public async Task Disposing_waits_for_the_stream()
    {
        TaskCompletionSource disposed = Timely.Signal();
        _stream.OnDispose = () => new ValueTask(disposed.Task);
        Task disposing = _connection.DisposeAsync().AsTask();
        await Polling.UntilAsync(() => _stream.Disposals == 1);
        Assert.False(disposing.IsCompleted);
        disposed.SetResult();
        await disposing.InTime();
        Assert.True(_connection.WhenClosed().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Disposing_waits_for_a_read_past_the_buffer()
    {
        TaskCompletionSource ended = Timely.Signal();
        _stream.OnRead = async (_, token) =>
        {
            try
            {
                await Task.Delay(Timeout.Infinite, token);
            }
            finally
            {
                await ended.Task;
            }

            return 0;
        };
        Assert.Equal(0, _connection.TryReceive(new byte[1], out _));
        Task disposing = _connection.DisposeAsync().AsTask();
        await Polling.UntilAsync(() => _stream.Disposals == 1);
        Assert.False(disposing.IsCompleted);
        ended.SetResult();
        await disposing.InTime();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_disposing_of_the_stream_throws_does_not_matter(bool isSynchronous)
    {
        _stream.OnDispose = () => _stream.Disposals > 1 ? ValueTask.CompletedTask
            : isSynchronous ? throw new InvalidTimeZoneException() : ValueTask.FromException(new InvalidTimeZoneException());
        await _connection.DisposeAsync();
        Assert.True(_connection.WhenClosed().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task What_is_known_of_the_peer_is_what_was_read()
    {
        Assert.False(_connection.HasReceived || _connection.HasUnread || _connection.HasPeerEnded);
        _stream.OnRead = (_, _) => ValueTask.FromResult(0);
        _stream.Feed("x"u8.ToArray());
        await _connection.WaitToReadAsync();
        Assert.True(_connection.HasReceived);
        Assert.NotEqual(0, _connection.HeldBytes);
        Assert.True(_connection.Input.TryRead(out ReadResult read));
        _connection.Input.AdvanceTo(read.Buffer.End);
        Assert.True((await _connection.Input.ReadAsync(CancellationToken.None).InTime()).IsCompleted);
        Assert.True(_connection.HasPeerEnded);
        _connection.ReleaseIdle();
    }

    [Fact]
    public void Addresses_are_those_that_the_host_tells()
    {
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:80"), _connection.RemoteEndPoint);
        Assert.Equal("unknown", _connection.LocalEndPoint.ToString());
    }
}
