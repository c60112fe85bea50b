using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using WebSocketServerKit;

// Not a namespace of the library: the program sees what its using directives name, and no more.
namespace Guides;

/// <summary>The C# of docs/chat.md and docs/chat-service.md, so that it compiles.</summary>
internal static class ChatGuide
{
    public static async Task RunAsync(string[] args)
    {
        // The folder of the program has its appsettings.json.
        HostApplicationBuilder builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
        string page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "page.html"));

        builder.Services
            .AddWebSocketServer("chat", builder.Configuration.GetSection("Chat"))
            .Configure((services, server) =>
            {
                server.AnswerHealth(); // /healthz and /readyz
                server.HttpRequestReceived += (_, e) =>
                {
                    if (e.Request is { Method: "GET", Path: "/" })
                        e.Respond(HttpStatusCode.OK, page, "text/html; charset=utf-8");
                };
            })
            .Path("/rooms/{room}").AddHandler<RoomHandler>();
        await builder.Build().RunAsync();
    }

    public static void Observe(HostApplicationBuilder builder)
    {
        builder.Services.AddSystemd(); // tells systemd when it is ready, and logs for its journal; does nothing elsewhere
        builder.Services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("chat")).WithMetrics(metrics => metrics
            .AddMeter("WebSocketServerKit")
            .AddPrometheusHttpListener(options => options.Port = builder.Configuration.GetValue("MetricsPort", 9464)));
    }

    public static void Connect(HostApplicationBuilder builder, IServiceProvider services, WebSocketServer server)
    {
        if (builder.Configuration["Redis"] is { } redis)
            server.UseRedis(redis, "chat", new() { LoggerFactory = services.GetService<ILoggerFactory>() });
    }
}

internal sealed class RoomHandler(WebSocketServer server) : WebSocketHandler
{
    private string _room = "", _name = ""; // of this client

    public override async ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e)
    {
        _room = client.PathValues["room"];
        _name = e.Request.Query["name"] is { Length: > 0 and <= 32 } name ? name : $"guest {client.Id}";
        await client.JoinAsync(_room); // from here on the client gets what is said in the room
        server.Clients.InGroup(_room).Broadcast($"{_name} has come");
    }

    public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
    {
        server.Clients.InGroup(_room).Broadcast($"{_name}: {message.Text}");
        return default;
    }

    public override ValueTask OnDisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e)
    {
        server.Clients.InGroup(_room).Broadcast($"{_name} has left");
        return default;
    }
}
