using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.EndPoints;

/// <summary>Servers that share a port, as two programs do during a restart: <see cref="ListenOptions.ReusePort"/>.</summary>
public class ReusePortTests
{
    private static readonly IPEndPoint AnyPort = new(IPAddress.Loopback, 0);

    public ReusePortTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs Linux.");

    [Fact]
    public async Task Two_servers_share_a_port_and_each_gets_a_part_of_the_clients()
    {
        await using TestServer first = await StartAsync(AnyPort);
        await using TestServer second = await StartAsync(first.EndPoint);
        Assert.Equal(first.EndPoint, second.EndPoint);
        List<ClientWebSocket> clients = [];
        // The system chooses at random: that one of them gets none of so many is as likely as 2^-200.
        while (clients.Count < 200 && (first.Clients.Count == 0 || second.Clients.Count == 0))
        {
            clients.Add(await EndPointClient.ConnectAsync(first.EndPoint));
            await clients[^1].AssertEchoAsync();
        }

        Assert.NotEmpty(first.Clients);
        Assert.NotEmpty(second.Clients);
        Assert.Equal(clients.Count, first.Clients.Count + second.Clients.Count);
        foreach (ClientWebSocket client in clients)
            client.Dispose();
    }

    [Fact]
    public async Task When_the_old_server_listens_no_longer_the_new_one_gets_all_new_clients_and_the_old_one_keeps_its_own()
    {
        await using TestServer old = await StartAsync(AnyPort);
        IPEndPoint endPoint = old.EndPoint;
        using ClientWebSocket client = await EndPointClient.ConnectAsync(endPoint);
        WebSocketClient known = await old.NextClientAsync();
        await using TestServer renewed = await StartAsync(endPoint);
        Assert.True(old.Server.StopListening(endPoint));
        for (int i = 0; i < 20; i++)
        {
            await EndPointClient.AssertServedAsync(endPoint);
            await renewed.NextClientAsync();
        }

        await client.AssertEchoAsync();
        Assert.Equal([known], old.Clients);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task Both_have_to_permit_it(bool first, bool second)
    {
        await using TestServer server = await StartAsync(AnyPort, first);
        IOException taken = await Assert.ThrowsAsync<IOException>(() => StartAsync(server.EndPoint, second));
        Assert.StartsWith($"Cannot listen on {server.EndPoint}: the address is already in use.", taken.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_server_listens_on_an_end_point_once_all_the_same()
    {
        await using TestServer server = await StartAsync(AnyPort);
        IOException twice = Assert.Throws<IOException>(() => server.Server.Listen(server.EndPoint, Shared()));
        Assert.EndsWith("it is among the server's end points twice. Leave one out.", twice.Message, StringComparison.Ordinal);
        await EndPointClient.AssertServedAsync(Assert.Single(server.Server.EndPoints));
    }

    [Fact]
    public async Task It_is_no_matter_of_Unix_domain_sockets_and_serves_on_all_other_kinds_of_end_points()
    {
        using SocketFiles files = new();
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.ListenDefaults = Shared();
            options.Urls = ["http://localhost:0", "http://*:0", $"unix:{files.Path("app.sock")}"];
        });
        foreach (EndPoint endPoint in server.Server.EndPoints)
            await EndPointClient.AssertServedAsync(endPoint is IPEndPoint { Address: var address, Port: var port } && (address.Equals(IPAddress.IPv6Any) || address.Equals(IPAddress.Any)) ? new IPEndPoint(IPAddress.Loopback, port) : endPoint);
    }

    private static ListenOptions Shared(bool shares = true) => new() { ReusePort = shares };

    private static Task<TestServer> StartAsync(IPEndPoint endPoint, bool shares = true) => TestServer.StartEchoAsync(options => options.Listen(endPoint, Shared(shares)));
}
