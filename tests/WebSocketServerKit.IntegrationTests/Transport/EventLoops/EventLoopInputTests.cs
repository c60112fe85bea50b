using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.Versioning;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public sealed class EventLoopInputTests : IAsyncLifetime
{
    private readonly LeakCheckingPool _pool = new();
    private EventLoopGroup _loops = null!;
    private AcceptedConnections _server = null!;

    public ValueTask InitializeAsync()
    {
        LinuxOnly.Demand();
        _loops = new EventLoopGroup(1, _pool, new SliceClock(_ => { }));
        _server = AcceptedConnections.OnLoopback(_loops.AcceptFrom);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _loops.Stop();
        await Polling.UntilAsync(() => _pool.Rented == 0);
        _pool.AssertNothingRented();
    }

    [Fact]
    public async Task A_reader_that_waits_goes_on_on_the_threads_of_its_loop_and_holds_no_buffer_afterwards()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            for (int i = 0; i < 3; i++)
            {
                Task<(byte[] Bytes, string? Thread)> reading = ReadOnceAsync(connection);
                peer.Send("hello"u8);
                (byte[] bytes, string? thread) = await reading.WaitAsync(AcceptedConnections.Timely);
                Assert.Equal("hello"u8.ToArray(), bytes);
                Assert.Equal("WebSocket loop 0", thread);
                await Polling.UntilAsync(() => _pool.Rented == 0);
                Assert.Equal(0, connection.HeldBytes);
            }
        }
    }

    [Fact]
    public async Task What_a_reader_keeps_stays_as_it_is_while_the_loop_serves_others()
    {
        (Socket keeper, TransportConnection kept) = await _server.ConnectAsync();
        (Socket other, TransportConnection busy) = await _server.ConnectAsync();
        using (keeper)
        using (other)
        {
            List<ReadOnlySequence<byte>> all = [];
            for (int i = 0; i < 3; i++)
            {
                Task<ReadResult> reading = kept.Input.ReadTimelyAsync();
                keeper.Send([(byte)i, 1, 2, 3]);
                ReadResult read = await reading;
                all.Add(read.Buffer);
                byte[] sent = new byte[1_000_000];
                new Random(i).NextBytes(sent);
                Task<byte[]> receiving = ReadAsync(busy, sent.Length);
                await other.SendAsync(sent);
                Assert.Equal(sent, await receiving.WaitAsync(AcceptedConnections.Timely));
                Assert.Equal([(byte)i, 1, 2, 3], read.Buffer.ToArray());
                Assert.InRange(kept.HeldBytes, 4, 4096);
                kept.Input.AdvanceTo(read.Buffer.End);
            }

            await Polling.UntilAsync(() => _pool.Rented == 0);
        }
    }

    [Fact]
    public async Task A_reader_that_runs_in_the_turn_of_another_one_leaves_that_ones_bytes_alone()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        (Socket otherPeer, TransportConnection other) = await _server.ConnectAsync();
        using (peer)
        using (otherPeer)
        {
            otherPeer.Send("other bytes"u8);
            await Polling.UntilAsync(() => other.HasUnread);
            Task<(byte[] Bytes, byte[] Others)> reading = ReadBothAsync();
            peer.Send("bytes"u8);
            (byte[] bytes, byte[] others) = await reading.WaitAsync(AcceptedConnections.Timely);
            Assert.Equal("bytes"u8.ToArray(), bytes);
            Assert.Equal("other bytes"u8.ToArray(), others);
        }

        async Task<(byte[] Bytes, byte[] Others)> ReadBothAsync()
        {
            await connection.WaitToReadAsync().ConfigureAwait(false);
            Assert.True(connection.Input.TryRead(out ReadResult read));
            byte[] others = (await ReadOnceAsync(other).ConfigureAwait(false)).Bytes;
            byte[] bytes = read.Buffer.ToArray();
            connection.Input.AdvanceTo(read.Buffer.End);
            return (bytes, others);
        }
    }

    [Fact]
    public async Task Many_readers_that_keep_a_little_share_an_array()
    {
        List<(Socket Peer, TransportConnection Connection, ReadResult Read)> all = [];
        for (int i = 0; i < 100; i++)
        {
            (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
            Task<ReadResult> reading = connection.Input.ReadTimelyAsync();
            peer.Send(BitConverter.GetBytes(i));
            all.Add((peer, connection, await reading));
        }

        Assert.InRange(_pool.Rented, 1, 2 + 100); // the ones that had begun to read before they waited have their own
        for (int i = 0; i < all.Count; i++)
        {
            Assert.Equal(BitConverter.GetBytes(i), all[i].Read.Buffer.ToArray());
            all[i].Connection.Input.AdvanceTo(all[i].Read.Buffer.End);
            all[i].Peer.Dispose();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(70_000)]
    public async Task Delivers_every_byte_in_order_however_much_is_left_unconsumed(int kept)
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            byte[] sent = new byte[1_000_000];
            new Random(kept).NextBytes(sent);
            Task sending = peer.SendAsync(sent);
            int taken = 0;
            while (taken < sent.Length)
            {
                ReadResult read = await connection.Input.ReadTimelyAsync();
                byte[] bytes = read.Buffer.ToArray();
                Assert.True(bytes.AsSpan().SequenceEqual(sent.AsSpan(taken, bytes.Length)));
                int consumed = taken + bytes.Length == sent.Length ? bytes.Length : Math.Max(0, bytes.Length - kept);
                connection.Input.AdvanceTo(read.Buffer.GetPosition(consumed), read.Buffer.End);
                taken += consumed;
            }

            await sending;
        }
    }

    [Fact]
    public async Task Returns_at_once_what_was_not_examined()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            peer.Send("abc"u8);
            ReadResult first = await connection.Input.ReadTimelyAsync();
            connection.Input.AdvanceTo(first.Buffer.GetPosition(1));
            Assert.True(connection.Input.TryRead(out ReadResult second));
            Assert.Equal("bc"u8.ToArray(), second.Buffer.ToArray());
            connection.Input.AdvanceTo(second.Buffer.End);
            Assert.False(connection.Input.TryRead(out _));
        }
    }

    [Fact]
    public async Task The_end_of_the_peers_side_completes_the_reader_for_good_also_if_it_came_with_the_last_bytes()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            peer.Send("last"u8);
            peer.Shutdown(SocketShutdown.Send);
            await Polling.UntilAsync(() => connection.HasPeerEnded);
            Assert.Equal("last"u8.ToArray(), await ReadAsync(connection, 4));
            for (int i = 0; i < 3; i++)
            {
                ReadResult read = await connection.Input.ReadTimelyAsync();
                Assert.True(read.IsCompleted);
                connection.Input.AdvanceTo(read.Buffer.End);
            }
        }
    }

    [Fact]
    public async Task A_lost_connection_is_told_again_and_again_although_the_system_tells_it_once()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        Task<ReadResult> reading = connection.Input.ReadTimelyAsync();
        AcceptedConnections.Reset(peer);
        await Assert.ThrowsAsync<IOException>(() => reading);
        Exception? next = await Record.ExceptionAsync(connection.Input.ReadTimelyAsync);
        Assert.True(next is null or IOException);
    }

    private static async Task<(byte[] Bytes, string? Thread)> ReadOnceAsync(TransportConnection connection)
    {
        await connection.WaitToReadAsync().ConfigureAwait(false);
        Assert.True(connection.Input.TryRead(out ReadResult read));
        byte[] bytes = read.Buffer.ToArray();
        connection.Input.AdvanceTo(read.Buffer.End);
        return (bytes, Thread.CurrentThread.Name);
    }

    private static async Task<byte[]> ReadAsync(TransportConnection connection, int count)
    {
        using MemoryStream received = new();
        while (received.Length < count)
        {
            ReadResult read = await connection.Input.ReadTimelyAsync().ConfigureAwait(false);
            foreach (ReadOnlyMemory<byte> segment in read.Buffer)
                received.Write(segment.Span);
            connection.Input.AdvanceTo(read.Buffer.End);
        }

        return received.ToArray();
    }
}
