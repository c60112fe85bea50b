using System.Net;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>This library as its README shows it, all limits on.</summary>
internal static class OurServer
{
    public static async Task<int> StartAsync(bool broadcasts, PerMessageDeflateOptions? deflate = null)
    {
        WebSocketServer server = new(new WebSocketServerOptions { EndPoints = { new IPEndPoint(IPAddress.Loopback, 0) }, PerMessageDeflate = deflate });
        if (broadcasts)
            server.MessageReceived += (_, e) => server.Clients.Broadcast(e.Payload, e.MessageType);
        else
            server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await server.StartAsync();
        return server.EndPoints[0].Port;
    }
}
