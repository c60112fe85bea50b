using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/hosting.md and docs/metrics.md, so that it compiles.</summary>
internal static class HostingGuide
{
    public static async Task RunAsync(string[] args)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);
        builder.Services
            .AddWebSocketServer("chat", builder.Configuration.GetSection("WebSocketServers:chat"))
            .Configure((services, server) => server.AnswerHealth())
            .AddHandler<ChatHandler>();
        await builder.Build().RunAsync();
    }

    public static void Health(IServiceCollection services)
    {
        services.AddHealthChecks().AddWebSocketServer("chat");
    }

    public static void Observe(IHostApplicationBuilder builder)
    {
        builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics.AddMeter("WebSocketServerKit"))
            .WithTracing(traces => traces.AddSource("WebSocketServerKit"));
    }

    public static void Activate(IServiceCollection services, IConfiguration configuration)
    {
        bool isSocketActivated = Environment.GetEnvironmentVariable("LISTEN_FDS") is not null;
        services.AddWebSocketServer("chat", configuration.GetSection("WebSocketServers:chat")).Configure(options =>
        {
            if (!isSocketActivated)
                return;
            options.Urls.Clear();
            options.ListenOnSystemdSockets();
        });
    }

#pragma warning disable CA1848, CA1873 // the guide shows the short way to log
    internal sealed class ChatHandler(WebSocketServer server, ILogger<ChatHandler> logger) : WebSocketHandler
    {
        private int _messages; // of this client

        public override ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e) => client.SendAsync("welcome");

        public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
        {
            _messages++;
            server.Clients.Broadcast(message);
            return default;
        }

        public override ValueTask OnDisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e)
        {
            logger.LogInformation("Left after {Messages} messages: {Code}", _messages, e.CloseCode);
            return default;
        }
    }
#pragma warning restore CA1848, CA1873
}
