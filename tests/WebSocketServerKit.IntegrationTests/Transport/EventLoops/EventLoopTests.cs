using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.Versioning;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public sealed class EventLoopTests : IAsyncLifetime
{
    private readonly SliceClock _clock = new(_ => { });
    private readonly List<TransportConnection> _blocking = [];
    private EventLoopGroup _loops = null!;
    private AcceptedConnections _server = null!;

    public ValueTask InitializeAsync()
    {
        LinuxOnly.Demand();
        _loops = new EventLoopGroup(1, ArrayPool<byte>.Shared, _clock, blocked =>
        {
            lock (_blocking)
                _blocking.Add(blocked);
        });
        _server = AcceptedConnections.OnLoopback(_loops.AcceptFrom);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _loops.Stop();
        _loops.Stop();
    }

    [Fact]
    public async Task While_one_reader_blocks_its_thread_another_thread_serves_the_others_and_keeps_the_order_of_each()
    {
        (Socket blockingPeer, TransportConnection blocking) = await _server.ConnectAsync();
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (blockingPeer)
        using (peer)
        {
            using ManualResetEventSlim goOn = new();
            Task<(byte[] Bytes, bool OnPool)> first = await BlockAsync(blockingPeer, blocking, goOn.Wait);
            Assert.Empty(Blocking);
            for (int i = 0; i < 3; i++)
            {
                Task<(byte[] Bytes, bool OnPool)> reading = ReadAsync(connection);
                peer.Send([(byte)i]);
                (byte[] bytes, bool onPool) = await reading.WaitAsync(AcceptedConnections.Timely);
                Assert.Equal([(byte)i], bytes);
                Assert.False(onPool);
            }

            Assert.False(first.IsCompleted);
            await Polling.UntilAsync(() =>
            {
                _clock.AddTick();
                return Blocking.Length > 0;
            });
            Assert.Equal([blocking], Blocking);
            blockingPeer.Send("2"u8);
            goOn.Set();
            Assert.Equal("1"u8.ToArray(), (await first.WaitAsync(AcceptedConnections.Timely)).Bytes);
            Assert.Equal("2"u8.ToArray(), (await ReadAsync(blocking).WaitAsync(AcceptedConnections.Timely)).Bytes);
        }
    }

    [Fact]
    public async Task A_reader_whose_thread_waits_for_a_core_is_not_told_to_block()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            bool isOver = false;
            RunDelay delay = null!;
            Thread[] others = [.. Enumerable.Range(0, 2 * Environment.ProcessorCount).Select(_ => new Thread(Spin))];
            Task<(byte[] Bytes, bool OnPool)> reading = await BlockAsync(peer, connection, () =>
            {
                delay = RunDelay.OfThisThread();
                Spin();
            });
            Array.ForEach(others, other => other.Start());
            TimeSpan before = delay.Total;
            await Polling.UntilAsync(() => delay.Total - before > TimeSpan.FromMilliseconds(60));
            for (int i = 0; i <= EventLoop.BlockedTicks; i++)
                _clock.AddTick();
            Volatile.Write(ref isOver, true);
            Array.ForEach(others, other => other.Join());
            await reading.WaitAsync(AcceptedConnections.Timely);
            Assert.Empty(Blocking);

            void Spin()
            {
                while (!Volatile.Read(ref isOver))
                    Thread.SpinWait(100);
            }
        }
    }

    [Fact]
    public async Task A_client_whose_reader_has_blocked_is_served_on_the_thread_pool_for_a_second()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            using ManualResetEventSlim goOn = new();
            Thread blocked = null!;
            Task<(byte[] Bytes, bool OnPool)> reading = await BlockAsync(peer, connection, () =>
            {
                blocked = Thread.CurrentThread;
                goOn.Wait();
            });
            goOn.Set();
            await reading.WaitAsync(AcceptedConnections.Timely);
            await Polling.UntilAsync(() => !blocked.IsAlive); // it has lost the turn, so it ends
            for (int i = 0; i <= EventLoop.BlockedTicks; i++)
                _clock.AddTick();
            Assert.Empty(Blocking);

            Assert.True(await IsOnPoolAsync(), "on the loop");
            await ServeOtherAsync(); // so the turn that has left the reader to the pool is over
            for (int i = 0; i < 250; i++)
                _clock.AddTick();
            Assert.False(await IsOnPoolAsync(), "on the pool");
        }

        async Task ServeOtherAsync()
        {
            (Socket otherPeer, TransportConnection other) = await _server.ConnectAsync();
            using (otherPeer)
            {
                Task reading = ReadAsync(other);
                otherPeer.Send("x"u8);
                await reading.WaitAsync(AcceptedConnections.Timely);
            }
        }

        async Task<bool> IsOnPoolAsync()
        {
            Task<(byte[] Bytes, bool OnPool)> reading = ReadAsync(connection);
            peer.Send("x"u8);
            return (await reading.WaitAsync(AcceptedConnections.Timely)).OnPool;
        }
    }

    [Fact]
    public async Task A_turn_that_is_over_in_time_is_not_taken_over()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            for (int i = 0; i < 20; i++)
            {
                Task<(byte[] Bytes, bool OnPool)> reading = ReadAsync(connection);
                peer.Send("x"u8);
                Assert.False((await reading.WaitAsync(AcceptedConnections.Timely)).OnPool);
                _clock.AddTick();
            }

            Assert.Empty(Blocking);
        }
    }

    [Fact]
    public async Task The_clock_goes_on_while_one_turn_follows_another_so_that_a_reader_that_blocks_is_seen()
    {
        const int Turns = 60; // of a tick each
        SliceClock clock = new();
        EventLoopGroup loops = new(1, ArrayPool<byte>.Shared, clock);
        await using (AcceptedConnections server = AcceptedConnections.OnLoopback(loops.AcceptFrom))
        {
            List<Socket> peers = [];
            List<Task> reading = [];
            for (int i = 0; i < Turns; i++)
            {
                (Socket peer, TransportConnection connection) = await server.ConnectAsync();
                peers.Add(peer);
                reading.Add(ReadAsync(connection, i == 0 ? SendToOthers : WaitForTick));
            }

            peers[0].Send("x"u8);
            await Task.WhenAll(reading).WaitAsync(AcceptedConnections.Timely);
            foreach (Socket peer in peers)
                peer.Dispose();

            // In the turn of the first, so that the loop finds all others at once.
            void SendToOthers()
            {
                foreach (Socket peer in peers.Skip(1))
                    peer.Send("x"u8);
            }

            void WaitForTick()
            {
                int now = clock.Now;
                Assert.True(SpinWait.SpinUntil(() => clock.Now != now, TimeSpan.FromSeconds(20)));
            }
        }

        loops.Stop();
    }

    [Fact]
    public async Task A_loop_for_which_no_other_thread_can_be_started_keeps_its_own_until_one_can()
    {
        bool starts = true;
        EventLoopGroup loops = new(1, ArrayPool<byte>.Shared, _clock, start: thread =>
        {
            if (!starts)
                throw new InvalidOperationException("no threads left");
            thread.UnsafeStart();
        });
        await using (AcceptedConnections server = AcceptedConnections.OnLoopback(loops.AcceptFrom))
        {
            (Socket blockingPeer, TransportConnection blocking) = await server.ConnectAsync();
            (Socket peer, TransportConnection connection) = await server.ConnectAsync();
            using (blockingPeer)
            using (peer)
            {
                using ManualResetEventSlim goOn = new();
                starts = false;
                Task<(byte[] Bytes, bool OnPool)> first = await BlockAsync(blockingPeer, blocking, goOn.Wait);
                goOn.Set();
                await first.WaitAsync(AcceptedConnections.Timely);
                Assert.True(await ServesAsync(), "It has lost its thread.");

                goOn.Reset();
                first = await BlockAsync(blockingPeer, blocking, goOn.Wait);
                starts = true;
                _clock.AddTick();
                Assert.True(await ServesAsync(), "Nobody has taken it over.");
                goOn.Set();
                await first.WaitAsync(AcceptedConnections.Timely);
            }

            async Task<bool> ServesAsync()
            {
                Task<(byte[] Bytes, bool OnPool)> reading = ReadAsync(connection);
                peer.Send("x"u8);
                return !(await reading.WaitAsync(AcceptedConnections.Timely)).OnPool;
            }
        }

        loops.Stop();
        int before = Epolls();
        Assert.Throws<InvalidOperationException>(() => new EventLoopGroup(1, ArrayPool<byte>.Shared, _clock, start: _ => throw new InvalidOperationException("no threads left")));
        await Polling.UntilAsync(() => Epolls() <= before);
    }

    [Theory]
    [InlineData(0u, 0)]
    [InlineData(7u, 63)]
    [InlineData(0x7fff_ffffu, 0)]
    [InlineData(0x8000_0000u, 0)]
    [InlineData(uint.MaxValue, int.MaxValue)]
    public void The_key_of_a_connection_tells_its_place_and_is_no_listeners_however_many_were_before_it(uint added, int slot)
    {
        long key = EventLoop.KeyOf(added, slot);
        Assert.True(key >= 0, $"{key}");
        Assert.Equal(slot, (int)key);
        Assert.NotEqual(key, EventLoop.KeyOf(added + 1, slot));
    }

    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(1, 250, true)]
    [InlineData(249, 250, true)]
    [InlineData(250, 250, false)]
    [InlineData(int.MinValue, 0, false)] // a process that has run for 99 days, and a client that has never blocked
    [InlineData(-5, 0, true)]            // a client that blocks just then
    [InlineData(int.MaxValue, int.MinValue + 1, true)]
    public void A_client_is_off_the_loop_for_a_second_at_most_also_when_the_ticks_overflow(int now, int until, bool isOff) =>
        Assert.Equal(isOff, EventLoop.IsOffLoop(now, until));

    [Fact]
    public async Task A_stopped_loop_leaves_no_thread_and_no_descriptor()
    {
        int before = Epolls();
        EventLoop loop = new(ArrayPool<byte>.Shared, _clock, "loop to stop");
        Assert.True(HasThread("loop to stop"));
        loop.Stop();
        await Polling.UntilAsync(() => !HasThread("loop to stop"));
        await Polling.UntilAsync(() => Epolls() <= before);
    }

    [Fact]
    public async Task A_connection_that_was_closed_leaves_the_loop()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            Assert.Equal(1, _loops.WithFewest.Count);
            await connection.DisposeAsync();
            await connection.DisposeAsync();
            Assert.Equal(0, _loops.WithFewest.Count);
        }
    }

    private TransportConnection[] Blocking
    {
        get
        {
            lock (_blocking)
                return [.. _blocking];
        }
    }

    // A reader that blocks the thread of the loop until the action returns, and the loop was taken over.
    private async Task<Task<(byte[] Bytes, bool OnPool)>> BlockAsync(Socket peer, TransportConnection connection, Action block)
    {
        TaskCompletionSource blocks = Async.Gate();
        Task<(byte[] Bytes, bool OnPool)> reading = ReadAsync(connection, () =>
        {
            blocks.SetResult();
            block();
        });
        peer.Send("1"u8);
        await blocks.Task.WaitAsync(AcceptedConnections.Timely);
        for (int i = 0; i <= EventLoop.TakeOverTicks; i++)
            _clock.AddTick();
        return reading;
    }

    private static async Task<(byte[] Bytes, bool OnPool)> ReadAsync(TransportConnection connection, Action? inLoop = null)
    {
        await connection.WaitToReadAsync().ConfigureAwait(false);
        Assert.True(connection.Input.TryRead(out ReadResult read));
        byte[] bytes = read.Buffer.ToArray();
        bool onPool = Thread.CurrentThread.IsThreadPoolThread;
        inLoop?.Invoke();
        connection.Input.AdvanceTo(read.Buffer.End);
        return (bytes, onPool);
    }

    private static bool HasThread(string name) => Directory.EnumerateDirectories("/proc/self/task").Any(thread => Text(Path.Combine(thread, "comm")).TrimEnd() == name);

    // Of the whole process, in which other tests have loops too.
    private static int Epolls() => Directory.EnumerateFiles("/proc/self/fd").Count(file => new FileInfo(file).LinkTarget == "anon_inode:[eventpoll]");

    private static string Text(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return ""; // the thread has ended
        }
    }
}
