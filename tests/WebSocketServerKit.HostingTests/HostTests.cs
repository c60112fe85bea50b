using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Servers that the host starts and stops.</summary>
public sealed class HostTests
{
    private static string OnAnyPort(WebSocketServerBuilder server) => server.Configure(options => options.Listen("http://127.0.0.1:0")).Name;

    [Fact]
    public async Task Several_servers_are_found_by_their_names_and_each_has_its_own_handlers()
    {
        await using TestHost host = TestHost.Build(builder =>
        {
            foreach (string name in (string[])["a", "b"])
                OnAnyPort(builder.Services.AddWebSocketServer(name).Configure((_, server) => server.OnMessage((client, _) => client.SendAsync(name))));
        });
        await host.Host.StartAsync(TestHost.Timely);
        foreach (string name in (string[])["a", "b"])
        {
            WebSocketServer server = host.Host.Services.GetRequiredKeyedService<WebSocketServer>(name);
            using ClientWebSocket client = await TestHost.ConnectAsync((IPEndPoint)server.EndPoints[0]);
            await client.SendAsync("who?");
            Assert.Equal(name, await client.ReceiveAsync());
        }

        string message = Assert.Throws<InvalidOperationException>(() => host.Server).Message;
        Assert.StartsWith("There are 2 WebSocket servers (a, b). Say which: [FromKeyedServices(\"a\")]", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_only_server_is_found_without_its_name_too()
    {
        await using TestHost host = TestHost.Build(builder => builder.Services.AddWebSocketServer(options => options.Listen("http://127.0.0.1:0")));
        Assert.Same(host.Server, host.Host.Services.GetRequiredKeyedService<WebSocketServer>(WebSocketServerServiceCollectionExtensions.DefaultName));
    }

    [Fact]
    public async Task Adding_a_name_again_adds_to_the_same_server_and_another_section_for_it_is_refused()
    {
        await using TestHost host = TestHost.Build(builder =>
        {
            builder.Services.AddWebSocketServer("chat", options => options.Listen("http://127.0.0.1:0"));
            builder.Services.AddWebSocketServer("chat", options => options.MaxClients = 7);
            builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("A"));
            Assert.Contains("\"A\" already", Assert.Throws<ArgumentException>(() => builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("B"))).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(() => builder.Services.AddWebSocketServer(" "));
        });
        await host.Host.StartAsync(TestHost.Timely);
        Assert.Equal((1, 7), (host.Server.EndPoints.Count, host.Server.Health.MaxClients));
    }

    [Fact]
    public async Task A_server_starts_after_the_services_before_it_and_its_clients_have_left_before_those_stop()
    {
        Recorder recorder = new();
        await using TestHost host = TestHost.Build(builder =>
        {
            builder.Services.AddSingleton<IHostedService>(services => new Neighbour("before", recorder, services));
            OnAnyPort(builder.Services.AddWebSocketServer("chat").Configure((_, server) => server.OnDisconnected(async (_, e) =>
            {
                await Task.Yield();
                recorder.Add($"left {e.CloseCode.Value}");
            })));
            builder.Services.AddSingleton<IHostedService>(services => new Neighbour("after", recorder, services));
        });
        await host.Host.StartAsync(TestHost.Timely);
        Assert.Equal(["before starts, ready: False", "after starts, ready: True"], await recorder.NextAsync(2));
        using ClientWebSocket client = await host.ConnectAsync();
        Task stopping = host.Host.StopAsync(TestHost.Timely);
        Assert.Equal("closed 1001", await client.ReceiveAsync());
        await client.LeaveAsync();
        await stopping;
        string[] steps = await recorder.NextAsync(3);
        // The service after the server stops while the clients leave, the one before it when they have left.
        Assert.Contains(string.Join("; ", steps), (string[])
        [
            "after stops, ready: False; left 1001; before stops, ready: False",
            "left 1001; after stops, ready: False; before stops, ready: False",
        ], StringComparer.Ordinal);
        Assert.False(host.Server.IsListening);
    }

    [Fact]
    public async Task A_port_that_is_taken_fails_the_start_of_the_host_and_the_message_names_server_and_address()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        string address = taken.LocalEndpoint.ToString()!;
        await using TestHost host = TestHost.Build(builder => builder.Services.AddWebSocketServer("chat", options => options.Listen($"http://{address}")));
        string message = (await Assert.ThrowsAsync<IOException>(() => host.Host.StartAsync(TestHost.Timely))).Message;
        Assert.StartsWith($"The WebSocket server \"chat\" cannot start. Cannot listen on {address}: the address is already in use.", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_servers_on_one_port_fail_the_start_and_the_first_gives_it_back()
    {
        int port;
        using (TcpListener free = new(IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((IPEndPoint)free.LocalEndpoint).Port;
        }

        await using (TestHost host = TestHost.Build(builder =>
        {
            foreach (string name in (string[])["a", "b"])
                builder.Services.AddWebSocketServer(name, options => options.Listen($"http://127.0.0.1:{port}"));
        }))
        {
            string message = (await Assert.ThrowsAsync<IOException>(() => host.Host.StartAsync(TestHost.Timely))).Message;
            Assert.StartsWith($"The WebSocket server \"b\" cannot start. Cannot listen on 127.0.0.1:{port}", message, StringComparison.Ordinal);
        }

        using TcpListener again = new(IPAddress.Loopback, port);
        again.Start();
    }

    [Fact]
    public async Task A_start_that_is_cancelled_starts_no_server()
    {
        await using TestHost host = TestHost.Build(builder => OnAnyPort(builder.Services.AddWebSocketServer("chat")));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.Host.StartAsync(new CancellationToken(canceled: true)));
        Assert.False(host.Server.IsListening);
        await host.Host.StopAsync(TestHost.Timely);
    }

    [Fact]
    public async Task A_host_that_stops_while_it_starts_stops_the_servers_that_have_started()
    {
        TaskCompletionSource isStarting = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = TestHost.Build(builder =>
        {
            OnAnyPort(builder.Services.AddWebSocketServer("early"));
            builder.Services.AddSingleton<IHostedService>(new StartingForEver(isStarting));
            OnAnyPort(builder.Services.AddWebSocketServer("late"));
        });
        Task starting = host.Host.StartAsync(TestHost.Timely);
        await isStarting.Task.WaitAsync(TestHost.Timely);
        WebSocketServer early = host.Host.Services.GetRequiredKeyedService<WebSocketServer>("early");
        Assert.True(early.IsReady);
        host.Host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        await host.Host.StopAsync(TestHost.Timely);
        Assert.False(early.IsListening);
        Assert.False(host.Host.Services.GetRequiredKeyedService<WebSocketServer>("late").IsListening);
    }

    [Fact]
    public async Task A_stop_that_is_called_twice_waits_for_the_one_stop()
    {
        await using TestHost host = await TestHost.StartAsync(_ => { });
        using ClientWebSocket client = await host.ConnectAsync();
        Task first = host.Host.StopAsync(TestHost.Timely);
        Task second = host.Host.StopAsync(TestHost.Timely);
        Assert.Equal("closed 1001", await client.ReceiveAsync());
        await client.LeaveAsync();
        await Task.WhenAll(first, second);
        await host.Host.StopAsync(TestHost.Timely);
        Assert.Contains("1 clients left cleanly", Assert.Single(host.Of(2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_stop_is_the_one_that_was_configured()
    {
        await using TestHost host = TestHost.Build(
            builder => builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("Ws:chat")).ConfigureStop(stop => stop.Reason += " soon"),
            "Ws:chat:Urls:0=http://127.0.0.1:0", "Ws:chat:Stop:Code=1012", "Ws:chat:Stop:Reason=update");
        await host.Host.StartAsync(TestHost.Timely);
        using ClientWebSocket client = await host.ConnectAsync();
        Task stopping = host.Host.StopAsync(TestHost.Timely);
        Assert.Equal("closed 1012", await client.ReceiveAsync());
        Assert.Equal("update soon", client.CloseStatusDescription);
        await client.LeaveAsync();
        await stopping;
    }

    [Fact]
    public async Task All_servers_stop_to_take_clients_before_the_first_one_is_waited_for()
    {
        await using TestHost host = TestHost.Build(builder =>
        {
            OnAnyPort(builder.Services.AddWebSocketServer("a"));
            OnAnyPort(builder.Services.AddWebSocketServer("b"));
        });
        await host.Host.StartAsync(TestHost.Timely);
        WebSocketServer a = host.Host.Services.GetRequiredKeyedService<WebSocketServer>("a");
        using ClientWebSocket client = await TestHost.ConnectAsync((IPEndPoint)host.Host.Services.GetRequiredKeyedService<WebSocketServer>("b").EndPoints[0]);
        Task stopping = host.Host.StopAsync(TestHost.Timely);
        Assert.False(a.IsReady);
        Assert.Equal("closed 1001", await client.ReceiveAsync());
        await client.LeaveAsync();
        await stopping;
    }

    [Fact]
    public async Task When_the_host_gives_no_more_time_clients_are_reset_and_the_log_tells_what_to_raise()
    {
        TaskCompletionSource isHandling = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(server => server.Configure((_, server) => server.OnMessage(async (client, _) =>
        {
            isHandling.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, client.ConnectionClosed);
        })));
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("x");
        await isHandling.Task.WaitAsync(TestHost.Timely);
        await host.Host.StopAsync(new CancellationToken(canceled: true));
        Assert.Contains("Raise HostOptions.ShutdownTimeout", Assert.Single(host.Of(3)).Message, StringComparison.Ordinal);
        Assert.Single(host.Of(2));
    }

    [Theory]
    [InlineData("00:00:05", true)]
    [InlineData("00:00:05.001", false)]
    [InlineData("-00:00:00.001", false)] // the host waits for ever
    public async Task A_stop_that_may_take_as_long_as_the_host_gives_is_warned_of_once_at_the_start(string shutdownTimeout, bool isWarned)
    {
        await using TestHost host = TestHost.Build(
            builder =>
            {
                builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("Ws:chat"));
                builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.Parse(shutdownTimeout, CultureInfo.InvariantCulture));
            },
            "Ws:chat:Urls:0=http://127.0.0.1:0", "Ws:chat:Stop:ReadinessDelay=00:00:01", "Ws:chat:Stop:Spread=00:00:02", "Ws:chat:StopTimeout=00:00:02");
        await host.Host.StartAsync(TestHost.Timely);
        Assert.Equal(
            isWarned ? ["The stop of the WebSocket server \"chat\" may take 00:00:05 (ReadinessDelay + Spread + Timeout), but HostOptions.ShutdownTimeout gives the host 00:00:05"] : [],
            host.Of(9).Select(warning => warning.Message.Split(';')[0]),
            StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_stop_that_is_short_enough_with_what_the_warning_says_is_not_warned_of()
    {
        string[] entries = ["Ws:chat:Urls:0=http://127.0.0.1:0", "Ws:chat:Stop:Spread=00:01:00"];
        foreach (int warnings in (int[])[1, 0])
        {
            await using TestHost host = TestHost.Build(builder => builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("Ws:chat")), entries);
            await host.Host.StartAsync(TestHost.Timely);
            Assert.Equal(warnings, host.Of(9).Count);
            entries = [.. entries, "shutdownTimeoutSeconds=90"];
        }
    }

    [Fact]
    public async Task A_server_can_be_given_a_backplane_before_it_starts()
    {
        await using TestHost host = await TestHost.StartAsync(server => server.Configure((_, server) => server.UseBackplane(new InProcessBackplane())));
        Assert.Throws<InvalidOperationException>(() => host.Server.UseBackplane(new InProcessBackplane()));
    }

    [Fact]
    public async Task Options_that_code_sets_last_have_the_last_word_and_invalid_ones_keep_the_host_from_starting()
    {
        await using TestHost host = TestHost.Build(builder =>
        {
            builder.Services.AddWebSocketServer("chat", options => options.MaxClients = 1);
            builder.Services.PostConfigure<WebSocketServerOptions>("chat", options => options.MaxClients = 0);
        });
        Exception problem = await Assert.ThrowsAnyAsync<Exception>(() => host.Host.StartAsync(TestHost.Timely));
        Assert.Equal("The WebSocket server \"chat\": WebSocketServerOptions.MaxClients is 0; it must be from 1 to 2147483647.", problem.Message);
    }

    [Fact]
    public async Task A_server_without_a_log_is_served_too()
    {
        ServiceCollection services = new();
        services.AddWebSocketServer(options => options.Listen("http://127.0.0.1:0")).Path("/x");
        await using ServiceProvider provider = services.BuildServiceProvider();
        IHostedService hosted = provider.GetRequiredService<IHostedService>();
        await hosted.StopAsync(TestHost.Timely); // never started
        await hosted.StartAsync(TestHost.Timely);
        Assert.True(provider.GetRequiredService<WebSocketServer>().IsReady);
        await hosted.StopAsync(TestHost.Timely);
        Assert.False(provider.GetRequiredService<WebSocketServer>().IsReady);
    }

    private sealed class Neighbour(string name, Recorder recorder, IServiceProvider services) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Tell("starts");

        public Task StopAsync(CancellationToken cancellationToken) => Tell("stops");

        private Task Tell(string what)
        {
            recorder.Add($"{name} {what}, ready: {services.GetRequiredService<WebSocketServer>().IsReady}");
            return Task.CompletedTask;
        }
    }

    private sealed class StartingForEver(TaskCompletionSource isStarting) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            isStarting.SetResult();
            return Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
