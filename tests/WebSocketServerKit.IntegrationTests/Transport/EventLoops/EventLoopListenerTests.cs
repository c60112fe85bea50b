using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public sealed class EventLoopListenerTests : IDisposable
{
    private readonly EventLoopGroup _loops;

    public EventLoopListenerTests()
    {
        LinuxOnly.Demand();
        _loops = new EventLoopGroup(1, ArrayPool<byte>.Shared, new SliceClock(_ => { }));
    }

    public void Dispose() => _loops.Stop();

    [Fact]
    public async Task It_accepts_many_at_once_and_later_ones_too()
    {
        await using AcceptedConnections server = new(new IPEndPoint(IPAddress.Loopback, 0), run: false, accept: _loops.AcceptFrom);
        List<Socket> peers = [];
        for (int i = 0; i < 100; i++)
            peers.Add(await AcceptedConnections.ConnectAsync(server.EndPoint));
        server.Run();
        HashSet<int> ports = [];
        for (int i = 0; i < 100; i++)
            ports.Add(((IPEndPoint)(await server.NextAsync()).RemoteEndPoint).Port);
        Assert.Equal(peers.Select(peer => ((IPEndPoint)peer.LocalEndPoint!).Port).Order(), ports.Order());
        for (int i = 0; i < 30; i++)
            peers.Add((await server.ConnectAsync()).Client);
        foreach (Socket peer in peers)
            peer.Dispose();
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    public async Task Both_ends_have_their_IPv4_addresses(string listensOn)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6 || listensOn != "::", "This machine has no IPv6.");
        await using AcceptedConnections server = new(new IPEndPoint(IPAddress.Parse(listensOn), 0), accept: _loops.AcceptFrom);
        for (int i = 1; i <= 2; i++)
        {
            IPEndPoint local = new(new IPAddress([127, 0, 0, (byte)(listensOn == "127.0.0.1" ? 1 : i)]), server.EndPoint.Port);
            using Socket peer = await AcceptedConnections.ConnectAsync(local);
            TransportConnection connection = await server.NextAsync();
            Assert.Equal(peer.LocalEndPoint, connection.RemoteEndPoint);
            Assert.Equal(((IPEndPoint)peer.LocalEndPoint!).Address, connection.RemoteAddress);
            Assert.Equal(local, connection.LocalEndPoint);
        }
    }

    [Fact]
    public async Task A_connection_without_addresses_has_the_path_that_the_server_listens_on()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await using (AcceptedConnections server = new(new UnixDomainSocketEndPoint(path), accept: _loops.AcceptFrom))
        {
            (Socket peer, TransportConnection connection) = await server.ConnectAsync();
            using (peer)
            {
                Assert.Equal(path, connection.RemoteEndPoint.ToString());
                Assert.Equal(path, connection.LocalEndPoint.ToString());
                Assert.Equal(EndPointAddress.None, connection.RemoteAddress);
            }
        }

        File.Delete(path);
    }

    [Fact]
    public async Task A_client_with_the_longest_path_is_accepted_like_any_other()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory();
        string path = Path.Combine(folder.FullName, "s");
        await using (AcceptedConnections server = new(new UnixDomainSocketEndPoint(path), accept: _loops.AcceptFrom))
        {
            using Socket peer = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            peer.Bind(new RawPath(Encoding.ASCII.GetBytes(Path.Combine(folder.FullName, "c").PadRight(108, 'c'))));
            await peer.ConnectAsync(new UnixDomainSocketEndPoint(path), AcceptedConnections.Timely);
            Assert.Equal(path, (await server.NextAsync()).RemoteEndPoint.ToString());
            Assert.Empty(server.Reports);
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_stop_is_seen_also_between_two_connections_that_are_accepted_in_a_row()
    {
        using Socket listener = Listen();
        using CancellationTokenSource stopping = new();
        AcceptNext accept = _loops.AcceptFrom(listener, SocketSettings.Default, stopping.Token);
        List<Socket> peers = [];
        for (int i = 0; i < 8; i++)
            peers.Add(await AcceptedConnections.ConnectAsync(listener.LocalEndPoint!));
        foreach (Socket peer in peers)
        {
            await using TransportConnection? connection = await accept(CancellationToken.None).AsTask().WaitAsync(AcceptedConnections.Timely);
            peer.Dispose();
        }

        await stopping.CancelAsync();
        // As if its caller had asked just before the stop.
        OperationCanceledException stopped = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accept(CancellationToken.None).AsTask().WaitAsync(AcceptedConnections.Timely));
        Assert.Equal(stopping.Token, stopped.CancellationToken);
    }

    [Fact]
    public async Task A_listener_that_another_process_shares_is_watched_no_longer_after_the_stop()
    {
        using Socket listener = Listen();
        using Socket shared = new(new SafeSocketHandle(Duplicate((int)listener.Handle), ownsHandle: true));
        string socket = new FileInfo($"/proc/self/fd/{shared.Handle}").LinkTarget!; // socket:[number]
        string number = $"ino:{long.Parse(socket[8..^1], CultureInfo.InvariantCulture):x} ";
        using CancellationTokenSource stopping = new();
        _loops.AcceptFrom(listener, SocketSettings.Default, stopping.Token);
        Assert.True(IsWatched());
        await stopping.CancelAsync();
        Assert.False(IsWatched());

        bool IsWatched() => Directory.EnumerateFiles("/proc/self/fd").Any(file => new FileInfo(file).LinkTarget == "anon_inode:[eventpoll]" && Watched(Path.GetFileName(file)).Contains(number, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_options_of_the_listener_are_those_of_its_connections()
    {
        SocketSettings settings = new() { SendBufferSize = 40_000, UnsentLimit = 16 * 1024, TcpKeepAliveTime = TimeSpan.FromSeconds(60) };
        using TransportListener listener = TransportListener.Start(new IPEndPoint(IPAddress.Loopback, 0), settings, accept: _loops.AcceptFrom);
        TaskCompletionSource<TransportConnection> accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task running = listener.RunAsync(accepted.SetResult, _ => { }, TimeProvider.System);
        using Socket peer = await AcceptedConnections.ConnectAsync(listener.LocalEndPoint);
        TransportConnection connection = await accepted.Task.WaitAsync(AcceptedConnections.Timely);
        LinuxSocket socket = ((EventLoopConnection)connection).Socket;
        Assert.NotEqual(0, Option(socket, 6, 1));        // TCP_NODELAY
        Assert.Equal(16 * 1024, Option(socket, 6, 25));  // TCP_NOTSENT_LOWAT
        Assert.Equal(60, Option(socket, 6, 4));          // TCP_KEEPIDLE
        Assert.NotEqual(0, Option(socket, 1, 9));        // SO_KEEPALIVE
        Assert.Equal(80_000, Option(socket, 1, 7));      // SO_SNDBUF; Linux doubles it, for its own records
        connection.SetSendBuffer(20_000, isWish: false);
        Assert.Equal(80_000, Option(socket, 1, 7));
        connection.SetSendBuffer(20_000, isWish: true);
        Assert.Equal(40_000, Option(socket, 1, 7));
        await connection.DisposeAsync();
        listener.Dispose();
        await running.WaitAsync(AcceptedConnections.Timely);
    }

    [Fact]
    public async Task What_uses_a_connection_starts_on_the_thread_of_its_loop()
    {
        using TransportListener listener = TransportListener.Start(new IPEndPoint(IPAddress.Loopback, 0), accept: _loops.AcceptFrom);
        User user = new();
        TransportConnection? accepted = null;
        Task running = listener.RunAsync(
            connection =>
            {
                accepted = connection;
                connection.Start(user);
            },
            _ => { },
            TimeProvider.System);
        using Socket peer = await AcceptedConnections.ConnectAsync(listener.LocalEndPoint);
        // On the pool if the loop was faster than the accept loop, whose first wait begins there.
        Assert.True(await user.Started.Task.WaitAsync(AcceptedConnections.Timely) is "WebSocket loop 0" or ".NET TP Worker");
        await accepted!.DisposeAsync();
        listener.Dispose();
        await running.WaitAsync(AcceptedConnections.Timely);
    }

    private static Socket Listen()
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    // What an epoll instance watches; nothing if another test has closed it.
    private static string Watched(string epoll)
    {
        try
        {
            return File.ReadAllText($"/proc/self/fdinfo/{epoll}");
        }
        catch (IOException)
        {
            return "";
        }
    }

    [DllImport("libc", EntryPoint = "dup")]
    private static extern int Duplicate(int file);

    private static int Option(LinuxSocket socket, int level, int name)
    {
        byte[] value = new byte[4];
        Assert.True(socket.TryGetOption(level, name, value));
        return BitConverter.ToInt32(value);
    }

    // struct sockaddr_un with a path that .NET has no end point for.
    private sealed class RawPath(byte[] path) : EndPoint
    {
        public override AddressFamily AddressFamily => AddressFamily.Unix;

        public override SocketAddress Serialize()
        {
            SocketAddress address = new(AddressFamily.Unix, sizeof(ushort) + path.Length);
            path.CopyTo(address.Buffer[sizeof(ushort)..]);
            return address;
        }
    }

    private sealed class User : IThreadPoolWorkItem
    {
        public TaskCompletionSource<string?> Started { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Execute() => Started.SetResult(Thread.CurrentThread.Name);
    }
}
