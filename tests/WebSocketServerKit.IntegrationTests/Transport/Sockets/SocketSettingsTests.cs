using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

public class SocketSettingsTests
{
    private const int Tcp = 6;
    private const int UnsentLimit = 25; // TCP_NOTSENT_LOWAT on Linux

    private static async Task<(Socket Client, Socket Accepted)> ConnectAsync(SocketSettings settings)
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        settings.ApplyToListener(listener);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        Socket client = await AcceptedConnections.ConnectAsync(listener.LocalEndPoint!);
        Socket accepted = await listener.AcceptAsync(AcceptedConnections.Timely);
        settings.ApplyTo(accepted);
        return (client, accepted);
    }

    private static int Option(Socket socket, int option)
    {
        byte[] value = new byte[4];
        socket.GetRawSocketOption(Tcp, option, value);
        return BitConverter.ToInt32(value);
    }

    [Fact]
    public async Task By_default_nothing_waits_for_more_and_the_system_chooses_the_buffers()
    {
        (Socket client, Socket socket) = await ConnectAsync(SocketSettings.Default);
        using (client)
        using (socket)
        {
            Assert.True(socket.NoDelay);
            Assert.False(socket.Blocking);
            Assert.Equal(0, (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive)!);
            if (OperatingSystem.IsLinux())
                Assert.Equal(256 * 1024, Option(socket, UnsentLimit));
        }
    }

    [Fact]
    public async Task Every_option_reaches_the_accepted_socket()
    {
        (Socket client, Socket socket) = await ConnectAsync(new SocketSettings
        {
            NoDelay = false,
            UnsentLimit = 16 * 1024,
            SendBufferSize = 40_000,
            ReceiveBufferSize = 30_000,
            TcpKeepAliveTime = TimeSpan.FromSeconds(60),
            TcpKeepAliveInterval = TimeSpan.FromSeconds(7),
            TcpKeepAliveRetryCount = 3,
            ExclusiveAddressUse = true,
        });
        using (client)
        using (socket)
        {
            Assert.False(socket.NoDelay);
            Assert.NotEqual(0, (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive)!);
            Assert.Equal(60, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!);
            Assert.Equal(7, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval)!);
            Assert.Equal(3, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount)!);
            // Linux doubles the size, for its own records.
            Assert.InRange(socket.SendBufferSize, 40_000, 80_000);
            Assert.InRange(socket.ReceiveBufferSize, 30_000, 60_000);
            if (OperatingSystem.IsLinux())
                Assert.Equal(16 * 1024, Option(socket, UnsentLimit));
        }
    }

    [Fact]
    public async Task Without_a_limit_for_unsent_bytes_the_system_s_own_applies()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The option has another number elsewhere.");
        (Socket client, Socket socket) = await ConnectAsync(new SocketSettings { UnsentLimit = null });
        using (client)
        using (socket)
            Assert.NotEqual(256 * 1024, Option(socket, UnsentLimit));
    }

    [Fact]
    public void Dual_mode_is_as_wanted()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        foreach (bool dual in (bool[])[true, false])
        {
            using Socket listener = new(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            new SocketSettings { DualMode = dual }.ApplyToListener(listener);
            Assert.Equal(dual, listener.DualMode);
        }
    }
}
