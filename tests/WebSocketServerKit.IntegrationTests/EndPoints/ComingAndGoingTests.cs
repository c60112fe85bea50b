using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.EndPoints;

/// <summary>End points that are added and removed while the server runs.</summary>
public class ComingAndGoingTests
{
    private static readonly IPEndPoint AnyPort = new(IPAddress.Loopback, 0);

    [Fact]
    public async Task An_end_point_that_is_added_serves_clients_and_EndPoints_tells_its_port()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        EndPoint first = Assert.Single(server.Server.EndPoints);
        EndPoint second = Assert.Single(server.Server.Listen("http://127.0.0.1:0"));
        EndPoint third = Assert.Single(server.Server.Listen(AnyPort));
        Assert.NotEqual(0, ((IPEndPoint)second).Port);
        Assert.Equal([first, second, third], server.Server.EndPoints);
        foreach (EndPoint endPoint in server.Server.EndPoints)
            await EndPointClient.AssertServedAsync(endPoint);
        Assert.Equal(3, server.Log.Of(1).Count); // Listening on
    }

    [Fact]
    public async Task A_server_that_listened_nowhere_takes_its_first_end_point()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions());
        server.OnMessage((client, message) => client.SendAsync(message.Payload, message.MessageType));
        await server.StartAsync(TestServer.Timely);
        Assert.False(server.IsListening);
        EndPoint endPoint = Assert.Single(server.Listen(AnyPort));
        Assert.True(server.IsListening);
        await EndPointClient.AssertServedAsync(endPoint);
    }

    [Fact]
    public async Task Clients_of_an_end_point_that_is_removed_stay_connected_and_nobody_else_comes()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        EndPoint added = Assert.Single(server.Server.Listen(AnyPort));
        using ClientWebSocket client = await EndPointClient.ConnectAsync(added);
        Assert.True(server.Server.StopListening(added));
        Assert.Equal([server.EndPoint], server.Server.EndPoints);
        await EndPointClient.AssertRefusedAsync(added);
        await client.AssertEchoAsync();
        await EndPointClient.AssertServedAsync(server.EndPoint);
        await client.AssertEchoAsync("still here");
        Assert.Contains(added.ToString()!, Assert.Single(server.Log.Of(25)).Message, StringComparison.Ordinal); // No longer listening on
    }

    [Fact]
    public async Task An_address_is_removed_by_its_text_with_all_end_points_that_it_stands_for()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions { Urls = ["http://localhost:0", "http://127.0.0.1:0"] });
        await server.StartAsync(TestServer.Timely);
        EndPoint other = server.EndPoints[^1];
        Assert.Single(server.Listen("http://127.0.0.1:0"));
        Assert.True(server.StopListening("http://localhost:0"));
        Assert.Equal(2, server.EndPoints.Count);
        Assert.False(server.StopListening("http://localhost:0"));
        Assert.Contains(other, server.EndPoints);
        Assert.True(server.StopListening("http://127.0.0.1:0"));
        Assert.Empty(server.EndPoints);
        await EndPointClient.AssertRefusedAsync(other);
        await server.StopAsync(TestServer.Timely);
        Assert.False(server.StopListening("http://127.0.0.1:0"));
    }

    [Fact]
    public async Task A_removed_end_point_can_be_listened_on_again_at_once_though_its_clients_stay()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        EndPoint endPoint = server.EndPoint;
        List<ClientWebSocket> clients = [];
        for (int i = 0; i < 5; i++)
        {
            clients.Add(await EndPointClient.ConnectAsync(endPoint));
            Assert.True(server.Server.StopListening(endPoint));
            Assert.False(server.Server.IsListening);
            Assert.Equal(endPoint, Assert.Single(server.Server.Listen(endPoint)));
        }

        Assert.Equal(5, server.Clients.Count);
        foreach (ClientWebSocket client in clients)
        {
            await client.AssertEchoAsync();
            client.Dispose();
        }
    }

    [Fact]
    public async Task Both_end_points_of_localhost_are_removed_one_by_one()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        await using TestServer server = await TestServer.StartEchoAsync();
        IReadOnlyList<EndPoint> added = server.Server.Listen("http://localhost:0");
        Assert.Equal([IPAddress.Loopback, IPAddress.IPv6Loopback], added.Select(endPoint => ((IPEndPoint)endPoint).Address));
        Assert.True(server.Server.StopListening(added[0]));
        await EndPointClient.AssertRefusedAsync(added[0]);
        await EndPointClient.AssertServedAsync(added[1]);
        Assert.True(server.Server.StopListening(added[1]));
        Assert.Equal([server.EndPoint], server.Server.EndPoints);
    }

    [Fact]
    public async Task What_is_not_listened_on_is_not_removed()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        Assert.False(server.Server.StopListening(new IPEndPoint(IPAddress.Loopback, 1)));
        Assert.False(server.Server.StopListening(new UnixDomainSocketEndPoint("/tmp/no-such.sock")));
        Assert.Throws<ArgumentNullException>(() => server.Server.StopListening((EndPoint)null!));
        EndPoint endPoint = server.EndPoint;
        await server.Server.StopAsync(TestServer.Timely);
        Assert.False(server.Server.StopListening(endPoint));
    }

    [Fact]
    public async Task Added_end_points_are_forgotten_at_the_next_start()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        server.Server.Listen(AnyPort);
        await server.Server.StopAsync(TestServer.Timely);
        Assert.Empty(server.Server.EndPoints);
        await server.Server.StartAsync(TestServer.Timely);
        Assert.Single(server.Server.EndPoints);
    }

    [Fact]
    public async Task Only_a_server_that_runs_takes_an_end_point()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions { StopTimeout = TimeSpan.FromMinutes(1), CloseTimeout = TimeSpan.FromMinutes(1) }.Listen(AnyPort));
        TaskCompletionSource connected = Async.Gate();
        server.ClientConnected += (_, _) => connected.SetResult();
        Assert.StartsWith("The server is not started.", Assert.Throws<InvalidOperationException>(() => server.Listen(AnyPort)).Message, StringComparison.Ordinal);

        await server.StartAsync(TestServer.Timely);
        EndPoint endPoint = server.EndPoints[0];
        using ClientWebSocket client = await EndPointClient.ConnectAsync(endPoint);
        await connected.Task.Timely();
        Task<StopResult> stopping = server.StopAsync(TestServer.Timely); // waits for the client, which does not answer
        Assert.StartsWith("The server is stopping", Assert.Throws<InvalidOperationException>(() => server.Listen(AnyPort)).Message, StringComparison.Ordinal);
        Assert.False(server.StopListening(endPoint));
        Assert.Empty(server.EndPoints);
        client.Abort();
        await stopping.Timely();
        Assert.Throws<InvalidOperationException>(() => server.Listen("http://127.0.0.1:0"));

        server.Dispose();
        Assert.Throws<ObjectDisposedException>(() => server.Listen(AnyPort));
        Assert.False(server.StopListening(endPoint));
    }

    [Fact]
    public async Task An_end_point_that_cannot_be_listened_on_leaves_the_others()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TcpListener other = new(IPAddress.Loopback, 0);
        other.Start();
        IOException taken = Assert.Throws<IOException>(() => server.Server.Listen(other.LocalEndpoint));
        Assert.StartsWith($"Cannot listen on {other.LocalEndpoint}: the address is already in use. Stop the program", taken.Message, StringComparison.Ordinal);
        IOException twice = Assert.Throws<IOException>(() => server.Server.Listen(server.EndPoint));
        Assert.EndsWith("it is among the server's end points twice. Leave one out.", twice.Message, StringComparison.Ordinal);
        IOException noFile = Assert.Throws<IOException>(() => server.Server.Listen("https://127.0.0.1:0", TlsOptions.FromPfx("/no/such.pfx")));
        Assert.StartsWith("Cannot read the certificate: ", noFile.Message, StringComparison.Ordinal);
        Assert.Equal([server.EndPoint], server.Server.EndPoints);
        await EndPointClient.AssertServedAsync(server.EndPoint);
    }

    public static TheoryData<string, Action<WebSocketServer>> Wrong => new()
    {
        { "\"127.0.0.1:80\" has no scheme: write http:// in front", server => server.Listen("127.0.0.1:80") },
        { "\"http://example.com:80\" names a host that is no address", server => server.Listen("http://example.com:80") },
        { "The server cannot listen on a DnsEndPoint. Use an IPEndPoint", server => server.Listen(new DnsEndPoint("localhost", 80)) },
        { "\"https://127.0.0.1:0\" needs a certificate: options.Listen(\"https://127.0.0.1:0\", TlsOptions.FromPem(", server => server.Listen("https://127.0.0.1:0") },
        { "\"ws://127.0.0.1:0\" has a certificate and is no https URL: write \"https://127.0.0.1:0\".", server => server.Listen("ws://127.0.0.1:0", TlsOptions.FromCertificate(FedClient.Certificate)) },
        { "127.0.0.1:0 expects the PROXY protocol, but the server was started without TrustedProxies", server => server.Listen(AnyPort, new ListenOptions { ProxyProtocol = true }) },
        { "ListenOptions.Backlog is 0; it must be from 1", server => server.Listen(AnyPort, new ListenOptions { Backlog = 0 }) },
        { "ListenOptions.SendBufferSize is -1; it must be from 1", server => server.Listen(AnyPort, new ListenOptions { SendBufferSize = -1 }) },
        { "ListenOptions.TcpKeepAliveTime is 00:00:00.5000000; it must be from 1 s to 9 h.", server => server.Listen(AnyPort, new ListenOptions { TcpKeepAliveTime = TimeSpan.FromSeconds(0.5) }) },
        { "ListenOptions.TcpKeepAliveTime is null, so the other options of TCP keep-alive have no effect. Set it too.", server => server.Listen(AnyPort, new ListenOptions { TcpKeepAliveRetryCount = 3 }) },
        { "ListenOptions.Tls is not complete: it has no certificate. Use TlsOptions.FromPem", server => server.Listen(AnyPort, new TlsOptions()) },
        { "ListenOptions.Tls is not complete: it has a KeyFile or a Password, and no CertificateFile.", server => server.Listen(AnyPort, KeyWithoutCertificate()) },
        { "The server cannot listen on a socket of type Dgram. It has to be a stream socket.", server => server.Listen(NewSocket(SocketType.Dgram)) },
        { "The socket has no address. Bind it first, or use Listen(EndPoint).", server => server.Listen(NewSocket(SocketType.Stream)) },
    };

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public async Task What_cannot_be_listened_on_is_refused_with_a_message_that_tells_what_to_do(string message, Action<WebSocketServer> listen)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        Assert.StartsWith(message, Assert.ThrowsAny<ArgumentException>(() => listen(server.Server)).Message, StringComparison.Ordinal);
        Assert.Equal([server.EndPoint], server.Server.EndPoints);
    }

    [Fact]
    public async Task A_handler_adds_and_removes_end_points()
    {
        TaskCompletionSource<EndPoint> added = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartEchoAsync();
        server.Server.OnConnected((client, _) =>
        {
            if (server.Server.StopListening(client.LocalEndPoint))
                added.SetResult(Assert.Single(server.Server.Listen(AnyPort)));
            return ValueTask.CompletedTask;
        });
        using ClientWebSocket client = await EndPointClient.ConnectAsync(server.EndPoint);
        EndPoint next = await added.Task.Timely();
        Assert.Equal([next], server.Server.EndPoints);
        await client.AssertEchoAsync();
    }

    [Fact]
    public async Task Many_threads_add_and_remove_end_points_and_none_is_lost_or_left()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        await Parallel.ForEachAsync(Enumerable.Range(0, 50), TestServer.Timely, async (_, _) =>
        {
            EndPoint endPoint = Assert.Single(server.Server.Listen(AnyPort));
            await EndPointClient.AssertServedAsync(endPoint);
            Assert.True(server.Server.StopListening(endPoint));
        });
        Assert.Equal([server.EndPoint], server.Server.EndPoints);
    }

    [Fact]
    public async Task An_end_point_that_is_added_while_the_server_is_disposed_is_free_afterwards()
    {
        for (int i = 0; i < 20; i++)
        {
            WebSocketServer server = new(AnyPort);
            await server.StartAsync(TestServer.Timely);
            using Barrier both = new(2);
            IReadOnlyList<EndPoint> added = [];
            Task adding = Task.Run(
                () =>
                {
                    both.SignalAndWait(TestServer.Timely);
                    try
                    {
                        added = server.Listen(AnyPort);
                    }
                    catch (InvalidOperationException)
                    {
                        // Too late. ObjectDisposedException is one too.
                    }
                },
                TestServer.Timely);
            both.SignalAndWait(TestServer.Timely);
            await server.DisposeAsync();
            await adding.Timely();
            foreach (EndPoint endPoint in added)
                await EndPointClient.AssertRefusedAsync(endPoint);
        }
    }

    [Fact]
    public async Task Plain_and_TLS_end_points_of_every_kind_serve_on_one_server()
    {
        Assert.SkipUnless(Socket.OSSupportsUnixDomainSockets, "This system has no Unix domain sockets.");
        using SocketFiles files = new();
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.ListenDefaults = TlsOptions.FromCertificate(FedClient.Certificate);
            options.Listen(AnyPort, new ListenOptions());
            options.Listen(AnyPort, TlsOptions.FromCertificate(FedClient.Certificate));
            options.Urls = ["http://127.0.0.1:0", "https://127.0.0.1:0", $"https://unix:{files.Path("tls.sock")}", "https://localhost:0"];
        });
        server.Server.Listen($"unix:{files.Path("plain.sock")}", new ListenOptions());
        bool[] secure = [false, true, false, true, true, .. server.Server.EndPoints.Skip(5).SkipLast(1).Select(_ => true), false];
        foreach ((EndPoint endPoint, bool isSecure) in server.Server.EndPoints.Zip(secure))
        {
            using ClientWebSocket client = await EndPointClient.ConnectAsync(endPoint, isSecure);
            WebSocketClient connected = await server.NextClientAsync();
            Assert.Equal(isSecure, connected.Tls is not null);
            Assert.Equal(endPoint.ToString(), connected.LocalEndPoint.ToString());
            await client.AssertEchoAsync();
        }
    }

    [Fact]
    public async Task The_certificate_of_an_end_point_that_is_removed_or_failed_is_watched_no_longer()
    {
        using SocketFiles files = new();
        string file = files.Path("server.pfx");
        await File.WriteAllBytesAsync(file, ExportCertificate(), TestServer.Timely);
        TlsOptions tls = TlsOptions.FromPfx(file);
        await using TestServer server = await TestServer.StartEchoAsync(options => options.TimeProvider = new FakeTimeProvider(DateTimeOffset.UtcNow));
        IReadOnlyList<EndPoint> added = server.Server.Listen("https://localhost:0", tls);
        Assert.Throws<IOException>(() => server.Server.Listen(added[0], TlsOptions.FromPfx(file)));

        await File.WriteAllTextAsync(file, "broken", TestServer.Timely);
        server.Pass(TimeSpan.FromSeconds(20));
        Assert.Single(server.Log.Of(31)); // unusable: told once, though two end points use it and a third one failed

        foreach (EndPoint endPoint in added)
            Assert.True(server.Server.StopListening(endPoint));
        await File.WriteAllTextAsync(file, "broken in another way", TestServer.Timely);
        server.Pass(TimeSpan.FromSeconds(20));
        Assert.Single(server.Log.Of(31));

        // The same options are read anew.
        Assert.Throws<IOException>(() => server.Server.Listen("https://127.0.0.1:0", tls));
        await File.WriteAllBytesAsync(file, ExportCertificate(), TestServer.Timely);
        await EndPointClient.AssertServedAsync(Assert.Single(server.Server.Listen("https://127.0.0.1:0", tls)), secure: true);
    }

    private static byte[] ExportCertificate() => FedClient.Certificate.Export(X509ContentType.Pfx);

    private static TlsOptions KeyWithoutCertificate()
    {
        TlsOptions tls = TlsOptions.FromCertificate(FedClient.Certificate);
        tls.KeyFile = "key.pem";
        return tls;
    }

    private static Socket NewSocket(SocketType type) => new(AddressFamily.InterNetwork, type, ProtocolType.Unspecified);
}
