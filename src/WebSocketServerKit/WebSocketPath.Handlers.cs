using System.Runtime.CompilerServices;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Subscriptions for functions that return a task. An async lambda converts to ValueTask and to Task; the priority chooses the former.
public sealed partial class WebSocketPath
{
    /// <summary>
    /// Subscribes a function to <see cref="Handshaking"/>, and awaits what it returns before the client is accepted. An exception refuses the client with 500, as that of any handler of the event does.
    /// </summary>
    /// <param name="handler">Called like a handler of the event: see <see cref="Handshaking"/>. It must return a task; for synchronous code subscribe to the event.</param>
    /// <returns>This path.</returns>
    /// <remarks>
    /// Prefer this to <c>path.Handshaking += (_, e) => HandleAsync(e)</c>, which drops the task: nobody waits for it, and its exception is lost. All functions that were subscribed, and all
    /// handlers of the event, are called in their order; there is no way to unsubscribe a function.
    /// </remarks>
    [OverloadResolutionPriority(1)]
    public WebSocketPath OnHandshaking(Func<HandshakingEventArgs, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        Handshaking += (_, e) => AwaitedHandler.Follow(handler(e));
        return this;
    }

    /// <inheritdoc cref="OnHandshaking(Func{HandshakingEventArgs, ValueTask})"/>
    public WebSocketPath OnHandshaking(Func<HandshakingEventArgs, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        Handshaking += (_, e) => AwaitedHandler.Follow(handler(e));
        return this;
    }

    /// <summary>
    /// Subscribes a function to <see cref="ClientConnected"/>, and awaits what it returns before the client's first message is raised:
    /// <c>path.OnConnected(async (client, e) => await client.SendAsync("welcome"))</c>. <see cref="WebSocketServerOptions.HandlerExceptions"/> says what an exception does.
    /// </summary>
    /// <param name="handler">Called like a handler of the event: see <see cref="ClientConnected"/>. It must return a task; for synchronous code subscribe to the event.</param>
    /// <returns>This path.</returns>
    /// <inheritdoc cref="OnHandshaking(Func{HandshakingEventArgs, ValueTask})" path="/remarks"/>
    [OverloadResolutionPriority(1)]
    public WebSocketPath OnConnected(Func<WebSocketClient, ClientConnectedEventArgs, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientConnected += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <inheritdoc cref="OnConnected(Func{WebSocketClient, ClientConnectedEventArgs, ValueTask})"/>
    public WebSocketPath OnConnected(Func<WebSocketClient, ClientConnectedEventArgs, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientConnected += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <summary>
    /// Subscribes a function to <see cref="MessageReceived"/>, and awaits what it returns before the client's next message is raised:
    /// <c>path.OnMessage(async (client, message) => await client.SendAsync(message.Text))</c>. <see cref="WebSocketServerOptions.HandlerExceptions"/> says what an exception does.
    /// </summary>
    /// <param name="handler">Called like a handler of the event: see <see cref="MessageReceived"/>. It must return a task; for synchronous code subscribe to the event.</param>
    /// <returns>This path.</returns>
    /// <inheritdoc cref="OnHandshaking(Func{HandshakingEventArgs, ValueTask})" path="/remarks"/>
    [OverloadResolutionPriority(1)]
    public WebSocketPath OnMessage(Func<WebSocketClient, MessageReceivedEventArgs, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        MessageReceived += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <inheritdoc cref="OnMessage(Func{WebSocketClient, MessageReceivedEventArgs, ValueTask})"/>
    public WebSocketPath OnMessage(Func<WebSocketClient, MessageReceivedEventArgs, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        MessageReceived += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <summary>Subscribes a function to <see cref="ClientDisconnected"/>, and awaits what it returns; the stop of the server waits for it.</summary>
    /// <param name="handler">Called like a handler of the event: see <see cref="ClientDisconnected"/>. It must return a task; for synchronous code subscribe to the event.</param>
    /// <returns>This path.</returns>
    /// <inheritdoc cref="OnHandshaking(Func{HandshakingEventArgs, ValueTask})" path="/remarks"/>
    [OverloadResolutionPriority(1)]
    public WebSocketPath OnDisconnected(Func<WebSocketClient, ClientDisconnectedEventArgs, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientDisconnected += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }

    /// <inheritdoc cref="OnDisconnected(Func{WebSocketClient, ClientDisconnectedEventArgs, ValueTask})"/>
    public WebSocketPath OnDisconnected(Func<WebSocketClient, ClientDisconnectedEventArgs, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ClientDisconnected += (_, e) => AwaitedHandler.Follow(handler(e.Client, e));
        return this;
    }
}
