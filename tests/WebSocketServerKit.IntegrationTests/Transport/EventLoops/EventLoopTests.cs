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
            Task<(byte[] Bytes, bool OnPool)> first = await BlockAsync(blockingPeer, blocking, goOn);
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
            for (int i = 0; i <= EventLoop.BlockedTicks; i++)
                _clock.AddTick();
            await Polling.UntilAsync(() => Blocking.Length > 0);
            _clock.AddTick();
            Assert.Equal([blocking], Blocking);
            blockingPeer.Send("2"u8);
            goOn.Set();
            Assert.Equal("1"u8.ToArray(), (await first.WaitAsync(AcceptedConnections.Timely)).Bytes);
            Assert.Equal("2"u8.ToArray(), (await ReadAsync(blocking).WaitAsync(AcceptedConnections.Timely)).Bytes);
        }
    }

    [Fact]
    public async Task A_client_whose_reader_has_blocked_is_served_on_the_thread_pool_for_a_second()
    {
        (Socket peer, TransportConnection connection) = await _server.ConnectAsync();
        using (peer)
        {
            using ManualResetEventSlim goOn = new();
            Task<(byte[] Bytes, bool OnPool)> reading = await BlockAsync(peer, connection, goOn);
            goOn.Set();
            await reading.WaitAsync(AcceptedConnections.Timely);
            for (int i = 0; i <= EventLoop.BlockedTicks; i++)
                _clock.AddTick();
            Assert.Empty(Blocking);

            Assert.True(await IsOnPoolAsync(), "on the loop");
            for (int i = 0; i < 250; i++)
                _clock.AddTick();
            Assert.False(await IsOnPoolAsync(), "on the pool");
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

    // A reader that blocks the thread of the loop until it may go on, and the loop was taken over.
    private async Task<Task<(byte[] Bytes, bool OnPool)>> BlockAsync(Socket peer, TransportConnection connection, ManualResetEventSlim goOn)
    {
        TaskCompletionSource blocks = Async.Gate();
        Task<(byte[] Bytes, bool OnPool)> reading = ReadAsync(connection, () =>
        {
            blocks.SetResult();
            goOn.Wait();
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
