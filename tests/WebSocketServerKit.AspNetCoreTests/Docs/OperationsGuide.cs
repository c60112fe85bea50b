using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/operations.md that needs ASP.NET Core, so that it compiles.</summary>
internal static class OperationsGuide
{
    public static void Map(WebApplication app, WebSocketServer server, StopOptions options)
    {
        app.MapWebSocketServer("/ws", server);
        app.MapGet("/ready", () => server.IsReady ? Results.Ok() : Results.StatusCode(503));
        app.Lifetime.ApplicationStopping.Register(() => server.StopAsync(options).GetAwaiter().GetResult());
    }
}
