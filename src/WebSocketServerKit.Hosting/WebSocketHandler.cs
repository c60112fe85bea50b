namespace WebSocketServerKit;

/// <summary>
/// Handles the clients of a server, or of one of its paths, with services from dependency injection: <c>services.AddWebSocketServer(…).AddHandler&lt;ChatHandler&gt;()</c>. Override what you need.
/// </summary>
/// <remarks>
/// <para>
/// Made in a scope of its own, for each client or for each event (<see cref="HandlerLifetime"/>). The methods are called like handlers of the events: those of one client one after the other, those of
/// different clients at the same time. The next message waits until the task has completed, unless <see cref="MessageReceivedEventArgs.ContinueReceiving"/> was called.
/// <see cref="WebSocketServerOptions.HandlerExceptions"/> says what an exception does.
/// </para>
/// <para>
/// If the handler cannot be made, because its constructor or that of a service throws, the client is closed with 1011, and an error is logged. A scope for the client is disposed of when
/// <see cref="OnDisconnectedAsync"/> and all other calls for the client have ended, one for an event when the call has ended. An exception of <c>Dispose</c> is logged.
/// </para>
/// </remarks>
public abstract class WebSocketHandler
{
    /// <summary>The client has connected: see <see cref="WebSocketServer.ClientConnected"/>.</summary>
    /// <param name="client">The client.</param>
    /// <param name="e">The event.</param>
    public virtual ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e) => default;

    /// <summary>The client has sent a message: see <see cref="WebSocketServer.MessageReceived"/>.</summary>
    /// <param name="client">The client.</param>
    /// <param name="message">The message. Its payload is valid until the task has completed.</param>
    public virtual ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message) => default;

    /// <summary>The client has left: see <see cref="WebSocketServer.ClientDisconnected"/>. Not called if the handler could not be made; with <see cref="HandlerLifetime.Client"/> that was when the client connected.</summary>
    /// <param name="client">The client.</param>
    /// <param name="e">The event.</param>
    public virtual ValueTask OnDisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e) => default;
}
