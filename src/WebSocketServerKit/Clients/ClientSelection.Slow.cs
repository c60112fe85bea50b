using System.Buffers;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Messages of which only the newest counts.
public partial class ClientSelection
{
    /// <summary>
    /// Sends a text message of which only the newest with its key counts to all of them: <c>server.Clients.BroadcastLatest("EURUSD", quote)</c>. For a client that reads slowly it takes the place
    /// of the pending message with the same key: see <see cref="WebSocketClient.TrySendLatest(string, string, SendOptions)"/>. Otherwise like <see cref="Broadcast(string, SendOptions)"/>.
    /// </summary>
    /// <param name="key">Says which messages make each other out of date. Compared ordinally.</param>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or the message has more than 1 GiB.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    public BroadcastResult BroadcastLatest(string key, string text, SendOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(text);
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Text, default);
        using SharedMessage message = SharedMessage.Of(opcode, text, !options.DisableCompression);
        return Broadcast(message, key);
    }

    /// <summary>Sends a message of which only the newest with its key counts to all of them. Otherwise like <see cref="BroadcastLatest(string, string, SendOptions)"/>.</summary>
    /// <param name="key">Says which messages make each other out of date. Compared ordinally.</param>
    /// <param name="payload">Copied before the call returns. May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, a text is not valid UTF-8, or the message has more than 1 GiB.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    public BroadcastResult BroadcastLatest(string key, ReadOnlySpan<byte> payload, SendOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, payload);
        using SharedMessage message = SharedMessage.Of(opcode, payload, !options.DisableCompression);
        return Broadcast(message, key);
    }

    /// <inheritdoc cref="BroadcastLatest(string, ReadOnlySpan{byte}, SendOptions)"/>
    [OverloadResolutionPriority(-1)]
    public BroadcastResult BroadcastLatest(string key, ReadOnlyMemory<byte> payload, SendOptions options = default) => BroadcastLatest(key, payload.Span, options);

    /// <inheritdoc cref="BroadcastLatest(string, ReadOnlySpan{byte}, SendOptions)"/>
    public BroadcastResult BroadcastLatest(string key, ReadOnlySequence<byte> payload, SendOptions options = default)
    {
        using GatheredPayload gathered = new(payload);
        return BroadcastLatest(key, gathered.Span, options);
    }
}
