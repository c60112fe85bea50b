using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// The message as a value, and as what is forwarded.
public readonly partial struct MessageReceivedEventArgs
{
    /// <summary>
    /// The payload as a value, read from JSON: <c>Order order = message.ReadJson(MyContext.Default.Order)</c>. The bytes are read where they are; no string is made of them. Whether the message is text or
    /// binary does not matter.
    /// </summary>
    /// <remarks>
    /// If the exception comes out of a handler of this client, that is not a failure of the handler, but the client's fault: it is logged as Debug, and with
    /// <see cref="HandlerExceptionPolicy.CloseClient"/> the client is closed with 1007 (<see cref="CloseCode.InvalidPayloadData"/>), as one that sends invalid UTF-8 is. What a converter or a constructor
    /// of the host's types throws that is not a <see cref="JsonException"/> comes out as it is, and counts as a failure of the handler.
    /// </remarks>
    /// <typeparam name="T">The type of the value. For a <see cref="Nullable{T}"/> JSON's <c>null</c> is a value like any other.</typeparam>
    /// <param name="typeInfo">How it is read: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <returns>The value; never null, unless <typeparamref name="T"/> is a <see cref="Nullable{T}"/>.</returns>
    /// <exception cref="JsonException">The message is not valid JSON for this type, or it is <c>null</c>.</exception>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public T ReadJson<T>(JsonTypeInfo<T> typeInfo)
    {
        ArgumentNullException.ThrowIfNull(typeInfo);
        using HeldPayload payload = Hold();
        try
        {
            if (JsonSerializer.Deserialize(payload.Span, typeInfo) is { } value)
                return value;
            return Nullable.GetUnderlyingType(typeof(T)) is not null ? default! : throw new JsonException("The JSON value is null.");
        }
        catch (JsonException exception)
        {
            throw Client.InvalidJson(typeof(T), exception);
        }
    }

    /// <summary>The payload for a caller that uses it before it returns.</summary>
    internal HeldPayload Hold() => new(Client, Run);

    /// <summary>The opcode with which the message is forwarded. Text was validated when it was received.</summary>
    internal Opcode OpcodeAs(SendOptions options, ReadOnlySpan<byte> payload) => IsText && options.MessageType is null or WebSocketMessageType.Text
        ? Opcode.Text
        : WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, payload);
}
