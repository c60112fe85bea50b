using Microsoft.AspNetCore.Builder;
using WebSocketServerKit;

// Not a namespace of the library: the program sees what its using directives name, and no more.
namespace Guides;

/// <summary>The program of docs/aspnetcore.md, as it stands there.</summary>
internal static class MappingGuide
{
    public static async Task RunAsync(string[] args)
    {
        WebApplication app = WebApplication.CreateBuilder(args).Build();
        await using WebSocketServer server = new(new WebSocketServerOptions()); // needs no place to listen of its own
        server.OnMessage((client, message) => client.SendAsync(message.Payload, message.MessageType));
        await server.StartAsync();

        app.MapWebSocketServer("/ws", server); // .RequireAuthorization(), .RequireCors(...) as for any endpoint
        app.Lifetime.ApplicationStopping.Register(() => _ = server.StopAsync());
        await app.RunAsync();
    }
}
