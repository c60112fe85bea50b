using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using WebSocketServerKit;

namespace WebSocketService._1;

internal static class ChatService
{
    /// <summary>Adds the server and what its handlers need. What is registered before the server works until the last client has left.</summary>
    public static void AddChat(this IServiceCollection services, IConfigurationSection section)
    {
        services.AddSingleton<Visitors>();
        services
            .AddWebSocketServer("chat", section)
            .Configure((_, server) => server.AnswerHealth()) // /healthz and /readyz
            .AddHandler<ChatHandler>();

        // The server measures itself. For OpenTelemetry: services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter("WebSocketServerKit"))
    }
}
