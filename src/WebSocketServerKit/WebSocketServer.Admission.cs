using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Sessions that expire, and clients that send too much.
public sealed partial class WebSocketServer
{
    /// <summary>
    /// The session of a client ends within <see cref="WebSocketServerOptions.ExpiryNotice"/>: set <see cref="WebSocketClient.ExpiresAt"/> to renew it, or ask the client for a new token. Raised
    /// once for each date. If the wall clock is set past the date, the client is closed without it.
    /// </summary>
    /// <remarks>
    /// It is raised beside the client's other events, so a handler may take its time: after the handlers of <see cref="ClientConnected"/> have been called, and before
    /// <see cref="ClientDisconnected"/>. Its exceptions are treated like those of other handlers.
    /// </remarks>
    public event EventHandler<ClientExpiringEventArgs>? ClientExpiring;

    /// <summary>
    /// A client has begun to send more than <see cref="WebSocketServerOptions.MaxMessagesPerSecond"/> or <see cref="WebSocketServerOptions.MaxBytesPerSecond"/> allows. Raised again when it does so
    /// after it was within its limits for a second.
    /// </summary>
    /// <inheritdoc cref="ClientExpiring" path="/remarks"/>
    public event EventHandler<ClientOverRateEventArgs>? ClientOverRate;

    internal bool HasClientExpiringHandlers => ClientExpiring is not null;

    internal bool HasClientOverRateHandlers => ClientOverRate is not null;

    /// <summary>Subscribes a function to <see cref="ClientExpiring"/>, and awaits what it returns before the client's next event of this kind.</summary>
    /// <param name="handler">Called like a handler of the event: see <see cref="ClientExpiring"/>. It must return a task; for synchronous code subscribe to the event.</param>
    /// <returns>This server.</returns>
    /// <inheritdoc cref="OnHandshaking(Func{HandshakingEventArgs, ValueTask})" path="/remarks"/>
    [OverloadResolutionPriority(1)]
    public WebSocketServer OnExpiring(Func<WebSocketClient, ClientExpiringEventArgs, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientExpiring += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <inheritdoc cref="OnExpiring(Func{WebSocketClient, ClientExpiringEventArgs, ValueTask})"/>
    public WebSocketServer OnExpiring(Func<WebSocketClient, ClientExpiringEventArgs, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientExpiring += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <summary>Subscribes a function to <see cref="ClientOverRate"/>, and awaits what it returns before the client's next event of this kind.</summary>
    /// <param name="handler">Called like a handler of the event: see <see cref="ClientOverRate"/>. It must return a task; for synchronous code subscribe to the event.</param>
    /// <returns>This server.</returns>
    /// <inheritdoc cref="OnHandshaking(Func{HandshakingEventArgs, ValueTask})" path="/remarks"/>
    [OverloadResolutionPriority(1)]
    public WebSocketServer OnOverRate(Func<WebSocketClient, ClientOverRateEventArgs, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientOverRate += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <inheritdoc cref="OnOverRate(Func{WebSocketClient, ClientOverRateEventArgs, ValueTask})"/>
    public WebSocketServer OnOverRate(Func<WebSocketClient, ClientOverRateEventArgs, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientOverRate += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    internal void RaiseClientExpiring(ClientExpiringEventArgs e, IHandlers handlers) => Raise(this, ClientExpiring, e, handlers);

    internal void RaiseClientOverRate(ClientOverRateEventArgs e, IHandlers handlers) => Raise(this, ClientOverRate, e, handlers);
}
