using System.Buffers;
using System.IO.Pipelines;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Pipes;

public sealed class DirectInputTests : IAsyncDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly CancellationTokenSource _over = new();
    private readonly FakeStream _stream = new();
    private readonly DirectInput _input;
    private readonly List<int> _reads = []; // sizes of the buffers

    public DirectInputTests() => _input = new DirectInput(new StreamCarrier(_stream), _pool, _over.Token);

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _input.CancelWaitAsync();
        await _input.WhenUnused().InTime();
        _input.Complete();
        _pool.AssertNothingRented();
        _over.Dispose();
        await _stream.DisposeAsync();
    }

    [Fact]
    public async Task Bytes_are_handed_out_in_one_piece_and_gathered_while_they_are_not_consumed()
    {
        _stream.Feed("hello"u8.ToArray(), atOnce: 2);
        ReadResult read = await ReadAsync();
        while (read.Buffer.Length < 5)
        {
            Assert.True(read.Buffer.IsSingleSegment);
            _input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            read = await ReadAsync();
        }

        Assert.Equal("hello"u8, read.Buffer.ToArray());
        _input.AdvanceTo(read.Buffer.GetPosition(2));
        Assert.True(_input.TryRead(out read));
        Assert.Equal("llo"u8, read.Buffer.ToArray());
        _input.AdvanceTo(read.Buffer.End);
        Assert.False(_input.TryRead(out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5_000)]
    [InlineData(int.MaxValue)]
    public async Task Everything_comes_in_order_however_large_and_the_buffer_grows(int atOnce)
    {
        byte[] bytes = new byte[atOnce == 1 ? 5_000 : 2_000_000];
        new Random(1).NextBytes(bytes);
        _stream.Feed(bytes, atOnce);
        using MemoryStream got = new();
        while (got.Length < bytes.Length)
        {
            ReadResult read = await ReadAsync();
            got.Write(read.Buffer.ToArray());
            _input.AdvanceTo(read.Buffer.End);
        }

        Assert.Equal(bytes, got.ToArray());
        Assert.Equal(atOnce == int.MaxValue, _input.HeldBytes == 256 * 1024);
    }

    [Fact]
    public async Task Bytes_that_are_kept_longer_than_the_buffer_are_gathered_in_a_larger_one()
    {
        byte[] bytes = new byte[50_000];
        new Random(1).NextBytes(bytes);
        _stream.Feed(bytes, atOnce: 3_000);
        ReadResult read = await ReadAsync();
        while (read.Buffer.Length < bytes.Length)
        {
            _input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            read = await ReadAsync();
        }

        Assert.Equal(bytes, read.Buffer.ToArray());
        _input.AdvanceTo(read.Buffer.End);
    }

    [Fact]
    public async Task A_peer_that_has_sent_a_few_times_is_waited_for_without_a_buffer()
    {
        _stream.Feed("abc"u8.ToArray(), atOnce: 1);
        for (int i = 0; i < 3; i++)
            _input.AdvanceTo((await ReadAsync()).Buffer.End);
        Task waiting = _input.WaitToReadAsync().AsTask();
        Assert.Equal(0, _input.HeldBytes);
        await EndAsync(waiting);
    }

    [Fact]
    public async Task A_busy_peer_is_waited_for_with_a_buffer_until_it_is_idle()
    {
        Record();
        _stream.Feed(new byte[20], atOnce: 1);
        Record();
        for (int i = 0; i < 20; i++)
            _input.AdvanceTo((await ReadAsync()).Buffer.End);
        Assert.DoesNotContain(0, _reads[^2..]);
        Task waiting = _input.WaitToReadAsync().AsTask();
        Assert.NotEqual(0, _input.HeldBytes);
        _input.ReleaseIdle();
        await Polling.UntilAsync(() => _input.HeldBytes == 0);
        Assert.False(waiting.IsCompleted);
        Assert.Equal(0, _reads[^1]);
        // It may become busy again.
        await EndAsync(waiting);
    }

    [Fact]
    public async Task A_wait_without_a_buffer_that_ends_without_bytes_keeps_no_buffer_for_an_idle_peer()
    {
        int waits = 0;
        _stream.OnRead = async (buffer, token) =>
        {
            // The first wait ends for nothing, as one does whose bytes an earlier read has taken.
            if (buffer.IsEmpty && waits++ == 0)
                return 0;
            await Task.Delay(Timeout.Infinite, token);
            return 0;
        };
        Task waiting = _input.WaitToReadAsync().AsTask();
        await Polling.UntilAsync(() => _input.HeldBytes > 0);
        _input.ReleaseIdle();
        await Polling.UntilAsync(() => _input.HeldBytes == 0);
        Assert.False(waiting.IsCompleted);
        await EndAsync(waiting);
    }

    [Fact]
    public async Task The_end_completes_the_reader_behind_the_bytes()
    {
        _stream.OnRead = (_, _) => ValueTask.FromResult(0);
        _stream.Feed("x"u8.ToArray());
        ReadResult read = await ReadAsync();
        Assert.False(read.IsCompleted);
        _input.AdvanceTo(read.Buffer.End);
        Assert.True(_input.HasReceived);
        read = await ReadAsync();
        Assert.True(read.IsCompleted && read.Buffer.IsEmpty && _input.HasCarrierEnded);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_read_throws_is_the_loss_of_the_connection_behind_the_bytes(bool isSynchronous)
    {
        _stream.OnRead = (_, _) => isSynchronous ? throw new InvalidTimeZoneException("broken") : ValueTask.FromException<int>(new InvalidTimeZoneException("broken"));
        _stream.Feed("x"u8.ToArray());
        _input.AdvanceTo((await ReadAsync()).Buffer.End);
        IOException lost = await Assert.ThrowsAsync<IOException>(() => ReadAsync());
        Assert.Equal("The connection is lost: broken.", lost.Message);
    }

    [Fact]
    public async Task A_read_that_is_cancelled_by_somebody_else_is_a_loss_too()
    {
        for (int i = 0; i < 20; i++)
        {
            _stream.OnRead = (buffer, _) => ValueTask.FromResult(Math.Min(1, buffer.Length));
            _input.AdvanceTo((await ReadAsync()).Buffer.End);
        }

        _stream.OnRead = (_, _) => ValueTask.FromException<int>(new OperationCanceledException());
        await Assert.ThrowsAsync<IOException>(() => ReadAsync());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    public async Task When_the_connection_is_over_a_read_that_waits_ends_and_so_does_each_later_one(int before)
    {
        _stream.Feed(new byte[before], atOnce: 1);
        for (int i = 0; i < before; i++)
            _input.AdvanceTo((await ReadAsync()).Buffer.End);
        Task waiting = ReadAsync();
        await EndAsync(waiting);
        IOException lost = await Assert.ThrowsAsync<IOException>(() => ReadAsync());
        Assert.IsType<ObjectDisposedException>(lost.InnerException);
        Assert.Throws<IOException>(() => _input.TryReceive(new byte[1], out _));
    }

    [Fact]
    public async Task Bytes_are_received_past_those_that_are_handed_out()
    {
        _stream.Feed("abc"u8.ToArray(), atOnce: 1);
        ReadResult read = await ReadAsync();
        byte[] received = new byte[10];
        Assert.Equal(1, _input.TryReceive(received, out bool ended));
        Assert.Equal(1, _input.TryReceive(received.AsSpan(1), out _));
        Assert.Equal(0, _input.TryReceive(received.AsSpan(2), out _));
        Assert.False(ended);
        Assert.Equal("bc"u8, received[..2]);
        Assert.Equal("a"u8, read.Buffer.ToArray());
        _input.AdvanceTo(read.Buffer.End);
    }

    [Fact]
    public async Task What_comes_after_a_try_to_receive_is_there_for_the_next_try_or_the_next_read()
    {
        TaskCompletionSource<int> bytes = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int given = 0;
        _stream.OnRead = async (buffer, _) =>
        {
            if (buffer.IsEmpty)
                return await bytes.Task * 0;
            buffer.Span[0] = (byte)('a' + given);
            buffer.Span[1] = (byte)('b' + given++);
            return 2;
        };
        byte[] received = new byte[1];
        Assert.Equal(0, _input.TryReceive(received, out bool ended));
        Assert.False(ended || _input.HasUnread);
        Assert.Equal(0, _input.HeldBytes);
        bytes.SetResult(1);
        await Polling.UntilAsync(() => _input.HasUnread);
        Assert.Equal(1, _input.TryReceive(received, out _));
        Assert.Equal((byte)'a', received[0]);
        ReadResult read = await ReadAsync();
        Assert.Equal((byte)'b', Assert.Single(read.Buffer.ToArray()));
        _input.AdvanceTo(read.Buffer.End);
        bytes = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Assert.Equal(0, _input.TryReceive(received, out _));
        Task<ReadResult> reading = ReadAsync();
        bytes.SetResult(1);
        read = await reading;
        Assert.Equal("bc"u8, read.Buffer.ToArray());
    }

    [Fact]
    public async Task The_end_and_a_loss_are_seen_when_bytes_are_received_past_the_buffer()
    {
        _stream.OnRead = (_, _) => ValueTask.FromResult(0);
        Assert.Equal(0, _input.TryReceive(new byte[1], out bool ended));
        Assert.True(ended && _input.HasCarrierEnded);
        Assert.Equal(0, _input.TryReceive(new byte[1], out ended));
        Assert.True(ended);
        Assert.True((await ReadAsync()).IsCompleted);

        var other = new DirectInput(new StreamCarrier(_stream), _pool, _over.Token);
        _stream.OnRead = (_, _) => ValueTask.FromException<int>(new InvalidTimeZoneException("broken"));
        Assert.Throws<IOException>(() => other.TryReceive(new byte[1], out _));
        Assert.True(other.HasCarrierEnded);
        await Assert.ThrowsAsync<IOException>(() => other.ReadAsync(CancellationToken.None).InTime());
    }

    [Fact]
    public async Task A_buffer_that_somebody_still_reads_is_left_to_them()
    {
        _stream.Feed("x"u8.ToArray());
        ReadResult read = await ReadAsync();
        int rented = _input.HeldBytes;
        Assert.Equal(rented, _input.ForgetBuffer());
        Assert.Equal("x"u8, read.Buffer.ToArray());
        Assert.Equal((0, rented), (_input.HeldBytes, (int)_pool.RentedBytes));
        Assert.True(MemoryExtensions.SequenceEqual(read.Buffer.FirstSpan, "x"u8));
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(read.Buffer.First, out ArraySegment<byte> segment);
        _pool.Return(segment.Array!);
    }

    [Fact]
    public void A_pending_read_is_ended_by_closing_the_connection_only() => Assert.Throws<NotSupportedException>(_input.CancelPendingRead);

    private void Record()
    {
        Func<Memory<byte>, CancellationToken, ValueTask<int>> then = _stream.OnRead;
        _stream.OnRead = (buffer, token) =>
        {
            _reads.Add(buffer.Length);
            return then(buffer, token);
        };
    }

    private Task<ReadResult> ReadAsync() => _input.ReadAsync(CancellationToken.None).InTime();

    private async Task EndAsync(Task waiting)
    {
        await _over.CancelAsync();
        await _input.CancelWaitAsync();
        await Assert.ThrowsAsync<IOException>(() => waiting.InTime());
    }
}
