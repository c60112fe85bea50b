using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;

namespace WebSocketServerKit;

/// <summary>
/// Brings the events of a server, or of one path, to handlers of one type, and makes a scope for each client or each event.
/// <para>
/// Invariants: each scope is disposed of once, after the last call into its handler. Two routes share no scope, because the calls of both for one client may overlap, and scoped services need not be
/// thread-safe. Thread-safe.
/// </para>
/// </summary>
/// <param name="serverName">For log lines.</param>
/// <param name="handlerType">A <see cref="WebSocketHandler"/> that the scopes can make.</param>
/// <param name="lifetime">What has a scope.</param>
/// <param name="scopes">Makes scopes.</param>
/// <param name="log">For what goes wrong.</param>
internal sealed class HandlerRoute(string serverName, Type handlerType, HandlerLifetime lifetime, IServiceScopeFactory scopes, HostingLog log)
{
    private readonly ConcurrentDictionary<long, HandlerVisit> _visits = new(); // by client; empty for a scope per event

    /// <summary>The clients that have a scope now.</summary>
    public int Count => _visits.Count;

    public void Subscribe(WebSocketServer server)
    {
        if (lifetime == HandlerLifetime.Client)
            server.OnConnected(ConnectedAsync).OnMessage(MessageAsync).OnDisconnected(DisconnectedAsync);
        else
            server.OnConnected((client, e) => OnceAsync(client, new HandlerCall(e))).OnMessage((client, e) => OnceAsync(client, new HandlerCall(e))).OnDisconnected((client, e) => OnceAsync(client, new HandlerCall(e)));
    }

    public void Subscribe(WebSocketPath path)
    {
        if (lifetime == HandlerLifetime.Client)
            path.OnConnected(ConnectedAsync).OnMessage(MessageAsync).OnDisconnected(DisconnectedAsync);
        else
            path.OnConnected((client, e) => OnceAsync(client, new HandlerCall(e))).OnMessage((client, e) => OnceAsync(client, new HandlerCall(e))).OnDisconnected((client, e) => OnceAsync(client, new HandlerCall(e)));
    }

    private ValueTask ConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e)
    {
        if (Enter(client) is not { } visit)
            return default;
        _visits[client.Id] = visit;
        return visit.CallAsync(new HandlerCall(e));
    }

    private ValueTask MessageAsync(WebSocketClient client, MessageReceivedEventArgs message) =>
        _visits.TryGetValue(client.Id, out HandlerVisit? visit) ? visit.CallAsync(new HandlerCall(message)) : default;

    private async ValueTask DisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e)
    {
        if (!_visits.TryRemove(client.Id, out HandlerVisit? visit))
            return;
        try
        {
            await visit.CallAsync(new HandlerCall(e)).ConfigureAwait(false);
        }
        finally
        {
            await visit.LeaveAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask OnceAsync(WebSocketClient client, HandlerCall call)
    {
        if (Enter(client) is not { } visit)
            return;
        try
        {
            await visit.CallAsync(call).ConfigureAwait(false);
        }
        finally
        {
            await visit.LeaveAsync().ConfigureAwait(false);
        }
    }

    // Null if the handler cannot be made. Then the client is being closed.
    private HandlerVisit? Enter(WebSocketClient client)
    {
        AsyncServiceScope? scope = null;
        try
        {
            scope = scopes.CreateAsyncScope();
            var handler = (WebSocketHandler)scope.Value.ServiceProvider.GetRequiredService(handlerType);
            return new HandlerVisit(handler, client, scope.Value, new ClientLogScope(serverName, client), handlerType.Name, serverName, log);
        }
        catch (Exception exception)
        {
            log.HandlerNotMade(exception, handlerType.Name, serverName, client.Id);
            // Completes when the Close frame is written: nobody needs to wait for that.
            _ = client.CloseAsync(CloseCode.InternalError);
            if (scope is { } made)
                _ = HandlerVisit.DisposeAsync(made, handlerType.Name, serverName, client.Id, log);
            return null;
        }
    }
}
