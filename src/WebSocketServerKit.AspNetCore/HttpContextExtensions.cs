using Microsoft.AspNetCore.Http;

namespace WebSocketServerKit;

/// <summary>Gives the HTTP request through which a client of a mapped server has come.</summary>
/// <remarks>
/// The request is not over until the client has left. So its services, features and items stay valid as long as the connection, and no longer: take what is needed later. Like every
/// <see cref="HttpContext"/> it is not thread-safe. Its response belongs to the server, from the beginning to the end.
/// </remarks>
public static class HttpContextExtensions
{
    /// <summary>The client's request. Null for a client that has not come through <see cref="WebSocketServerEndpointRouteBuilderExtensions.MapWebSocketServer"/>, such as one on a port of the server's own.</summary>
    /// <param name="client">The client; while it is connected, and in the handlers of <see cref="WebSocketServer.ClientDisconnected"/>.</param>
    public static HttpContext? GetHttpContext(this WebSocketClient client)
    {
        ArgumentNullException.ThrowIfNull(client);
        return client.Source as HttpContext;
    }

    /// <summary>The request of the client that asks to connect. Null if it has not come through <see cref="WebSocketServerEndpointRouteBuilderExtensions.MapWebSocketServer"/>.</summary>
    /// <param name="e">The event, while its handlers run.</param>
    public static HttpContext? GetHttpContext(this HandshakingEventArgs e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e.Source as HttpContext;
    }

    /// <summary>The plain request. Null if it has not come through <see cref="WebSocketServerEndpointRouteBuilderExtensions.MapWebSocketServer"/>.</summary>
    /// <param name="e">The event, while its handlers run.</param>
    public static HttpContext? GetHttpContext(this HttpRequestReceivedEventArgs e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e.Source as HttpContext;
    }
}
