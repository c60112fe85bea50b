using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Clients that read too slowly.
public sealed partial class WebSocketServer
{
    /// <summary>
    /// A client has begun to read too slowly (<see cref="ClientSlowEventArgs.IsSlow"/> is true): a message to it was dropped or replaced, or had to wait for room. Or it has taken all that was
    /// pending (false). See <see cref="WebSocketServerOptions.SlowClients"/>.
    /// </summary>
    /// <remarks>
    /// It is raised beside the client's other events, since one of their handlers may be the one that waits for the client: after the handlers of <see cref="ClientConnected"/> have been called,
    /// and before <see cref="ClientDisconnected"/>, which waits for its handlers up to <see cref="WebSocketServerOptions.CloseTimeout"/>. The events of one client come one after the other; a
    /// handler that takes long is told the newest state only. A client that leaves while it is slow gets no event with false.
    /// </remarks>
    public event EventHandler<ClientSlowEventArgs>? ClientSlow;

    /// <summary>Messages that did not reach a client because it read too slowly, since this object was made: see <see cref="WebSocketClient.MessagesDropped"/>.</summary>
    public long MessagesDropped => SendTotals.Dropped;

    /// <summary>Pending messages whose place a newer one with the same key took, since this object was made: see <see cref="WebSocketClient.MessagesReplaced"/>.</summary>
    public long MessagesReplaced => SendTotals.Replaced;

    internal SendTotals SendTotals { get; } = new();

    internal bool HasClientSlowHandlers => ClientSlow is not null;

    /// <summary>Subscribes a function to <see cref="ClientSlow"/>, and awaits what it returns before the client's next event of this kind.</summary>
    /// <param name="handler">Called like a handler of the event: see <see cref="ClientSlow"/>. It must return a task; for synchronous code subscribe to the event.</param>
    /// <returns>This server.</returns>
    /// <inheritdoc cref="OnHandshaking(Func{HandshakingEventArgs, ValueTask})" path="/remarks"/>
    [OverloadResolutionPriority(1)]
    public WebSocketServer OnSlow(Func<WebSocketClient, ClientSlowEventArgs, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientSlow += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <inheritdoc cref="OnSlow(Func{WebSocketClient, ClientSlowEventArgs, ValueTask})"/>
    public WebSocketServer OnSlow(Func<WebSocketClient, ClientSlowEventArgs, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientSlow += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    internal void RaiseClientSlow(ClientSlowEventArgs e, IHandlers handlers) => Raise(this, ClientSlow, e, handlers);
}
