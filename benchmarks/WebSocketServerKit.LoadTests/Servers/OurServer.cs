using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>This library as its README shows it, all limits on.</summary>
internal static class OurServer
{
    /// <summary>What a client gets when it is in the group.</summary>
    public static readonly Greeting InRoom = new(null, "ready");

    public static WebSocketServerOptions Plain(PerMessageDeflateOptions? deflate = null) => new() { Urls = ["http://127.0.0.1:0"], PerMessageDeflate = deflate };

    public static WebSocketServerOptions Tls(X509Certificate2 certificate) =>
        new WebSocketServerOptions().Listen("https://127.0.0.1:0", TlsOptions.FromCertificate(certificate));

    public static WebSocketServerOptions OnLoop(WebSocketServerOptions options)
    {
        options.Transport = WebSocketTransport.EventLoop;
        return options;
    }

    /// <param name="service">What it does.</param>
    /// <param name="options">Null for those of the README.</param>
    /// <param name="redis">Connects it with others; null for one that is alone.</param>
    public static async Task<int> StartAsync(Service service, WebSocketServerOptions? options = null, string? redis = null)
    {
        WebSocketServer server = new(options ?? Plain());
        if (redis is not null)
            server.UseRedis(redis, "loadtests");
        if (service == Service.Group)
            SendToGroup(server);
        else if (service == Service.Broadcast)
            server.MessageReceived += (_, e) => server.Clients.Broadcast(e.Payload, e.MessageType);
        else if (service == Service.Echo)
            server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        else
            server.MessageReceived += WorkOrEchoAsync;
        await server.StartAsync();
        return ((IPEndPoint)server.EndPoints[0]).Port;
    }

    private static void SendToGroup(WebSocketServer server)
    {
        server.ClientConnected += async (_, e) =>
        {
            await e.Client.JoinAsync("room");
            await e.Client.SendAsync(InRoom.LastAnswer);
        };
        server.MessageReceived += (_, e) => server.Clients.InGroup("room").Broadcast(e.Payload, e.MessageType);
    }

    private static async void WorkOrEchoAsync(object? sender, MessageReceivedEventArgs e)
    {
        if (Work.IsFor(e.Client.Path))
            Work.Do(e.Client.Path);
        else
            await e.Client.SendAsync(e.Payload, e.MessageType);
    }
}
