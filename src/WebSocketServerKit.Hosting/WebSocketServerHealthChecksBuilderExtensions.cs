using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace WebSocketServerKit;

/// <summary>Adds servers to the health checks of the host.</summary>
public static class WebSocketServerHealthChecksBuilderExtensions
{
    /// <summary>Checks a server: <c>services.AddHealthChecks().AddWebSocketServer("chat")</c>. It reports <see cref="WebSocketServer.Health"/>, with its reason and its figures.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="serverName">The name of the server; null for the only one.</param>
    /// <param name="name">The name of the check; null for <c>websocket-</c> and <paramref name="serverName"/>, or <c>websocket-default</c> without one.</param>
    /// <param name="failureStatus">What is reported while the server takes no clients; null for <see cref="HealthStatus.Unhealthy"/>. What makes a server <see cref="WebSocketServerHealthStatus.Degraded"/> is reported as degraded.</param>
    /// <param name="tags">Tags, to choose checks by.</param>
    /// <returns>The health checks.</returns>
    public static IHealthChecksBuilder AddWebSocketServer(
        this IHealthChecksBuilder builder, string? serverName = null, string? name = null, HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(
            name ?? $"websocket-{serverName ?? WebSocketServerServiceCollectionExtensions.DefaultName}",
            services => new WebSocketServerHealthCheck(serverName is null ? services.GetRequiredService<WebSocketServer>() : services.GetRequiredKeyedService<WebSocketServer>(serverName)),
            failureStatus,
            tags));
    }
}
