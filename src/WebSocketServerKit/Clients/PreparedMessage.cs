using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

/// <summary>
/// A message that is encoded once and then sent to anyone, at any time and as often as needed: <c>client.SendAsync(prepared)</c>, <c>client.TrySend(prepared)</c>. It is compressed at most once for
/// each window size that clients have agreed on, when it is first sent to such a client; then it is kept in memory in that form too. Immutable and thread-safe. There is nothing to dispose of.
/// </summary>
/// <remarks>
/// The server of the client to which it is first sent compresses it, with the level of that server. While that server's <see cref="PerMessageDeflateOptions.MaxConcurrentCompressions"/> is reached
/// it goes uncompressed, and the next send tries again.
/// </remarks>
public sealed class PreparedMessage
{
    private PreparedMessage(PreparedFrames frames) => Frames = frames;

    /// <summary><see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>.</summary>
    public WebSocketMessageType MessageType => Frames.Opcode == Opcode.Text ? WebSocketMessageType.Text : WebSocketMessageType.Binary;

    /// <summary>The bytes of the message, as a client gets them. Those of a text message are UTF-8.</summary>
    public ReadOnlySpan<byte> Payload => Frames.Payload;

    internal PreparedFrames Frames { get; }

    /// <summary>Prepares a string.</summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <exception cref="ArgumentException">It has more than 1 GiB as UTF-8.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The type is neither text nor binary.</exception>
    public static PreparedMessage FromText(string text, SendOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Text, default);
        return new PreparedMessage(PreparedFrames.Of(
            opcode, Encoding.UTF8.GetByteCount(text), !options.DisableCompression, text, static (payload, text) => Encoding.UTF8.GetBytes(text, payload)));
    }

    /// <summary>Prepares bytes. They are copied.</summary>
    /// <param name="payload">May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <exception cref="ArgumentException">There is more than 1 GiB; or the type is neither text nor binary, or a text is not valid UTF-8.</exception>
    public static PreparedMessage FromBytes(ReadOnlySpan<byte> payload, SendOptions options = default) =>
        new(PreparedFrames.Of(WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, payload), payload, !options.DisableCompression));

    /// <summary>Prepares a value as JSON: <c>PreparedMessage.FromJson(price, MyContext.Default.Price)</c>.</summary>
    /// <typeparam name="T">The type of the value.</typeparam>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <exception cref="ArgumentException">It has more than 1 GiB; or the type is neither text nor binary, or raw JSON in it is not valid UTF-8.</exception>
    /// <remarks>What the serializer throws comes out.</remarks>
    public static PreparedMessage FromJson<T>(T value, JsonTypeInfo<T> typeInfo, SendOptions options = default)
    {
        using JsonPayload json = JsonPayload.Of(value, typeInfo);
        return FromBytes(json.Written.Span, options with { MessageType = options.MessageType ?? WebSocketMessageType.Text });
    }

    /// <inheritdoc/>
    public override string ToString() => $"{(Frames.Opcode == Opcode.Text ? "text" : "binary")} message of {Frames.PayloadLength} bytes";
}
