using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Changes of the configuration while the server runs. A reload tells those who wait for it before it returns.</summary>
public sealed class ReloadTests
{
    private const string Any = "http://127.0.0.1:0";

    private static async Task<TestHost> StartAsync(params string[] entries)
    {
        TestHost host = TestHost.BuildConfigured(["Urls:0=" + Any, .. entries]);
        await host.Host.StartAsync(TestHost.Timely);
        return host;
    }

    [Fact]
    public async Task A_url_that_is_added_is_listened_on_and_one_that_is_removed_no_longer_and_clients_stay()
    {
        await using TestHost host = await StartAsync();
        EndPoint first = host.EndPoint;
        using ClientWebSocket client = await host.ConnectAsync();
        host.Reload(("Urls:1", "http://[::1]:0"));
        Assert.Equal(2, host.Server.EndPoints.Count);
        host.Reload(("Urls:0", "http://[::1]:0"), ("Urls:1", null));
        Assert.Equal(AddressFamily.InterNetworkV6, Assert.Single(host.Server.EndPoints).AddressFamily);
        Assert.DoesNotContain(first, host.Server.EndPoints);
        Assert.Equal(WebSocketState.Open, client.State);
        Assert.Single(host.Server.Clients);
        Assert.Equal(("Ws:chat:Urls:1", "Ws:chat:Urls:0, Ws:chat:Urls:1"), (host.Of(6)[0].GetStructuredStateValue("Keys"), host.Of(6)[1].GetStructuredStateValue("Keys")));
        Assert.Empty(host.Of(7));
    }

    [Fact]
    public async Task A_key_that_needs_a_restart_is_named_and_what_does_not_takes_effect()
    {
        await using TestHost host = await StartAsync("MaxClients=7", "Stop:Reason=old");
        host.Reload(("MaxClients", "8"), ("Paths:/a:MaxClients", "1"), ("Stop:Reason", "new"));
        Assert.Equal("Ws:chat:Stop:Reason", Assert.Single(host.Of(6)).GetStructuredStateValue("Keys"));
        Assert.Equal((LogLevel.Warning, "Ws:chat:MaxClients, Ws:chat:Paths:/a:MaxClients"), (Assert.Single(host.Of(7)).Level, host.Of(7)[0].GetStructuredStateValue("Keys")));
        Assert.Equal(7, host.Server.Health.MaxClients);
        using ClientWebSocket client = await host.ConnectAsync();
        Task stopping = host.Host.StopAsync(TestHost.Timely);
        await client.ReceiveAsync();
        Assert.Equal("new", client.CloseStatusDescription);
        await client.LeaveAsync();
        await stopping;
    }

    [Fact]
    public async Task A_stop_that_becomes_longer_than_the_host_waits_is_warned_of()
    {
        await using TestHost host = await StartAsync();
        host.Reload(("StopTimeout", "01:00:00")); // in effect after a restart
        Assert.Empty(host.Of(9));
        host.Reload(("Stop:Spread", "00:01:00"));
        host.Reload(("Urls:1", "http://[::1]:0"));
        Assert.Equal((LogLevel.Warning, "00:01:10"), (Assert.Single(host.Of(9)).Level, host.Of(9)[0].GetStructuredStateValue("Longest")));
    }

    [Fact]
    public async Task Limits_and_origins_hold_for_clients_that_come_after_the_reload()
    {
        await using TestHost host = await StartAsync("MaxMessageSize=10");
        host.Reload(("MaxMessageSize", "5"), ("AllowedOrigins:0", "https://app.example"), ("maxMessagesPerSecond", "100"));
        Assert.Equal("Ws:chat:AllowedOrigins:0, Ws:chat:MaxMessageSize, Ws:chat:maxMessagesPerSecond", Assert.Single(host.Of(6)).GetStructuredStateValue("Keys"));
        Assert.Empty(host.Of(7));
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("123456");
        Assert.Equal("closed 1009", await client.ReceiveAsync());
    }

    [Theory]
    [InlineData("MaxClients", "0", "Ws:chat:MaxClients is 0; it must be from 1 to 2147483647.")]
    [InlineData("MaxClient", "1", "Ws:chat:MaxClient: unknown; did you mean MaxClients?")]
    [InlineData("Stop:Spread", "x", "Ws:chat:Stop:Spread is \"x\"; it must be a time")]
    [InlineData("Urls:1", "nowhere", "Ws:chat:Urls: \"nowhere\"")]
    public async Task A_configuration_that_is_invalid_changes_nothing_and_the_next_valid_one_is_used(string key, string value, string problem)
    {
        await using TestHost host = await StartAsync();
        IReadOnlyList<EndPoint> before = host.Server.EndPoints;
        host.Reload((key, value), ("Urls:2", "http://[::1]:0"));
        Assert.Equal(before, host.Server.EndPoints);
        Assert.Equal(LogLevel.Error, Assert.Single(host.Of(8)).Level);
        Assert.StartsWith(problem, host.Of(8)[0].GetStructuredStateValue("Problem"), StringComparison.Ordinal);
        host.Reload((key, null));
        Assert.Equal(2, host.Server.EndPoints.Count);
        Assert.Single(host.Of(8));
    }

    [Fact]
    public async Task A_url_that_cannot_be_listened_on_leaves_the_old_ones_in_force()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        await using TestHost host = await StartAsync();
        host.Reload(("Urls:0", "http://[::1]:0"), ("Urls:1", $"http://{taken.LocalEndpoint}"));
        Assert.Contains(taken.LocalEndpoint.ToString()!, Assert.Single(host.Of(8)).Message, StringComparison.Ordinal);
        Assert.Equal(AddressFamily.InterNetwork, Assert.Single(host.Server.EndPoints).AddressFamily);
        await (await host.ConnectAsync()).LeaveAsync();
        taken.Stop();
        host.Reload();
        Assert.Equal(2, host.Server.EndPoints.Count);
    }

    [Fact]
    public async Task A_url_may_take_the_port_of_one_that_is_removed()
    {
        int port;
        using (TcpListener free = new(IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((IPEndPoint)free.LocalEndpoint).Port;
        }

        await using TestHost host = TestHost.BuildConfigured($"Urls:0=http://127.0.0.1:{port}");
        await host.Host.StartAsync(TestHost.Timely);
        host.Reload(("Urls:0", $"http://localhost:{port}"));
        Assert.Empty(host.Of(8));
        Assert.Contains(new IPEndPoint(IPAddress.Loopback, port), host.Server.EndPoints);
        await (await host.ConnectAsync()).LeaveAsync();
    }

    [Fact]
    public async Task What_changes_between_the_check_of_the_options_and_the_start_takes_effect_too()
    {
        TestHost? built = null;
        await using TestHost host = built = TestHost.Build(
            builder => builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("Ws:chat")).Configure((_, _) => built!.Reload(("Urls:1", "http://[::1]:0"), ("MaxClients", "7"))), "Ws:chat:Urls:0=" + Any);
        await host.Host.StartAsync(TestHost.Timely);
        Assert.Equal(2, host.Server.EndPoints.Count);
        Assert.Equal("Ws:chat:MaxClients", Assert.Single(host.Of(7)).GetStructuredStateValue("Keys"));
    }

    [Fact]
    public async Task A_section_that_is_gone_changes_nothing_until_it_is_back()
    {
        await using TestHost host = await StartAsync();
        host.Reload(("Urls:0", null));
        Assert.Contains("The configuration has no section \"Ws:chat\" any more.", Assert.Single(host.Of(8)).Message, StringComparison.Ordinal);
        Assert.Single(host.Server.EndPoints);
        host.Reload(("Urls:0", Any));
        Assert.Empty(host.Of(6));
        Assert.Single(host.Server.EndPoints);
    }

    [Fact]
    public async Task A_reload_that_changes_nothing_says_nothing()
    {
        await using TestHost host = await StartAsync();
        host.Reload();
        host.Reload(("Urls:0", Any));
        Assert.Empty(host.Of(6).Concat(host.Of(7)).Concat(host.Of(8)));
    }

    [Fact]
    public async Task A_storm_of_reloads_ends_with_the_last_configuration()
    {
        await using TestHost host = await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 50; i++)
                host.Reload(("Urls:1", i % 2 == 0 ? "http://[::1]:0" : null), ("MaxClients", i % 3 == 0 ? "0" : "7"));
        }, TestHost.Timely)));
        host.Reload(("Urls:1", null), ("MaxClients", null));
        Assert.Equal(AddressFamily.InterNetwork, Assert.Single(host.Server.EndPoints).AddressFamily);
        host.Reload(("Urls:1", "http://[::1]:0"));
        Assert.Equal(2, host.Server.EndPoints.Count);
    }

    [Fact]
    public async Task A_reload_after_the_stop_changes_nothing()
    {
        await using TestHost host = await StartAsync();
        await host.Host.StopAsync(TestHost.Timely);
        host.Reload(("Urls:1", "http://[::1]:0"), ("MaxClients", "0"));
        Assert.Empty(host.Of(6).Concat(host.Of(7)).Concat(host.Of(8)));
        Assert.Empty(host.Server.EndPoints);
    }
}
