using System.Net;
using System.Security.Claims;

namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/paths.md, so that it compiles.</summary>
internal static class PathsGuide
{
    public interface IUsers
    {
        ClaimsPrincipal? Authenticate(string? token);
    }

    public static void Rooms(WebSocketServer server)
    {
        WebSocketPath chat = server.Path("/chat/{room}");
        chat.ClientConnected += (_, e) => e.Client.Join(e.Client.PathValues["room"]);
        chat.MessageReceived += (_, e) => chat.Clients.InGroup(e.Client.PathValues["room"]).Broadcast(e.Text);

        WebSocketPath news = server.Path("/news", new PathOptions { MaxMessageSize = 1024, AllowedOrigins = ["*"] });
        news.OnMessage(async (client, message) => await client.SendAsync("This path only sends."));
    }

    public static void Users(WebSocketServer server, IUsers users)
    {
        server.Handshaking += (_, e) => e.User = users.Authenticate(e.Request.Query["token"]);
        server.Path("/admin").Handshaking += (_, e) =>
        {
            if (e.User?.IsInRole("admin") != true)
                e.Refuse(HttpStatusCode.Forbidden, "Administrators only.");
        };
    }

    public static void Options(WebSocketServer server)
    {
        server.Path("/upload").Handshaking += (_, e) =>
        {
            if (e.User?.IsInRole("partner") == true)
                e.Options.MaxMessageSize = 64 * 1024 * 1024;
        };
    }
}
