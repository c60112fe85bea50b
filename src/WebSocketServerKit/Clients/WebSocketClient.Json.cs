using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Values as JSON. Only JsonTypeInfo is taken: it needs no reflection, and works in a program that is trimmed or compiled ahead of time.
public sealed partial class WebSocketClient
{
    /// <summary>
    /// Sends a value as JSON in a text message: <c>client.SendJsonAsync(price, MyContext.Default.Price)</c>. It is written as UTF-8 before the call returns; no string is made. Otherwise like
    /// <see cref="SendAsync(string, CancellationToken)"/>.
    /// </summary>
    /// <remarks>What the serializer throws comes out, and nothing is sent then.</remarks>
    /// <typeparam name="T">The type of the value.</typeparam>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="ArgumentException">The JSON has more than 1 GiB, or raw JSON in it is not valid UTF-8.</exception>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    public ValueTask SendJsonAsync<T>(T value, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken = default) =>
        SendJsonAsync(value, typeInfo, default(SendOptions), cancellationToken);

    /// <summary>Sends a value as JSON, with options. Otherwise like <see cref="SendJsonAsync{T}(T, JsonTypeInfo{T}, CancellationToken)"/>.</summary>
    /// <typeparam name="T">The type of the value.</typeparam>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="ArgumentException">The JSON has more than 1 GiB; or the type is neither text nor binary, or raw JSON in it is not valid UTF-8.</exception>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    [OverloadResolutionPriority(1)]
    public ValueTask SendJsonAsync<T>(T value, JsonTypeInfo<T> typeInfo, SendOptions options, CancellationToken cancellationToken = default)
    {
        using JsonPayload json = JsonPayload.Of(value, typeInfo);
#pragma warning disable MA0100 // the payload is copied before the task comes back
        return SendAsync(json.Written.Span, AsText(options), cancellationToken);
#pragma warning restore MA0100
    }

    /// <summary>Sends a value as JSON in a text message, if that needs no waiting.</summary>
    /// <remarks>What the serializer throws comes out, and nothing is sent then.</remarks>
    /// <typeparam name="T">The type of the value.</typeparam>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <returns><see cref="SendResult.Dropped"/> and <see cref="SendResult.Closed"/> mean that the message is not sent.</returns>
    /// <exception cref="ArgumentException">The JSON has more than 1 GiB; or the type is neither text nor binary, or raw JSON in it is not valid UTF-8.</exception>
    public SendResult TrySendJson<T>(T value, JsonTypeInfo<T> typeInfo, SendOptions options = default)
    {
        using JsonPayload json = JsonPayload.Of(value, typeInfo);
        return TrySend(json.Written.Span, AsText(options));
    }

    internal static SendOptions AsText(SendOptions options) => options with { MessageType = options.MessageType ?? WebSocketMessageType.Text };

    internal InvalidJsonException InvalidJson(Type expected, JsonException cause) =>
        new($"The message of {this} is not valid JSON for {expected}: {cause.Message}", _lifetime, cause);
}
