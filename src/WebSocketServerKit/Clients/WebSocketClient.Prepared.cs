using WebSocketServerKit.Connections.Sending;

namespace WebSocketServerKit;

// Sends of messages that were encoded before.
public sealed partial class WebSocketClient
{
    /// <summary>Sends a message that was encoded before. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.</summary>
    /// <param name="message">Its bytes are not copied while the call waits for room; while the client takes what it is sent, a large message is not copied at all.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    public ValueTask SendAsync(PreparedMessage message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        SendOutcome outcome = message.Frames.SendTo(_lifetime.Queue, _lifetime.Compressor, cancellationToken, out Task<SendOutcome>? waiting);
        return outcome.IsAccepted ? default : FinishAsync(waiting ?? Task.FromResult(outcome));
    }

    /// <summary>Sends a message that was encoded before, if that needs no waiting.</summary>
    /// <param name="message">The message.</param>
    /// <returns><see cref="SendResult.Dropped"/> and <see cref="SendResult.Closed"/> mean that the message is not sent.</returns>
    public SendResult TrySend(PreparedMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return ResultOf(message.Frames.TrySendTo(_lifetime.Queue, _lifetime.Compressor));
    }

    /// <summary>Sends a message that was encoded before, as the newest value of a key: it replaces a pending one with the same key, as <see cref="TrySendLatest(string, string, SendOptions)"/> says.</summary>
    /// <param name="key">Compared ordinally.</param>
    /// <param name="message">The message.</param>
    /// <returns><see cref="SendResult.Dropped"/> and <see cref="SendResult.Closed"/> mean that the message is not sent.</returns>
    public SendResult TrySendLatest(string key, PreparedMessage message)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(message);
        using SharedMessage shared = new(message.Frames);
        return TrySend(shared, key);
    }
}
