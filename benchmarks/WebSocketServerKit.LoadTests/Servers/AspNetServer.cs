using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>This library on the connections of the Kestrel that <see cref="KestrelServer"/> uses.</summary>
internal static class AspNetServer
{
    /// <summary>Echoes.</summary>
    public static async Task<int> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication application = builder.Build();
        WebSocketServer server = new(new WebSocketServerOptions());
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await server.StartAsync();
        application.MapWebSocketServer("/", server);
        await application.StartAsync();
        return new Uri(application.Urls.Single()).Port;
    }
}
