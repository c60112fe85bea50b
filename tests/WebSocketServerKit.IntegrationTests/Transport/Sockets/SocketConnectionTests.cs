using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Reflection;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>What every connection over a socket promises.</summary>
public abstract class SocketConnectionTests : IAsyncLifetime
{
    /// <summary>More than loopback's socket buffers hold, so that writing it waits for a peer that does not read.</summary>
    private const int MoreThanFits = 64 * 1024 * 1024;

    private AcceptedConnections _server = null!;
    private Socket _client = null!;
    private TransportConnection _connection = null!;

    private static CancellationToken Token => AcceptedConnections.Timely;

    /// <summary>Accepts the connections.</summary>
    private protected abstract AcceptFactory Accept { get; }

    public async ValueTask InitializeAsync()
    {
        _server = AcceptedConnections.OnLoopback(Accept);
        (_client, _connection) = await _server.ConnectAsync();
    }

    public virtual async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Reads_what_the_peer_sent_and_then_its_end()
    {
        await _client.SendAsync("hello"u8.ToArray(), Token);
        _client.Shutdown(SocketShutdown.Send);

        Assert.Equal("hello"u8.ToArray(), await ReadToEndAsync());
    }

    [Fact]
    public async Task Half_closing_delivers_every_byte_then_the_end_and_still_reads()
    {
        byte[] sent = RandomBytes(5_000_000);
        Task<byte[]> received = ReceiveToEndAsync();

        await _connection.WriteAsync(sent);
        _connection.ShutdownSend();

        Assert.Equal(sent, await received);
        await _client.SendAsync("late answer"u8.ToArray(), Token);
        _client.Shutdown(SocketShutdown.Send);
        Assert.Equal("late answer"u8.ToArray(), await ReadToEndAsync());
    }

    [Fact]
    public async Task A_write_waits_until_the_system_has_taken_all_of_it()
    {
        byte[] sent = RandomBytes(MoreThanFits);
        ValueTask writing = _connection.WriteAsync(sent);
        Assert.False(writing.IsCompleted);

        byte[] received = new byte[MoreThanFits];
        for (int length = 0; length < received.Length;)
            length += await _client.ReceiveAsync(received.AsMemory(length), Token);

        await writing.AsTask().WaitAsync(Token);
        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public async Task What_has_arrived_can_be_received_without_waiting_and_past_the_reader()
    {
        byte[] buffer = new byte[10];
        Assert.Equal((0, false), (_connection.TryReceive(buffer, out bool ended), ended));
        Assert.False(_connection.HasUnread);
        await _client.SendAsync("hello, world"u8.ToArray(), Token);
        await Polling.UntilAsync(() => _connection.HasUnread);
        Assert.Equal((10, false), (_connection.TryReceive(buffer, out ended), ended));
        Assert.Equal("hello, wor"u8.ToArray(), buffer);
        _client.Shutdown(SocketShutdown.Send);
        Assert.Equal("ld"u8.ToArray(), await ReadToEndAsync());
        Assert.Equal((0, true), (_connection.TryReceive(buffer, out ended), ended));
    }

    [Fact]
    public async Task To_receive_without_waiting_tells_of_a_lost_connection_and_of_one_that_was_cut()
    {
        _client.LingerState = new LingerOption(enable: true, seconds: 0);
        _client.Dispose();
        await Polling.UntilAsync(() => Record.Exception(() => _connection.TryReceive(new byte[1], out _)) is IOException { InnerException: SocketException });
        _connection.Abort();
        Assert.IsType<ObjectDisposedException>(Assert.Throws<IOException>(() => _connection.TryReceive(new byte[1], out _)).InnerException);
        Assert.False(_connection.HasUnread);
    }

    [Fact]
    public async Task The_bytes_that_the_peer_takes_are_seen_to_grow()
    {
        long before = _connection.BytesTaken;
        await _connection.WriteAsync(new byte[1000]);
        await Polling.UntilAsync(() => _connection.BytesTaken == before + 1000);
    }

    [Fact]
    public async Task A_buffer_that_was_left_to_who_reads_it_is_not_written_to_again()
    {
        await _client.SendAsync("theirs"u8.ToArray(), Token);
        ReadResult read = await _connection.Input.ReadAsync(CancellationToken.None);
        ReadOnlySequence<byte> theirs = read.Buffer;
        _connection.ForgetBuffers();
        await _client.SendAsync("other bytes"u8.ToArray(), Token);
        _client.Shutdown(SocketShutdown.Send);
        Assert.Equal("other bytes"u8.ToArray(), await ReadToEndAsync());
        await _connection.DisposeAsync();
        Assert.Equal("theirs"u8.ToArray(), theirs.ToArray());
    }

    [Fact]
    public async Task Trying_to_write_takes_what_the_system_takes_at_once_and_no_more()
    {
        byte[] sent = RandomBytes(MoreThanFits);
        int taken = _connection.TryWrite(sent);
        Assert.InRange(taken, 1, MoreThanFits - 1);

        byte[] received = new byte[taken];
        for (int length = 0; length < received.Length;)
            length += await _client.ReceiveAsync(received.AsMemory(length), Token);
        Assert.True(sent.AsSpan(0, taken).SequenceEqual(received));
    }

    [Fact]
    public void Trying_to_write_to_a_connection_that_was_cut_takes_nothing()
    {
        _connection.Abort();
        Assert.Equal(0, _connection.TryWrite(new byte[1]));
    }

    [Fact]
    public void A_write_that_completes_at_once_allocates_nothing()
    {
        // In a Debug build the compiler makes every async method's state an object.
        var build = typeof(TransportConnection).Assembly.GetCustomAttribute<DebuggableAttribute>();
        Assert.SkipWhen(build is { IsJITOptimizerDisabled: true }, "Only a Release build allocates nothing.");

        ReadOnlyMemory<byte> bytes = RandomBytes(64);
        WriteOneHundred(bytes);

        long before = GC.GetAllocatedBytesForCurrentThread();
        WriteOneHundred(bytes);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public async Task Writing_after_the_half_close_throws_an_IOException()
    {
        _connection.ShutdownSend();

        await AssertWriteFails(_connection.WriteAsync(new byte[1]));
    }

    [Fact]
    public async Task Aborting_resets_the_peer()
    {
        _connection.Abort();

        SocketException reset = await Assert.ThrowsAsync<SocketException>(async () => await _client.ReceiveAsync(new byte[1], Token));
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    }

    [Fact]
    public async Task Aborting_ends_a_pending_read_and_a_pending_write()
    {
        Task<ReadResult> reading = _connection.Input.ReadTimelyAsync();
        ValueTask writing = _connection.WriteAsync(new byte[MoreThanFits]);
        Assert.False(reading.IsCompleted);
        Assert.False(writing.IsCompleted);

        _connection.Abort();

        IOException readLoss = await AssertReadFails(reading);
        IOException writeLoss = await AssertWriteFails(writing);
        Assert.Equal("this side cut it", TransportErrors.DescribeLoss(readLoss));
        Assert.Equal("this side cut it", TransportErrors.DescribeLoss(writeLoss));
    }

    [Fact]
    public async Task After_an_abort_reads_and_writes_fail_the_half_close_and_another_abort_do_nothing_and_the_addresses_stay()
    {
        _connection.Abort();
        _connection.Abort();
        _connection.ShutdownSend();

        Assert.Equal("this side cut it", TransportErrors.DescribeLoss(await AssertReadFails(_connection.Input.ReadTimelyAsync())));
        Assert.Equal("this side cut it", TransportErrors.DescribeLoss(await AssertWriteFails(_connection.WriteAsync(new byte[1]))));
        Assert.Equal(_server.Listener.LocalEndPoint, _connection.LocalEndPoint);
        Assert.Equal(_client.LocalEndPoint, _connection.RemoteEndPoint);
    }

    [Fact]
    public async Task Aborting_from_many_threads_at_once_is_harmless()
    {
        Task<ReadResult> reading = _connection.Input.ReadTimelyAsync();

        Parallel.For(0, 8, _ => _connection.Abort());

        await AssertReadFails(reading);
    }

    [Fact]
    public async Task A_reset_by_the_peer_ends_a_pending_read_and_a_pending_write_and_every_later_one()
    {
        Task<ReadResult> reading = _connection.Input.ReadTimelyAsync();
        ValueTask writing = _connection.WriteAsync(new byte[MoreThanFits]);
        Assert.False(reading.IsCompleted);
        Assert.False(writing.IsCompleted);

        AcceptedConnections.Reset(_client);

        // One of the two hears of the reset, the other finds the connection ended.
        await AssertReadEnds(reading);
        await AssertWriteFails(writing);
        await AssertWriteFails(_connection.WriteAsync(new byte[1]));
        _connection.ShutdownSend();
    }

    [Fact]
    public async Task A_reader_that_is_told_of_the_reset_can_say_so()
    {
        AcceptedConnections.Reset(_client);

        IOException loss = await AssertReadFails(_connection.Input.ReadTimelyAsync());

        Assert.Equal("the peer reset the connection", TransportErrors.DescribeLoss(loss));
        IOException writeLoss = await AssertWriteFails(_connection.WriteAsync(new byte[1]));
        Assert.Equal("the connection had already ended", TransportErrors.DescribeLoss(writeLoss));
    }

    [Fact]
    public async Task Disposing_closes_politely_once_and_later_writes_fail_like_any_other()
    {
        await _connection.WriteAsync("bye"u8.ToArray());

        await _connection.DisposeAsync();
        await _connection.DisposeAsync();
        _connection.Abort();
        _connection.ShutdownSend();

        Assert.Equal("bye"u8.ToArray(), await ReceiveToEndAsync());
        await AssertWriteFails(_connection.WriteAsync(new byte[1]));
    }

    private static byte[] RandomBytes(int count)
    {
        byte[] bytes = new byte[count];
        new Random(6455).NextBytes(bytes);
        return bytes;
    }

    private void WriteOneHundred(ReadOnlyMemory<byte> bytes)
    {
        for (int i = 0; i < 100; i++)
        {
            ValueTask writing = _connection.WriteAsync(bytes);
            Assert.True(writing.IsCompletedSuccessfully);
        }
    }

    private static async Task<IOException> AssertReadFails(Task<ReadResult> reading) =>
        await Assert.ThrowsAsync<IOException>(() => reading);

    private static async Task<IOException> AssertWriteFails(ValueTask writing)
    {
        IOException loss = await Assert.ThrowsAsync<IOException>(() => writing.AsTask().WaitAsync(Token));
        Assert.True(loss.InnerException is SocketException or ObjectDisposedException);
        return loss;
    }

    private static async Task AssertReadEnds(Task<ReadResult> reading)
    {
        try
        {
            Assert.True((await reading).IsCompleted);
        }
        catch (IOException)
        {
            // The read heard of it first.
        }
    }

    private async Task<byte[]> ReadToEndAsync()
    {
        ReadResult result = await _connection.Input.ReadTimelyAsync();
        while (!result.IsCompleted)
        {
            _connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            result = await _connection.Input.ReadTimelyAsync();
        }

        byte[] bytes = result.Buffer.ToArray();
        _connection.Input.AdvanceTo(result.Buffer.End);
        return bytes;
    }

    private async Task<byte[]> ReceiveToEndAsync()
    {
        using var stream = new NetworkStream(_client, ownsSocket: false);
        using var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes, Token);
        return bytes.ToArray();
    }
}
