using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace WebSocketServerKit;

/// <summary>Reports <see cref="WebSocketServer.Health"/> to the health checks of the host.</summary>
internal sealed class WebSocketServerHealthCheck(WebSocketServer server) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        WebSocketServerHealth health = server.Health;
        HealthStatus status = health.Status switch
        {
            WebSocketServerHealthStatus.Healthy => HealthStatus.Healthy,
            WebSocketServerHealthStatus.Degraded => HealthStatus.Degraded,
            _ => context.Registration.FailureStatus,
        };
        return Task.FromResult(new HealthCheckResult(status, health.ToString(), data: new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["listening"] = health.IsListening,
            ["accepting"] = health.IsAccepting,
            ["draining"] = health.IsDraining,
            ["clients"] = health.Clients,
            ["maxClients"] = health.MaxClients,
            ["bufferedBytes"] = health.BufferedBytes,
            ["maxBufferedBytes"] = health.MaxBufferedBytes,
            ["lagSeconds"] = health.Lag.TotalSeconds,
        }));
    }
}
