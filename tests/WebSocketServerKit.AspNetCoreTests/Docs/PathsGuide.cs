using Microsoft.AspNetCore.Builder;

namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/paths.md that needs ASP.NET Core, so that it compiles.</summary>
internal static class PathsGuide
{
    public static void Map(WebApplication app, WebSocketServer server)
    {
        app.MapWebSocketServer("/ws/{**rest}", server);
        server.Path("/ws/chat/{room}");
    }
}
