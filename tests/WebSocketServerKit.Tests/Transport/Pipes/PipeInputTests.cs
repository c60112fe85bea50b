using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Pipes;

public sealed class PipeInputTests : IAsyncDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly RentedMemory _memory;
    private readonly CancellationTokenSource _over = new();
    private readonly FakeStream _stream = new();
    private readonly PipeInput _input;
    private Task _running = Task.CompletedTask;

    public PipeInputTests()
    {
        _memory = new RentedMemory(_pool);
        _input = new PipeInput(new StreamCarrier(_stream), _memory, _over.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _input.WakeUp();
        await _running.InTime();
        _input.Complete();
        _pool.AssertNothingRented();
        Assert.Equal(0, _memory.Held);
        _over.Dispose();
        await _stream.DisposeAsync();
    }

    [Fact]
    public async Task Bytes_are_handed_out_in_one_piece_and_gathered_while_they_are_not_consumed()
    {
        Start("hello"u8.ToArray(), atOnce: 2);
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

    [Fact]
    public async Task Everything_comes_in_order_however_large()
    {
        byte[] bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);
        _stream.OnRead = (_, _) => ValueTask.FromResult(0);
        Start(bytes, atOnce: 1777);
        using var received = new MemoryStream();
        ReadResult read;
        do
        {
            read = await ReadAsync();
            // Sometimes half of it waits for more.
            SequencePosition consumed = read.IsCompleted ? read.Buffer.End : read.Buffer.GetPosition(read.Buffer.Length / 2);
            received.Write(read.Buffer.Slice(0, consumed).ToArray());
            _input.AdvanceTo(consumed, read.Buffer.End);
        }
        while (!read.IsCompleted);
        Assert.Equal(bytes, received.ToArray());
    }

    [Fact]
    public async Task So_much_is_read_ahead_and_no_more()
    {
        Start(new byte[1_000_000]);
        await Polling.UntilAsync(() => _memory.Held >= 64 * 1024);
        Assert.True(_input.HasUnread);
        Assert.InRange(_memory.Held, 64 * 1024, 80 * 1024);
    }

    [Fact]
    public async Task While_nothing_comes_there_is_no_buffer()
    {
        Start("hello"u8.ToArray());
        ReadResult read = await ReadAsync();
        Assert.NotEqual(0, _memory.Held);
        _input.AdvanceTo(read.Buffer.End);
        await Polling.UntilAsync(() => _memory.Held == 0);
    }

    [Fact]
    public async Task The_end_is_told_with_the_last_bytes_or_behind_them()
    {
        _stream.OnRead = (_, _) => ValueTask.FromResult(0);
        Start("x"u8.ToArray());
        await _running.InTime();
        Assert.True(_input.HasCarrierEnded);
        ReadResult read = await ReadAsync();
        Assert.Equal(("x", true), (Encoding.UTF8.GetString(read.Buffer), read.IsCompleted));
        _input.AdvanceTo(read.Buffer.End);
        Assert.True((await ReadAsync()).IsCompleted);
    }

    [Fact]
    public async Task A_failure_is_told_behind_the_bytes_that_came_before_and_again()
    {
        _stream.OnRead = (_, _) => throw new InvalidTimeZoneException("broken");
        Start("hello"u8.ToArray());
        await _running.InTime();
        ReadResult read = await ReadAsync();
        Assert.Equal(5, read.Buffer.Length);
        Assert.False(read.IsCompleted);
        _input.AdvanceTo(read.Buffer.Start, read.Buffer.GetPosition(2)); // the rest has not been looked at
        read = await ReadAsync();
        Assert.Equal(5, read.Buffer.Length);
        _input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        Assert.Equal("The connection is lost: broken.", (await Assert.ThrowsAsync<IOException>(ReadAsync)).Message);
        await Assert.ThrowsAsync<IOException>(ReadAsync);
        Assert.Throws<IOException>(() => _input.TryReceive(new byte[1], out _));
    }

    [Fact]
    public async Task What_has_come_can_be_received_past_what_was_handed_out_before()
    {
        TaskCompletionSource more = Timely.Signal();
        _stream.OnRead = async (buffer, _) =>
        {
            await more.Task;
            buffer.Span.Fill((byte)'y');
            return buffer.IsEmpty ? 0 : 4;
        };
        Start("xxx"u8.ToArray());
        ReadResult held = await ReadAsync();
        byte[] received = new byte[3];
        Assert.Equal(0, _input.TryReceive(received, out bool ended));
        Assert.False(ended);
        more.SetResult();
        await Polling.UntilAsync(() => _input.HasUnread);
        Assert.Equal(3, _input.TryReceive(received, out ended));
        Assert.Equal("yyy"u8, received);
        Assert.Equal("xxx"u8, held.Buffer.ToArray());
        _input.AdvanceTo(held.Buffer.End);
    }

    [Fact]
    public async Task The_end_and_a_failure_are_received_too()
    {
        _stream.OnRead = (_, _) => ValueTask.FromResult(0);
        Start("x"u8.ToArray());
        await _running.InTime();
        Assert.Equal(1, _input.TryReceive(new byte[3], out bool ended));
        Assert.True(ended);
        Assert.Equal(0, _input.TryReceive(new byte[3], out ended));
        Assert.True(ended);
    }

    [Fact]
    public async Task A_read_that_waits_ends_when_the_connection_is_over_even_if_the_stream_goes_on()
    {
        TaskCompletionSource<int> hangs = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource hanging = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _stream.OnRead = (_, _) =>
        {
            hanging.TrySetResult();
            return new ValueTask<int>(hangs.Task);
        };
        Start([]);
        Task<ReadResult> reading = ReadAsync();
        await hanging.Task.InTime();
        await _over.CancelAsync();
        _input.WakeUp();
        IOException lost = await Assert.ThrowsAsync<IOException>(() => reading);
        Assert.IsType<ObjectDisposedException>(lost.InnerException);
        await Assert.ThrowsAsync<IOException>(ReadAsync);
        Assert.Throws<IOException>(() => _input.TryReceive(new byte[1], out _));
        Assert.False(_input.HasUnread);
        Assert.False(_running.IsCompleted);
        hangs.SetResult(0);
    }

    [Fact]
    public async Task A_read_that_blocks_its_thread_blocks_nobody_else()
    {
        using var goOn = new ManualResetEventSlim();
        bool wasSet = false;
        _stream.OnRead = (_, _) =>
        {
            wasSet = goOn.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            return ValueTask.FromResult(0);
        };
        Start([]);
        goOn.Set();
        await _running.InTime();
        Assert.True(wasSet);
    }

    [Fact]
    public void A_read_is_not_cancelled_but_ended() => Assert.Throws<NotSupportedException>(_input.CancelPendingRead);

    private void Start(byte[] bytes, int atOnce = int.MaxValue)
    {
        _stream.Feed(bytes, atOnce);
        _running = _input.RunAsync();
    }

    private Task<ReadResult> ReadAsync() => _input.ReadAsync(CancellationToken.None).InTime();
}
