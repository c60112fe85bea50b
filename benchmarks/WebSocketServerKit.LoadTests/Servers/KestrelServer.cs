using System.Collections.Concurrent;
using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>Kestrel and System.Net.WebSockets with the loop of the ASP.NET documentation.</summary>
internal sealed class KestrelServer(int bufferSize, WebSocketAcceptContext accept)
{
    // A WebSocket allows one send at a time, so whoever sends to others' sockets needs a lock for each.
    private readonly ConcurrentDictionary<WebSocket, SemaphoreSlim> _clients = new();

    /// <param name="bufferSize">Of the loop.</param>
    /// <param name="service">What it does.</param>
    /// <param name="accept">How WebSockets are accepted; null for the defaults.</param>
    /// <param name="certificate">For TLS; otherwise null.</param>
    public static async Task<int> StartAsync(int bufferSize, Service service, WebSocketAcceptContext? accept = null, X509Certificate2? certificate = null)
    {
        KestrelServer server = new(bufferSize, accept ?? new WebSocketAcceptContext());
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, endpoint =>
        {
            if (certificate is not null)
                endpoint.UseHttps(certificate);
        }));
        WebApplication application = builder.Build();
        application.UseWebSockets();
        application.Run(service switch
        {
            Service.Broadcast => server.BroadcastAsync,
            Service.Work => server.WorkOrEchoAsync,
            _ => server.EchoAsync,
        });
        await application.StartAsync();
        return new Uri(application.Urls.Single()).Port;
    }

    private async Task EchoAsync(HttpContext context)
    {
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(accept);
        byte[] buffer = new byte[bufferSize];
        ValueWebSocketReceiveResult received = await socket.ReceiveAsync(buffer.AsMemory(), default);
        while (received.MessageType != WebSocketMessageType.Close)
        {
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, default);
            received = await socket.ReceiveAsync(buffer.AsMemory(), default);
        }

        await socket.CloseAsync(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure, socket.CloseStatusDescription, default);
    }

    private Task WorkOrEchoAsync(HttpContext context) => context.Request.Path.Value is { } path && Work.IsFor(path) ? WorkAsync(context, path) : EchoAsync(context);

    private async Task WorkAsync(HttpContext context, string path)
    {
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(accept);
        byte[] buffer = new byte[bufferSize];
        ValueWebSocketReceiveResult received = await socket.ReceiveAsync(buffer.AsMemory(), default);
        while (received.MessageType != WebSocketMessageType.Close)
        {
            if (received.EndOfMessage)
                Work.Do(path);
            received = await socket.ReceiveAsync(buffer.AsMemory(), default);
        }

        await socket.CloseAsync(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure, socket.CloseStatusDescription, default);
    }

    // For messages that fit into the buffer.
    private async Task BroadcastAsync(HttpContext context)
    {
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(accept);
        using SemaphoreSlim own = new(1);
        _clients.TryAdd(socket, own);
        try
        {
            byte[] buffer = new byte[bufferSize];
            ValueWebSocketReceiveResult received = await socket.ReceiveAsync(buffer.AsMemory(), default);
            while (received.MessageType != WebSocketMessageType.Close)
            {
                foreach ((WebSocket client, SemaphoreSlim gate) in _clients)
                {
                    await gate.WaitAsync();
                    try
                    {
                        await client.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, default);
                    }
                    finally
                    {
                        gate.Release();
                    }
                }

                received = await socket.ReceiveAsync(buffer.AsMemory(), default);
            }
        }
        finally
        {
            _clients.TryRemove(socket, out _);
        }
    }
}
