using System.Buffers;
using System.Text.Json.Serialization.Metadata;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Sends of what is more than text or bytes.
public partial class ClientSelection
{
    /// <summary>Sends a message that was encoded before to all of them. Otherwise like <see cref="Broadcast(string, SendOptions)"/>.</summary>
    /// <param name="message">The message.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    public BroadcastResult Broadcast(PreparedMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        using SharedMessage shared = new(message.Frames);
        return Broadcast(shared);
    }

    /// <summary>
    /// Sends a message that was encoded before to all of them, as the newest value of a key: <c>clients.BroadcastLatest("EURUSD", PreparedMessage.FromJson(quote, MyContext.Default.Quote))</c>. It replaces
    /// a pending one with the same key, as <see cref="BroadcastLatest(string, string, SendOptions)"/> says.
    /// </summary>
    /// <param name="key">Compared ordinally.</param>
    /// <param name="message">The message.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    public BroadcastResult BroadcastLatest(string key, PreparedMessage message)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(message);
        using SharedMessage shared = new(message.Frames);
        return Broadcast(shared, key);
    }

    /// <summary>
    /// Forwards a received message to all of them: <c>server.Clients.InGroup("lobby").Except(sender).Broadcast(message)</c>. It stays text or binary, is not validated again, and goes from the receive
    /// buffer directly into each send queue. Otherwise like <see cref="Broadcast(string, SendOptions)"/>.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="options">The message type, by default that of the message, and whether it may be compressed.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a binary message that is to be text is not valid UTF-8.</exception>
    /// <exception cref="InvalidOperationException">
    /// The handlers of the received message have ended, or one has called <see cref="MessageReceivedEventArgs.ContinueReceiving"/>. Or the selection has a function, and the server a backplane: see
    /// <see cref="OnThisServer"/>.
    /// </exception>
    public BroadcastResult Broadcast(MessageReceivedEventArgs message, SendOptions options = default)
    {
        using HeldPayload payload = message.Hold();
        using SharedMessage shared = new(message.OpcodeAs(options, payload.Span), payload.Memory, !options.DisableCompression, ArrayPool<byte>.Shared);
        return Broadcast(shared);
    }

    /// <summary>
    /// Sends a value as JSON to all of them, in a text message. It is written once, as UTF-8; no string is made. Otherwise like <see cref="Broadcast(string, SendOptions)"/>.
    /// </summary>
    /// <remarks>What the serializer throws comes out, and nothing is sent then.</remarks>
    /// <typeparam name="T">The type of the value.</typeparam>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="ArgumentException">The JSON has more than 1 GiB; or the type is neither text nor binary, or raw JSON in it is not valid UTF-8.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    public BroadcastResult BroadcastJson<T>(T value, JsonTypeInfo<T> typeInfo, SendOptions options = default)
    {
        using JsonPayload json = JsonPayload.Of(value, typeInfo);
        using SharedMessage shared = new(
            WebSocketClient.OpcodeFor(WebSocketClient.AsText(options).MessageType!.Value, json.Written.Span), json.Written, !options.DisableCompression, ArrayPool<byte>.Shared);
        return Broadcast(shared);
    }
}
