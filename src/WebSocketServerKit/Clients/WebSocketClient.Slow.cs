using System.Buffers;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Clients that read too slowly, and messages of which only the newest counts.
public sealed partial class WebSocketClient
{
    /// <summary>
    /// Whether the client reads too slowly at present: a message to it was dropped or replaced, or had to wait for room, and it has not taken all that was pending since. See
    /// <see cref="WebSocketServer.ClientSlow"/>.
    /// </summary>
    public bool IsSlow => _lifetime.Queue.IsSlow;

    /// <summary>Messages that did not reach this client because it read too slowly: those for which there was no room, and pending ones that were dropped (<see cref="SlowClientPolicy.DropOldest"/>).</summary>
    public long MessagesDropped => _lifetime.Queue.MessagesDropped;

    /// <summary>Pending messages whose place a newer one with the same key took.</summary>
    public long MessagesReplaced => _lifetime.Queue.MessagesReplaced;

    internal long PendingBytes => _lifetime.Queue.PendingBytes;

    /// <summary>
    /// Sends a text message of which only the newest with its key counts, such as a price: <c>client.TrySendLatest("EURUSD", quote)</c>. While a message with the same key is pending, because
    /// the client reads slowly, the new one takes its place in the order, and the old one is not sent. Otherwise it is sent like any other. Never waits.
    /// </summary>
    /// <remarks>
    /// So what waits for a slow client is one message per key, and nothing that is out of date. If <see cref="WebSocketServerOptions.SendQueueLimit"/> is twice the size of one message of each
    /// key (with 128 bytes, and the key, for the memory of each), none is dropped whatever the policy. In it a message that is larger than the pending one may find no room: then the pending one stays, and the result is
    /// <see cref="SendResult.Dropped"/>.
    /// </remarks>
    /// <param name="key">Says which messages make each other out of date. Compared ordinally.</param>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <returns><see cref="SendResult.Replaced"/> if it took the place of another; otherwise as <see cref="TrySend(string, SendOptions)"/>.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or the message has more than 1 GiB.</exception>
    public SendResult TrySendLatest(string key, string text, SendOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(text);
        Opcode opcode = OpcodeFor(options.MessageType ?? WebSocketMessageType.Text, default);
        using SharedMessage message = SharedMessage.Of(opcode, text, !options.DisableCompression);
        return TrySend(message, key);
    }

    /// <summary>Sends a message of which only the newest with its key counts. Otherwise like <see cref="TrySendLatest(string, string, SendOptions)"/>.</summary>
    /// <param name="key">Says which messages make each other out of date. Compared ordinally.</param>
    /// <param name="payload">Copied before the call returns. May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <returns><see cref="SendResult.Replaced"/> if it took the place of another; otherwise as <see cref="TrySend(string, SendOptions)"/>.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, a text is not valid UTF-8, or the message has more than 1 GiB.</exception>
    public SendResult TrySendLatest(string key, ReadOnlySpan<byte> payload, SendOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        Opcode opcode = OpcodeOf(payload, options);
        using SharedMessage message = SharedMessage.Of(opcode, payload, !options.DisableCompression);
        return TrySend(message, key);
    }

    /// <inheritdoc cref="TrySendLatest(string, ReadOnlySpan{byte}, SendOptions)"/>
    [OverloadResolutionPriority(-1)]
    public SendResult TrySendLatest(string key, ReadOnlyMemory<byte> payload, SendOptions options = default) => TrySendLatest(key, payload.Span, options);

    /// <inheritdoc cref="TrySendLatest(string, ReadOnlySpan{byte}, SendOptions)"/>
    public SendResult TrySendLatest(string key, ReadOnlySequence<byte> payload, SendOptions options = default)
    {
        using GatheredPayload gathered = new(payload);
        return TrySendLatest(key, gathered.Span, options);
    }
}
