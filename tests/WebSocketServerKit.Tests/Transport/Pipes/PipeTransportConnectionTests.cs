using System.IO.Pipelines;
using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Pipes;

public sealed class PipeTransportConnectionTests : IAsyncDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly FakeStream _stream = new();
    private readonly TaskCompletionSource _hangs = Timely.Signal();
    private PipeTransportConnection? _made;
    private int _forgotten;

    private PipeTransportConnection Connection => _made ??= Start(new StreamCarrier(_stream));

    public async ValueTask DisposeAsync()
    {
        await Connection.DisposeAsync();
        _hangs.TrySetResult();
        await Connection.WhenClosed().InTime();
        await Polling.UntilAsync(() => Connection.HeldBytes == 0);
        Assert.Equal(_forgotten, _pool.RentedBytes);
        await _stream.DisposeAsync();
    }

    [Fact]
    public async Task Bytes_are_written_in_one_call_and_flushed()
    {
        await Connection.WriteAsync("header and payload"u8.ToArray());
        Assert.Equal("header and payload"u8, Assert.Single(_stream.Writes));
        Assert.Equal((1, 18), (_stream.Flushes, (int)Connection.BytesTaken));
    }

    [Fact]
    public async Task A_stream_that_makes_the_loop_wait_with_a_buffer_has_received_nothing_until_a_byte_comes()
    {
        TaskCompletionSource<int> first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int reads = 0;
        _stream.OnRead = async (buffer, token) =>
        {
            if (buffer.IsEmpty)
                return 0; // at once: it knows no waiting for the first byte
            if (++reads == 1)
                return await first.Task;
            await Task.Delay(Timeout.Infinite, token);
            return 0;
        };
        await Polling.UntilAsync(() => Connection.HeldBytes > 0);
        Assert.False(Connection.HasReceived);
        first.SetResult(1);
        await Polling.UntilAsync(() => Connection.HasReceived);
    }

    [Fact]
    public async Task Many_bytes_are_written_in_pieces_so_that_a_slow_peer_is_seen_to_get_on()
    {
        byte[] bytes = new byte[40_000];
        new Random(1).NextBytes(bytes);
        int written = 0;
        _stream.OnWrite = (piece, _) => ++written == 2 ? new ValueTask(_hangs.Task) : ValueTask.CompletedTask;
        Task writing = Connection.WriteAsync(bytes).AsTask();
        await Polling.UntilAsync(() => Connection.BytesTaken == 16 * 1024);
        Assert.False(writing.IsCompleted);
        _hangs.SetResult();
        await writing.InTime();
        Assert.Equal(bytes, _stream.Writes.SelectMany(piece => piece));
        Assert.Equal(bytes.Length, Connection.BytesTaken);
    }

    [Fact]
    public async Task A_stream_that_goes_on_with_a_write_after_a_cut_sees_none_of_the_callers_later_bytes()
    {
        _stream.OnWrite = (_, _) => new ValueTask(_hangs.Task);
        byte[] bytes = "mine"u8.ToArray();
        Task writing = Connection.WriteAsync(bytes).AsTask();
        Connection.Abort();
        IOException lost = await Assert.ThrowsAsync<IOException>(() => writing.InTime());
        Assert.IsType<ObjectDisposedException>(lost.InnerException);
        "other"u8[..4].CopyTo(bytes);
        await Connection.DisposeAsync();

        _forgotten = Connection.ForgetBuffers();
        Assert.Equal((4, 0), (_forgotten, Connection.HeldBytes));
        _hangs.SetResult();
        await Polling.UntilAsync(() => _stream.Writes.Length == 1);
        Assert.Equal("mine"u8, _stream.Writes[0]);
    }

    [Fact]
    public async Task A_stream_that_goes_on_with_a_read_after_a_cut_keeps_its_buffer_and_nothing_else_counts()
    {
        _stream.OnRead = async (buffer, _) =>
        {
            if (!buffer.IsEmpty)
                await _hangs.Task;
            return buffer.Length;
        };
        await Polling.UntilAsync(() => Connection.HeldBytes > 0);
        Connection.Abort();
        await Connection.DisposeAsync();
        _forgotten = Connection.ForgetBuffers();
        Assert.Equal((16 * 1024, 0), (_forgotten, Connection.HeldBytes));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_write_throws_is_the_loss_of_the_connection(bool isSynchronous)
    {
        _stream.OnWrite = (_, _) => isSynchronous ? throw new InvalidTimeZoneException("broken") : ValueTask.FromException(new InvalidTimeZoneException("broken"));
        IOException lost = await Assert.ThrowsAsync<IOException>(() => Connection.WriteAsync(new byte[1]).AsTask().InTime());
        Assert.Equal("The connection is lost: broken.", lost.Message);
        Assert.Equal(0, Connection.BytesTaken);
    }

    [Fact]
    public async Task A_write_behind_our_end_is_refused()
    {
        Connection.ShutdownSend();
        await Assert.ThrowsAsync<IOException>(() => Connection.WriteAsync(new byte[1]).AsTask().InTime());
        Assert.Empty(_stream.Writes);
    }

    [Fact]
    public async Task A_stream_that_cannot_end_one_direction_is_disposed_of_instead_and_the_reading_ends()
    {
        Task<ReadResult> reading = Connection.Input.ReadAsync(CancellationToken.None).InTime();
        Connection.ShutdownSend();
        await Assert.ThrowsAsync<IOException>(() => reading);
        await Connection.WhenClosed().InTime();
        Connection.ShutdownSend();
        await Connection.DisposeAsync();
        Assert.Equal(1, _stream.Disposals);
    }

    [Fact]
    public async Task A_pipe_ends_one_direction_and_is_read_on()
    {
        var fromPeer = new Pipe();
        var toPeer = new Pipe();
        _made = Start(new DuplexPipeCarrier(fromPeer.Reader, toPeer.Writer));
        Connection.ShutdownSend();
        Connection.ShutdownSend();
        Assert.True((await toPeer.Reader.ReadAsync(CancellationToken.None).InTime()).IsCompleted);
        await fromPeer.Writer.WriteAsync("x"u8.ToArray(), TestContext.Current.CancellationToken);
        ReadResult read = await Connection.Input.ReadAsync(CancellationToken.None).InTime();
        Assert.Equal(1, read.Buffer.Length);
        Connection.Input.AdvanceTo(read.Buffer.End);
        await fromPeer.Writer.CompleteAsync();
        Assert.True((await Connection.Input.ReadAsync(CancellationToken.None).InTime()).IsCompleted);
        Assert.True(Connection.HasPeerEnded);
    }

    [Fact]
    public async Task A_cut_ends_a_read_that_waits_and_disposes_of_the_stream_once()
    {
        Task<ReadResult> reading = Connection.Input.ReadAsync(CancellationToken.None).InTime();
        Connection.Abort();
        Connection.Abort();
        await Assert.ThrowsAsync<IOException>(() => reading);
        await Connection.DisposeAsync();
        await Connection.DisposeAsync();
        await Connection.WhenClosed().InTime();
        Assert.Equal(1, _stream.Disposals);
    }

    [Fact]
    public async Task Disposing_waits_for_the_stream_until_a_cut()
    {
        _stream.OnDispose = () => new ValueTask(_hangs.Task);
        Task disposing = Connection.DisposeAsync().AsTask();
        await Polling.UntilAsync(() => _stream.Disposals == 1);
        Assert.False(disposing.IsCompleted);
        Connection.Abort();
        await disposing.InTime();
        Assert.False(Connection.WhenClosed().IsCompleted);
    }

    [Fact]
    public async Task Disposing_cuts_a_peer_that_has_ended_and_takes_nothing()
    {
        _stream.OnWrite = (_, _) => new ValueTask(_hangs.Task);
        Task writing = Connection.WriteAsync(new byte[1]).AsTask();
        await Connection.DisposeAsync().AsTask().InTime();
        await Assert.ThrowsAsync<IOException>(() => writing.InTime());
        _forgotten = Connection.ForgetBuffers();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_disposing_of_the_stream_throws_does_not_matter(bool isSynchronous)
    {
        _stream.OnDispose = () => _stream.Disposals > 1 ? ValueTask.CompletedTask
            : isSynchronous ? throw new InvalidTimeZoneException() : ValueTask.FromException(new InvalidTimeZoneException());
        await Connection.DisposeAsync();
        Assert.True(Connection.WhenClosed().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task What_the_stream_does_when_its_token_is_cancelled_does_not_matter()
    {
        TaskCompletionSource called = Timely.Signal();
        using var blocked = new ManualResetEventSlim();
        _stream.OnRead = (_, token) =>
        {
            token.Register(() =>
            {
                called.TrySetResult();
                blocked.Wait(TimeSpan.FromSeconds(30), CancellationToken.None);
                throw new InvalidTimeZoneException();
            });
            return new ValueTask<int>(_hangs.Task.ContinueWith(_ => 0, TaskScheduler.Default));
        };
        Task<ReadResult> reading = Connection.Input.ReadAsync(CancellationToken.None).InTime();
        await Task.Run(() => { }, TestContext.Current.CancellationToken);
        Connection.Abort();
        await Assert.ThrowsAsync<IOException>(() => reading);
        await Connection.DisposeAsync();
        blocked.Set();
    }

    [Fact]
    public async Task Bytes_that_nobody_has_received_yet_are_seen()
    {
        _stream.Feed("x"u8.ToArray());
        await Polling.UntilAsync(() => Connection.HasUnread);
        byte[] received = new byte[2];
        Assert.Equal(1, Connection.TryReceive(received, out bool ended));
        Assert.Equal((false, false, (byte)'x'), (ended, Connection.HasUnread, received[0]));
        Connection.ReleaseIdle();
        Assert.False(Connection.HasPeerEnded);
    }

    [Fact]
    public void Addresses_are_those_that_the_host_tells()
    {
        _made = Start(new StreamCarrier(_stream), IPEndPoint.Parse("[::ffff:192.0.2.1]:80"));
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:80"), Connection.RemoteEndPoint);
        Assert.Equal("unknown", Connection.LocalEndPoint.ToString());
    }

    private PipeTransportConnection Start(ICarrier carrier, EndPoint? remoteEndPoint = null)
    {
        var connection = new PipeTransportConnection(carrier, remoteEndPoint, null, _pool);
        connection.Start();
        return connection;
    }
}
