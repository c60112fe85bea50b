using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace WebSocketServerKit;

/// <summary>Maps a <see cref="WebSocketServer"/> to an endpoint of ASP.NET Core.</summary>
public static class WebSocketServerEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Lets clients reach the server through an endpoint of the host, on the host's connections and ports: <c>app.MapWebSocketServer("/ws", server)</c>. They are clients like those on ports of the
    /// server's own: the same events, registry, options and limits. One server may be mapped several times.
    /// </summary>
    /// <remarks>
    /// <para>
    /// The program starts and stops the server: <c>await server.StartAsync()</c> before the host runs; it needs no place to listen. Until then, and after its stop, requests get 503. When the host
    /// stops, the clients that have come through this endpoint are sent a Close frame with 1001 at once, whether or not somebody stops the server; if that is being stopped already, its own stop closes them.
    /// </para>
    /// <para>
    /// Whatever middleware decides about the endpoint comes first: a request that authorization refuses does not reach the server. The authenticated user is
    /// <see cref="HandshakingEventArgs.User"/> and <see cref="WebSocketClient.User"/>. The addresses are those of <see cref="HttpContext.Connection"/>, so middleware for forwarded headers counts.
    /// <see cref="WebSocketClient.Path"/> is the whole path that the client has asked for. <see cref="HttpContextExtensions.GetHttpContext(WebSocketClient)"/> gives the rest of the request.
    /// </para>
    /// <para>
    /// If the server has paths, their templates are compared with the path that the client has asked for, the prefix of a <c>MapGroup</c> included and <see cref="HttpRequest.PathBase"/> not:
    /// <c>app.MapWebSocketServer("/ws/{**rest}", server)</c> with <c>server.Path("/ws/chat/{room}")</c>. Routes ignore upper and lower case, paths do not. What no path matches gets 404.
    /// </para>
    /// <para>
    /// With CORS metadata on the endpoint (<c>RequireCors</c>, <c>[EnableCors]</c>, <c>[DisableCors]</c>) its policy decides which foreign pages may open a WebSocket, in place of
    /// <see cref="WebSocketServerOptions.AllowedOrigins"/>; the others get 403. A page of the same origin, and every page without such metadata, is subject to the server's own rules.
    /// </para>
    /// <para>Handlers run outside the request: its ambient state, such as <see cref="IHttpContextAccessor"/>, is not there. A timeout of the host's requests ends when the WebSocket is open.</para>
    /// </remarks>
    /// <param name="endpoints">Where to add the endpoint.</param>
    /// <param name="pattern">The route. Requests of every method match; plain ones are the server's <see cref="WebSocketServer.HttpRequestReceived"/>.</param>
    /// <param name="server">The server; started by the program.</param>
    /// <returns>Adds conventions to the endpoint: <c>RequireAuthorization</c>, <c>RequireCors</c>, <c>RequireHost</c>.</returns>
    public static IEndpointConventionBuilder MapWebSocketServer(this IEndpointRouteBuilder endpoints, string pattern, WebSocketServer server)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentNullException.ThrowIfNull(server);
        IServiceProvider services = endpoints.ServiceProvider;
        ILogger logger = (services.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger<MappedServer>();
        var mapped = new MappedServer(server, logger, services.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? default);
        return endpoints.Map(pattern, mapped.ServeAsync).WithMetadata(mapped).WithDisplayName($"WebSocketServer {pattern}");
    }
}
