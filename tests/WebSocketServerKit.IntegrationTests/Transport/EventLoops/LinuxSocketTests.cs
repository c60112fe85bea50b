using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public sealed class LinuxSocketTests : IDisposable
{
    private readonly Socket _listener;

    public LinuxSocketTests()
    {
        LinuxOnly.Demand();
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false, NoDelay = true };
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
    }

    public void Dispose() => _listener.Dispose();

    [Fact]
    public async Task It_sends_and_receives_what_there_is_and_says_when_there_is_nothing()
    {
        (Socket peer, LinuxSocket socket) = await ConnectAsync();
        using (peer)
        using (socket)
        {
            byte[] room = new byte[10];
            Assert.Equal(0, socket.Receive(room, out SocketError error));
            Assert.Equal(SocketError.WouldBlock, error);
            Assert.False(socket.HasUnread);
            Assert.Equal(3, socket.Send("abc"u8, out error));
            Assert.Equal(SocketError.Success, error);
            Assert.Equal(3, await peer.ReceiveAsync(room, AcceptedConnections.Timely));
            peer.Send("hello"u8);
            await Polling.UntilAsync(() => socket.HasUnread);
            Assert.Equal(5, socket.Receive(room, out _));
            Assert.Equal("hello"u8.ToArray(), room[..5]);
            peer.Shutdown(SocketShutdown.Send);
            await Polling.UntilAsync(() => socket.Receive(room, out error) == 0 && error == SocketError.Success);
            socket.ShutdownSend();
            Assert.Equal(0, await peer.ReceiveAsync(room, AcceptedConnections.Timely));
            Assert.Equal(0, socket.Send("x"u8, out error));
            Assert.Equal(SocketError.Shutdown, error);
        }
    }

    [Fact]
    public async Task No_connection_waits_is_no_error()
    {
        byte[] address = new byte[LinuxSocket.MaxAddressSize];
        Assert.Null(LinuxSocket.TryAccept(_listener.SafeHandle, address, out _));
        (Socket peer, LinuxSocket socket) = await ConnectAsync();
        Assert.Null(LinuxSocket.TryAccept(_listener.SafeHandle, address, out _));
        peer.Dispose();
        socket.Dispose();
    }

    [Fact]
    public async Task A_reset_is_told_as_such_on_either_side()
    {
        (Socket peer, LinuxSocket socket) = await ConnectAsync();
        using (peer)
        {
            socket.ResetOnClose();
            socket.Dispose();
            SocketException lost = await Assert.ThrowsAsync<SocketException>(() => peer.ReceiveAsync(new byte[1], AcceptedConnections.Timely).AsTask());
            Assert.Equal(SocketError.ConnectionReset, lost.SocketErrorCode);
        }

        (peer, socket) = await ConnectAsync();
        using (socket)
        {
            AcceptedConnections.Reset(peer);
            SocketError error = SocketError.Success;
            await Polling.UntilAsync(() => socket.Receive(new byte[1], out error) == 0 && error != SocketError.WouldBlock);
            Assert.Equal(SocketError.ConnectionReset, error);
        }
    }

    [Fact]
    public async Task What_is_closed_says_so()
    {
        (Socket peer, LinuxSocket socket) = await ConnectAsync();
        socket.Dispose();
        Assert.Throws<ObjectDisposedException>(() => socket.Receive(new byte[1], out _));
        Assert.Throws<ObjectDisposedException>(() => socket.Send(new byte[1], out _));
        Assert.False(socket.HasUnread);
        Assert.Equal(0, await peer.ReceiveAsync(new byte[1], AcceptedConnections.Timely));
        peer.Dispose();
        _listener.Dispose();
        Assert.Throws<ObjectDisposedException>(() => LinuxSocket.TryAccept(_listener.SafeHandle, new byte[16], out _));
    }

    [Fact]
    public async Task Options_are_read_and_set()
    {
        (Socket peer, LinuxSocket socket) = await ConnectAsync();
        using (peer)
        using (socket)
        {
            byte[] value = new byte[4];
            Assert.True(socket.TryGetOption(6, 1, value)); // TCP_NODELAY, inherited
            Assert.NotEqual(0, BitConverter.ToInt32(value));
            socket.SetSendBuffer(50_000);
            Assert.True(socket.TryGetOption(1, 7, value)); // SO_SNDBUF
            Assert.Equal(100_000, BitConverter.ToInt32(value)); // Linux doubles it, for its own records
            Assert.False(socket.TryGetOption(6, 1000, value));
        }
    }

    [Fact]
    public async Task It_knows_the_addresses_of_both_ends()
    {
        using Socket peer = await AcceptedConnections.ConnectAsync(_listener.LocalEndPoint!);
        byte[] address = new byte[LinuxSocket.MaxAddressSize];
        LinuxSocket? socket = null;
        int size = 0;
        await Polling.UntilAsync(() => (socket = LinuxSocket.TryAccept(_listener.SafeHandle, address, out size)) is not null);
        using (socket)
        {
            AddressReader reader = new();
            Assert.Equal(IPAddress.Loopback, reader.Read(address.AsSpan(0, size), out int port));
            Assert.Equal(((IPEndPoint)peer.LocalEndPoint!).Port, port);
            Assert.Equal(IPAddress.Loopback, reader.Read(address.AsSpan(0, socket!.GetLocalAddress(address)), out port));
            Assert.Equal(((IPEndPoint)_listener.LocalEndPoint!).Port, port);
        }
    }

    private async Task<(Socket Peer, LinuxSocket Socket)> ConnectAsync()
    {
        Socket peer = await AcceptedConnections.ConnectAsync(_listener.LocalEndPoint!);
        LinuxSocket? socket = null;
        await Polling.UntilAsync(() => (socket = LinuxSocket.TryAccept(_listener.SafeHandle, new byte[LinuxSocket.MaxAddressSize], out _)) is not null);
        return (peer, socket!);
    }
}
