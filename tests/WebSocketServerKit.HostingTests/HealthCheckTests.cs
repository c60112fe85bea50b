using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Servers among the health checks of the host.</summary>
public sealed class HealthCheckTests
{
    private static Task<HealthReport> ReportAsync(TestHost host) => host.Host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestHost.Timely);

    [Fact]
    public async Task A_server_is_healthy_while_it_takes_clients_and_the_figures_are_there()
    {
        await using TestHost host = TestHost.Build(builder =>
        {
            builder.Services.AddWebSocketServer("chat", options =>
            {
                options.Listen("http://127.0.0.1:0");
                options.MaxClients = 1;
            });
            builder.Services.AddHealthChecks().AddWebSocketServer("chat", tags: ["ready"]);
        });
        HealthReportEntry before = (await ReportAsync(host)).Entries["websocket-chat"];
        Assert.Equal((HealthStatus.Unhealthy, "unhealthy: the server is not started"), (before.Status, before.Description));
        Assert.Equal("ready", Assert.Single(before.Tags));
        await host.Host.StartAsync(TestHost.Timely);
        HealthReportEntry started = (await ReportAsync(host)).Entries["websocket-chat"];
        Assert.Equal((HealthStatus.Healthy, "healthy", (object)true, (object)1), (started.Status, started.Description, started.Data["accepting"], started.Data["maxClients"]));
        TaskCompletionSource connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Server.ClientConnected += (_, _) => connected.SetResult();
        using System.Net.WebSockets.ClientWebSocket client = await host.ConnectAsync();
        await connected.Task.WaitAsync(TestHost.Timely);
        HealthReportEntry full = (await ReportAsync(host)).Entries["websocket-chat"];
        Assert.Equal((HealthStatus.Degraded, (object)false, (object)1), (full.Status, full.Data["accepting"], full.Data["clients"]));
    }

    [Fact]
    public async Task The_only_server_needs_no_name_and_the_status_of_a_failure_can_be_chosen()
    {
        await using TestHost host = TestHost.Build(builder =>
        {
            builder.Services.AddWebSocketServer();
            builder.Services.AddHealthChecks().AddWebSocketServer(name: "ws", failureStatus: HealthStatus.Degraded);
        });
        Assert.Equal(HealthStatus.Degraded, (await ReportAsync(host)).Entries["ws"].Status);
    }
}
