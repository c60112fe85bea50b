using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>This library as its README shows it, all limits on.</summary>
internal static class OurServer
{
    public static WebSocketServerOptions Plain(PerMessageDeflateOptions? deflate = null) => new() { Urls = ["http://127.0.0.1:0"], PerMessageDeflate = deflate };

    public static WebSocketServerOptions Tls(X509Certificate2 certificate) =>
        new WebSocketServerOptions().Listen("https://127.0.0.1:0", TlsOptions.FromCertificate(certificate));

    public static WebSocketServerOptions OnLoop(WebSocketServerOptions options)
    {
        options.Transport = WebSocketTransport.EventLoop;
        return options;
    }

    public static async Task<int> StartAsync(Service service, WebSocketServerOptions? options = null)
    {
        WebSocketServer server = new(options ?? Plain());
        if (service == Service.Broadcast)
            server.MessageReceived += (_, e) => server.Clients.Broadcast(e.Payload, e.MessageType);
        else if (service == Service.Echo)
            server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        else
            server.MessageReceived += WorkOrEchoAsync;
        await server.StartAsync();
        return ((IPEndPoint)server.EndPoints[0]).Port;
    }

    private static async void WorkOrEchoAsync(object? sender, MessageReceivedEventArgs e)
    {
        if (Work.IsFor(e.Client.Path))
            Work.Do(e.Client.Path);
        else
            await e.Client.SendAsync(e.Payload, e.MessageType);
    }
}
