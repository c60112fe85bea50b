using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace WebSocketServerKit;

/// <summary>
/// A server behind one endpoint of the host: brings each request to it as a connection. The endpoint has it as metadata, by which its clients are told from others.
/// Thread-safe.
/// </summary>
internal sealed partial class MappedServer
{
    private readonly WebSocketServer _server;
    private readonly CancellationToken _stopping;
    private readonly ILogger _logger;

    /// <param name="server">The server.</param>
    /// <param name="logger">For what goes wrong between the host and the server.</param>
    /// <param name="stopping">Cancelled when the host begins to stop.</param>
    public MappedServer(WebSocketServer server, ILogger logger, CancellationToken stopping)
    {
        _server = server;
        _stopping = stopping;
        _logger = logger;
        // Lives as long as the host: one registration for all clients.
        stopping.UnsafeRegister(static mapped => ((MappedServer)mapped!).CloseClients(), this);
    }

    /// <summary>Answers a request, or serves its client until that has left. The response is complete when the task is.</summary>
    public async Task ServeAsync(HttpContext context)
    {
        if (!RequestHead.TryWrite(context, out byte[] head, out string? complaint))
        {
            await PlainAnswer.WriteAsync(context.Response, StatusCodes.Status400BadRequest, complaint).ConfigureAwait(false);
            return;
        }

        OriginDecision origin = await EndpointCors.DecideAsync(context).ConfigureAwait(false);
        if (origin == OriginDecision.Refused)
        {
            RequestRefused(context.Request.Path, "its origin is not allowed by the CORS policy of the endpoint");
            await PlainAnswer.WriteAsync(context.Response, StatusCodes.Status403Forbidden, "Pages of this origin may not connect: the CORS policy of this endpoint does not allow it.").ConfigureAwait(false);
            return;
        }

        var connection = new RequestStream(context, head, Opened);
        await using (connection.ConfigureAwait(false))
            await ServeAsync(context, connection, origin).ConfigureAwait(false);
    }

    private async Task ServeAsync(HttpContext context, RequestStream connection, OriginDecision origin)
    {
        Task serving;
        try
        {
            serving = _server.AcceptAsync(connection, OptionsOf(context, connection, origin));
        }
        catch (InvalidOperationException notRunning)
        {
            // Also an ObjectDisposedException.
            NotRunning(context.Request.Path, notRunning.Message);
            await PlainAnswer.WriteAsync(context.Response, StatusCodes.Status503ServiceUnavailable, "The WebSocket server of this address is not started, or it is stopping. Try again later.").ConfigureAwait(false);
            return;
        }

        await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The host would complete the response with 200.
        if (!connection.IsAnswered)
            context.Abort();
    }

    private static AcceptOptions OptionsOf(HttpContext context, RequestStream connection, OriginDecision origin)
    {
        ConnectionInfo addresses = context.Connection;
        // A Unix domain socket has no IP address, and the client's end of it usually has no name.
        EndPoint? socket = context.Features.Get<IConnectionSocketFeature>()?.Socket.LocalEndPoint as UnixDomainSocketEndPoint;
        return new AcceptOptions
        {
            RemoteEndPoint = addresses.RemoteIpAddress is { } remote ? new IPEndPoint(remote, addresses.RemotePort) : socket,
            LocalEndPoint = addresses.LocalIpAddress is { } local ? new IPEndPoint(local, addresses.LocalPort) : socket,
            User = context.User.Identities.Any(identity => identity.IsAuthenticated) ? context.User : null,
            Source = context,
            PathBase = context.Request.PathBase.Value,
            IsOriginChecked = origin == OriginDecision.Allowed,
            IsSecure = context.Request.IsHttps ? true : null, // a proxy that speaks TLS may be in front
            Abort = connection.Abort,
            IsStreamTrusted = true,
        };
    }

    // A WebSocket is open. If the host began to stop before that, CloseClients has not seen it.
    private void Opened()
    {
        if (_stopping.IsCancellationRequested)
            CloseClients();
    }

    // The host waits for its requests, and these end with their clients. A server that is being stopped closes them itself, over the time that its host has chosen.
    private void CloseClients()
    {
        if (!_server.IsReady)
            return;
        foreach (WebSocketClient client in _server.Clients)
        {
            if (IsMine(client))
                _ = client.CloseAsync(CloseCode.GoingAway, "server is stopping");
        }
    }

    private bool IsMine(WebSocketClient client)
    {
        try
        {
            return client.GetHttpContext()?.GetEndpoint()?.Metadata.GetMetadata<MappedServer>() == this;
        }
        catch (ObjectDisposedException)
        {
            return false; // It has left meanwhile, and the host has taken its request back.
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "A request for {Path} got 503: {Reason} Await the StartAsync of a mapped WebSocketServer before the host runs, and stop it when the host has begun to stop.")]
    private partial void NotRunning(string? path, string reason);

    [LoggerMessage(2, LogLevel.Debug, "A request for {Path} was refused: {Reason}.")]
    private partial void RequestRefused(string? path, string reason);
}
