using System.Runtime.CompilerServices;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Forwards messages that were received. The bytes go from the receive buffer of one client directly to the send queue of another.
public sealed partial class WebSocketClient
{
    /// <summary>
    /// Forwards a received message, to its sender or to anybody else: <c>server.Clients.Find(id)?.SendAsync(message)</c>. It stays text or binary, is not validated again, and is copied once: from the
    /// receive buffer into the send queue. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.
    /// </summary>
    /// <param name="message">Its handlers may end once the call has returned, even while the task waits for room.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="InvalidOperationException">The handlers of the received message have ended, or one has called <see cref="MessageReceivedEventArgs.ContinueReceiving"/>.</exception>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    public ValueTask SendAsync(MessageReceivedEventArgs message, CancellationToken cancellationToken = default) =>
        SendAsync(message, default(SendOptions), cancellationToken);

    /// <summary>Forwards a received message, with options. Otherwise like <see cref="SendAsync(MessageReceivedEventArgs, CancellationToken)"/>.</summary>
    /// <param name="message">Its handlers may end once the call has returned, even while the task waits for room.</param>
    /// <param name="options">The message type, by default that of the message, and whether it may be compressed.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a binary message that is to be text is not valid UTF-8.</exception>
    /// <exception cref="InvalidOperationException">The handlers of the received message have ended, or one has called <see cref="MessageReceivedEventArgs.ContinueReceiving"/>.</exception>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    [OverloadResolutionPriority(1)]
    public ValueTask SendAsync(MessageReceivedEventArgs message, SendOptions options, CancellationToken cancellationToken = default)
    {
        using HeldPayload payload = message.Hold();
#pragma warning disable MA0100 // the payload is copied before the task comes back
        return SendAsync(message.OpcodeAs(options, payload.Span), payload.Span, options, cancellationToken);
#pragma warning restore MA0100
    }

    /// <summary>Forwards a received message if that needs no waiting.</summary>
    /// <param name="message">The message.</param>
    /// <param name="options">The message type, by default that of the message, and whether it may be compressed.</param>
    /// <returns><see cref="SendResult.Dropped"/> and <see cref="SendResult.Closed"/> mean that the message is not sent.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a binary message that is to be text is not valid UTF-8.</exception>
    /// <exception cref="InvalidOperationException">The handlers of the received message have ended, or one has called <see cref="MessageReceivedEventArgs.ContinueReceiving"/>.</exception>
    public SendResult TrySend(MessageReceivedEventArgs message, SendOptions options = default)
    {
        using HeldPayload payload = message.Hold();
        return TrySend(message.OpcodeAs(options, payload.Span), payload.Span, options);
    }

    /// <summary>Whether this thread raises an event of this client: then the payload of its message stays valid until the handler has returned.</summary>
    internal bool IsHandlingOnThisThread => _lifetime.Handlers.IsLoopThread;
}
