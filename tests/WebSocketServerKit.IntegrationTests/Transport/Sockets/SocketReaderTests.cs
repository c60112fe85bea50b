using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Sockets;

public sealed class SocketReaderTests : IAsyncLifetime
{
    private readonly LeakCheckingPool _pool = new();
    private Socket _peer = null!;
    private Socket _socket = null!;
    private SocketReader _reader = null!;

    public async ValueTask InitializeAsync()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        _peer = await AcceptedConnections.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        _socket = await listener.AcceptSocketAsync(AcceptedConnections.Timely);
        _reader = new SocketReader(_socket, _pool);
    }

    public ValueTask DisposeAsync()
    {
        _peer.Dispose();
        _socket.Dispose();
        _reader.Complete();
        _pool.AssertNothingRented();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Holds_no_buffer_while_the_peer_has_never_spoken()
    {
        Task<ReadResult> read = ReadAsync();
        Assert.False(read.IsCompleted);
        Assert.Equal(0, _pool.Rented);

        _peer.Send("hello"u8);
        Assert.Equal("hello", Text(await read));
        Assert.Equal(1, _pool.Rented);
    }

    [Fact]
    public async Task Holds_no_buffer_while_it_waits_for_a_peer_that_has_spoken_only_a_few_times()
    {
        for (int i = 0; i < 15; i++)
        {
            Task<ReadResult> read = ReadAsync();
            Assert.False(read.IsCompleted);
            Assert.Equal(0, _pool.Rented);
            _peer.Send("few"u8);
            ReadResult result = await read;
            Assert.Equal("few", Text(result));
            _reader.AdvanceTo(result.Buffer.End);
        }
    }

    [Fact]
    public async Task Gives_its_buffer_back_when_the_peer_is_found_silent_and_still_hears_it_later()
    {
        for (int i = 0; i < 16; i++)
            await ExchangeAsync("one"u8.ToArray());
        Task<ReadResult> read = ReadAsync();
        Assert.Equal(1, _pool.Rented);

        _reader.ReleaseIdle();
        await Polling.UntilAsync(() => _pool.Rented == 0);
        _reader.ReleaseIdle();
        Assert.False(read.IsCompleted);

        _peer.Send("two"u8);
        Assert.Equal("two", Text(await read));
    }

    [Fact]
    public async Task Keeps_what_is_not_consumed_even_when_it_is_told_that_the_peer_is_silent()
    {
        _peer.Send("abc"u8);
        ReadResult first = await ReadAsync();
        _reader.AdvanceTo(first.Buffer.GetPosition(1), first.Buffer.End);

        Task<ReadResult> read = ReadAsync();
        _reader.ReleaseIdle();
        _peer.Send("def"u8);
        Assert.Equal("bcdef", Text(await read));
    }

    [Fact]
    public async Task Returns_at_once_what_was_not_examined()
    {
        _peer.Send("abc"u8);
        ReadResult first = await ReadAsync();
        _reader.AdvanceTo(first.Buffer.GetPosition(1));
        Assert.True(_reader.TryRead(out ReadResult second));
        Assert.Equal("bc", Text(second));
        _reader.AdvanceTo(second.Buffer.End);
        Assert.False(_reader.TryRead(out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(70_000)]
    public async Task Delivers_every_byte_in_order_however_much_is_left_unconsumed(int kept)
    {
        byte[] sent = new byte[300_000];
        new Random(kept).NextBytes(sent);
        Task sending = _peer.SendAsync(sent);

        int taken = 0;
        while (taken < sent.Length)
        {
            ReadResult read = await ReadAsync();
            byte[] bytes = read.Buffer.ToArray();
            Assert.True(bytes.AsSpan().SequenceEqual(sent.AsSpan(taken, bytes.Length)));
            int consumed = taken + bytes.Length == sent.Length ? bytes.Length : Math.Max(0, bytes.Length - kept);
            _reader.AdvanceTo(read.Buffer.GetPosition(consumed), read.Buffer.End);
            taken += consumed;
        }

        await sending;
    }

    [Fact]
    public async Task Reads_more_at_once_when_reads_fill_the_buffer()
    {
        Task sending = _peer.SendAsync(new byte[4_000_000]);
        long largest = 0;
        for (long taken = 0; taken < 4_000_000;)
        {
            ReadResult read = await ReadAsync();
            largest = Math.Max(largest, read.Buffer.Length);
            taken += read.Buffer.Length;
            _reader.AdvanceTo(read.Buffer.End);
        }

        await sending;
        Assert.InRange(largest, 64 * 1024, 256 * 1024); // how far the sender is ahead is up to the system
    }

    [Fact]
    public void A_read_is_not_cancelled() => Assert.Throws<NotSupportedException>(_reader.CancelPendingRead);

    [Fact]
    public async Task Who_finds_silent_may_come_after_the_end()
    {
        Task<ReadResult> read = ReadAsync();
        _peer.Send("x"u8);
        await read;
        _reader.Complete();

        _reader.ReleaseIdle();
    }

    [Fact]
    public async Task The_end_of_the_peers_side_completes_the_reader_for_good()
    {
        _peer.Send("last"u8);
        _peer.Shutdown(SocketShutdown.Send);
        ReadResult read = await ReadAsync();
        while (!read.IsCompleted)
        {
            _reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            read = await ReadAsync();
        }

        Assert.Equal("last", Text(read));
        Assert.True((await ReadAsync()).IsCompleted);
    }

    [Fact]
    public async Task A_lost_connection_is_an_IOException_whenever_it_is_noticed()
    {
        Task<ReadResult> pending = ReadAsync();
        _socket.Dispose();
        await Assert.ThrowsAsync<IOException>(() => pending);
        await Assert.ThrowsAsync<IOException>(ReadAsync);
    }

    [Fact]
    public async Task Finding_silent_from_another_thread_loses_nothing()
    {
        byte[] sent = new byte[200_000];
        new Random(1).NextBytes(sent);
        using CancellationTokenSource done = new();
        Task disturbing = Task.Run(() => { while (!done.IsCancellationRequested) _reader.ReleaseIdle(); }, AcceptedConnections.Timely);
        Task sending = Task.Run(async () =>
        {
            for (int i = 0; i < sent.Length; i += 100)
                await _peer.SendAsync(sent.AsMemory(i, 100));
        }, AcceptedConnections.Timely);

        using MemoryStream received = new();
        while (received.Length < sent.Length)
        {
            ReadResult read = await ReadAsync();
            foreach (ReadOnlyMemory<byte> segment in read.Buffer)
                received.Write(segment.Span);
            _reader.AdvanceTo(read.Buffer.End);
        }

        await sending;
        await done.CancelAsync();
        await disturbing;
        Assert.Equal(sent, received.ToArray());
    }

    private Task<ReadResult> ReadAsync() => _reader.ReadTimelyAsync();

    private async Task ExchangeAsync(byte[] bytes)
    {
        _peer.Send(bytes);
        ReadResult read = await ReadAsync();
        Assert.Equal(bytes, read.Buffer.ToArray());
        _reader.AdvanceTo(read.Buffer.End);
    }

    private static string Text(ReadResult read) => Encoding.ASCII.GetString(read.Buffer);
}
