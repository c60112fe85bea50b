using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.EndPoints;

/// <summary>Sockets that the host has bound, and the options of sockets.</summary>
public class GivenSocketTests
{
    private static readonly IPEndPoint AnyPort = new(IPAddress.Loopback, 0);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_socket_that_is_bound_or_listens_already_serves_with_and_without_TLS(bool listens, bool secure)
    {
        Socket socket = Bind();
        if (listens)
            socket.Listen();
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen(socket, secure ? TlsOptions.FromCertificate(FedClient.Certificate) : new ListenOptions()));
        Assert.Equal(socket.LocalEndPoint, server.EndPoint);
        await EndPointClient.AssertServedAsync(server.EndPoint, secure);
    }

    [Fact]
    public async Task Clients_that_came_before_the_server_started_are_served()
    {
        Socket socket = Bind();
        socket.Listen();
        Task<ClientWebSocket> early = EndPointClient.ConnectAsync(socket.LocalEndPoint!); // the system takes the connection
        await using TestServer server = await TestServer.StartEchoAsync();
        server.Server.Listen(socket);
        using ClientWebSocket client = await early.Timely();
        await client.AssertEchoAsync();
    }

    [Fact]
    public async Task The_server_closes_the_socket_when_it_stops_so_it_serves_for_one_start()
    {
        Socket socket = Bind();
        await using WebSocketServer server = new(new WebSocketServerOptions().Listen(socket));
        await server.StartAsync(TestServer.Timely);
        EndPoint endPoint = server.EndPoints[0];
        await server.StopAsync(TestServer.Timely);
        await EndPointClient.AssertRefusedAsync(endPoint);
        IOException closed = await Assert.ThrowsAsync<IOException>(() => server.StartAsync(TestServer.Timely));
        Assert.StartsWith("Cannot listen on a socket that is closed.", closed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_that_is_refused_is_still_the_callers()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        Socket socket = Bind();
        Assert.Throws<IOException>(() => server.Server.Listen(socket, TlsOptions.FromPfx("/no/such.pfx")));
        Assert.ThrowsAny<ArgumentException>(() => server.Server.Listen(socket, new ListenOptions { Backlog = 0 }));
        EndPoint endPoint = Assert.Single(server.Server.Listen(socket));
        await EndPointClient.AssertServedAsync(endPoint);
        Assert.True(server.Server.StopListening(endPoint));
        Assert.Throws<ObjectDisposedException>(() => socket.Listen());
    }

    [Fact]
    public async Task The_options_of_an_end_point_are_those_of_the_sockets_that_it_accepts()
    {
        ListenOptions options = new()
        {
            NoDelay = false,
            SendBufferSize = 100_000,
            ReceiveBufferSize = 50_000,
            UnsentLimit = 12_345,
            TcpKeepAliveTime = TimeSpan.FromSeconds(30),
            TcpKeepAliveInterval = TimeSpan.FromSeconds(7),
            TcpKeepAliveRetryCount = 4,
        };
        using Socket accepted = await AcceptAsync(options);
        Assert.False(accepted.NoDelay);
        Assert.InRange(accepted.SendBufferSize, 100_000, 200_000); // Linux doubles it
        Assert.InRange(accepted.ReceiveBufferSize, 50_000, 100_000);
        Assert.Equal(1, accepted.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        Assert.Equal(30, accepted.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime));
        Assert.Equal(7, accepted.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval));
        Assert.Equal(4, accepted.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount));
        if (OperatingSystem.IsLinux())
            Assert.Equal(12_345, UnsentLimitOf(accepted));
    }

    [Fact]
    public async Task By_default_data_is_sent_at_once_the_system_holds_little_unsent_and_probes_nobody()
    {
        using Socket accepted = await AcceptAsync(new ListenOptions());
        Assert.True(accepted.NoDelay);
        Assert.Equal(0, accepted.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        if (OperatingSystem.IsLinux())
            Assert.Equal(256 * 1024, UnsentLimitOf(accepted));
    }

    [Fact]
    public async Task The_limit_of_unsent_bytes_can_be_left_to_the_system()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells the option's number.");
        using Socket accepted = await AcceptAsync(new ListenOptions { UnsentLimit = null });
        Assert.NotEqual(256 * 1024, UnsentLimitOf(accepted));
    }

    [Fact]
    public async Task Every_option_serves_with_TCP_and_a_Unix_domain_socket()
    {
        using SocketFiles files = new();
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.ListenDefaults = new ListenOptions
            {
                Backlog = 1,
                NoDelay = false,
                SendBufferSize = 10_000,
                ReceiveBufferSize = 10_000,
                UnsentLimit = 1,
                TcpKeepAliveTime = TimeSpan.FromSeconds(30),
                ExclusiveAddressUse = true,
                DualMode = false,
            };
            options.Listen(AnyPort);
            if (Socket.OSSupportsUnixDomainSockets)
                options.Listen($"unix:{files.Path("app.sock")}");
        });
        foreach (EndPoint endPoint in server.Server.EndPoints)
            await EndPointClient.AssertServedAsync(endPoint);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_IPv6_end_point_takes_IPv4_clients_unless_told_otherwise(bool dual)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen(new IPEndPoint(IPAddress.IPv6Any, 0), new ListenOptions { DualMode = dual }));
        IPEndPoint ipv4 = new(IPAddress.Loopback, server.EndPoint.Port);
        await EndPointClient.AssertServedAsync(new IPEndPoint(IPAddress.IPv6Loopback, server.EndPoint.Port));
        if (dual)
        {
            await EndPointClient.AssertServedAsync(ipv4);
            return;
        }

        await EndPointClient.AssertRefusedAsync(ipv4);
        server.Server.Listen(ipv4); // has room beside it
        await EndPointClient.AssertServedAsync(ipv4);
    }

    // A socket as the server accepts it: its listener and itself have the options.
    private static async Task<Socket> AcceptAsync(ListenOptions options)
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        options.ToSocketSettings().ApplyToListener(listener);
        listener.Bind(AnyPort);
        listener.Listen();
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndPoint!, TestServer.Timely);
        Socket accepted = await listener.AcceptAsync(TestServer.Timely);
        options.ToSocketSettings().ApplyTo(accepted);
        return accepted;
    }

    private static int UnsentLimitOf(Socket socket)
    {
        byte[] value = new byte[4];
        socket.GetRawSocketOption(6, 25, value); // IPPROTO_TCP, TCP_NOTSENT_LOWAT
        return BitConverter.ToInt32(value);
    }

    private static Socket Bind()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(AnyPort);
        return socket;
    }
}
