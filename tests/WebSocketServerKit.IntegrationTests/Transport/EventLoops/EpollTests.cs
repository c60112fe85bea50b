using System.Net.Sockets;
using System.Runtime.Versioning;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public sealed class EpollTests : IDisposable
{
    private readonly Epoll _epoll;

    public EpollTests()
    {
        LinuxOnly.Demand();
        _epoll = new Epoll();
    }

    public void Dispose() => _epoll.Close();

    [Fact]
    public async Task Tells_what_a_socket_has_become_once_with_its_key()
    {
        await using AcceptedConnections server = AcceptedConnections.OnLoopback();
        (Socket client, TransportConnection connection) = await server.ConnectAsync();
        using (client)
        {
            _epoll.Watch(client.SafeHandle, 0x1234_5678_9abc_def0);
            Assert.Equal([(PollEvents.Writable, 0x1234_5678_9abc_def0)], Wait());
            await connection.WriteAsync("x"u8.ToArray());
            Assert.Equal([(PollEvents.Readable | PollEvents.Writable, 0x1234_5678_9abc_def0)], Wait());
            _epoll.Wake();
            Assert.Equal([(PollEvents.Readable, Epoll.WakeKey)], Wait());
            connection.ShutdownSend();
            _epoll.Wake();
            Assert.Contains((PollEvents.Readable | PollEvents.Writable | PollEvents.PeerEnded, 0x1234_5678_9abc_def0), Wait());
        }
    }

    [Fact]
    public void A_wake_ends_a_wait_that_has_begun_or_begins_later()
    {
        _epoll.Wake();
        Assert.Equal([(PollEvents.Readable, Epoll.WakeKey)], Wait());
        List<(PollEvents, long)> found = [];
        var waiting = new Thread(() => found = Wait());
        waiting.Start();
        _epoll.Wake();
        waiting.Join();
        Assert.Equal([(PollEvents.Readable, Epoll.WakeKey)], found);
    }

    [Fact]
    public void A_socket_that_is_closed_cannot_be_watched()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        SafeSocketHandle handle = socket.SafeHandle;
        socket.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _epoll.Watch(handle, 1));
    }

    [Fact]
    public void What_is_closed_touches_no_descriptor_that_the_system_has_given_out_since()
    {
        Epoll closed = new();
        closed.Close();
        Epoll[] since = [.. Enumerable.Range(0, 20).Select(_ => new Epoll())];
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Assert.Throws<ObjectDisposedException>(() => closed.Watch(socket.SafeHandle, 1));
        Assert.Throws<ObjectDisposedException>(() => closed.Rearm(socket.SafeHandle, 1));
        closed.Forget(socket.SafeHandle);
        closed.Wake();
        foreach (Epoll epoll in since)
        {
            epoll.Watch(socket.SafeHandle, 1);
            epoll.Close();
        }
    }

    private List<(PollEvents Events, long Key)> Wait() => [.. Enumerable.Range(0, _epoll.Wait()).Select(index => _epoll[index])];
}
