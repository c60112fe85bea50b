using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;

namespace WebSocketServerKit.Testing;

// Sends and receives.
public sealed partial class TestClient
{
    private const string Reflection = "The JSON of any type is written and read by reflection. Use the overload with a JsonTypeInfo.";

    /// <summary>
    /// Sends a text message. Completes when the bytes are on their way to the server, not when its handlers have ended: wait for what they send, or for
    /// <see cref="TestingExtensions.WhenIdleAsync"/>.
    /// </summary>
    /// <param name="text">The message.</param>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    /// <exception cref="TimeoutException">The server has not taken the message: a handler of the client runs, or the server reads the client no longer.</exception>
    public Task SendAsync(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text);
    }

    /// <summary>Sends a binary message, which is copied. Otherwise like <see cref="SendAsync(string)"/>.</summary>
    /// <param name="payload">The message.</param>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    /// <exception cref="TimeoutException">The server has not taken the message.</exception>
    public Task SendAsync(ReadOnlyMemory<byte> payload) =>
        SendAsync(payload.ToArray(), WebSocketMessageType.Binary);

    /// <summary>Sends a value as a text message of JSON: <c>SendJsonAsync(order, MyContext.Default.Order)</c>. Otherwise like <see cref="SendAsync(string)"/>.</summary>
    /// <param name="value">The value.</param>
    /// <param name="typeInfo">How it is written: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <typeparam name="T">The type of the value.</typeparam>
    public Task SendJsonAsync<T>(T value, JsonTypeInfo<T> typeInfo) =>
        SendAsync(JsonSerializer.SerializeToUtf8Bytes(value, typeInfo), WebSocketMessageType.Text);

    /// <summary>Sends a value as a text message of JSON, in camelCase (<see cref="JsonSerializerOptions.Web"/>): <c>SendJsonAsync(new { type = "join", room = 7 })</c>. Otherwise like <see cref="SendAsync(string)"/>.</summary>
    /// <param name="value">The value.</param>
    /// <typeparam name="T">The type of the value.</typeparam>
    [RequiresUnreferencedCode(Reflection)]
    [RequiresDynamicCode(Reflection)]
    public Task SendJsonAsync<T>(T value) => SendJsonAsync(value, JsonSerializerOptions.Web);

    /// <inheritdoc cref="SendJsonAsync{T}(T)" path="/typeparam"/>
    /// <summary>Sends a value as a text message of JSON. Otherwise like <see cref="SendAsync(string)"/>.</summary>
    /// <param name="value">The value.</param>
    /// <param name="options">How it is written.</param>
    [RequiresUnreferencedCode(Reflection)]
    [RequiresDynamicCode(Reflection)]
    public Task SendJsonAsync<T>(T value, JsonSerializerOptions options) => SendAsync(JsonSerializer.SerializeToUtf8Bytes(value, options), WebSocketMessageType.Text);

    /// <summary>
    /// Sends bytes as they are, never in the middle of a message: a frame without a mask, half a frame, garbage. For the tests of what a hostile client sends. After a frame that is not complete, no
    /// message can be sent.
    /// </summary>
    /// <param name="bytes">The bytes.</param>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    /// <exception cref="TimeoutException">The server has not taken the bytes.</exception>
    public Task SendRawAsync(ReadOnlyMemory<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        return EndSendAsync(_connection.ClientEnd.WriteAsync(bytes.ToArray(), CancellationToken.None).AsTask(), $"{bytes.Length} bytes");
    }

    /// <summary>Takes the next message that the server has sent; waits for it if there is none.</summary>
    /// <exception cref="ConnectionClosedException">The connection has ended, and all messages before its end were taken. The exception has the close code and the reason.</exception>
    /// <exception cref="TimeoutException">None came.</exception>
    /// <exception cref="ObjectDisposedException">This client is disposed of, before the call or while it waits.</exception>
    public Task<ReceivedMessage> ReceiveAsync() => ReceiveAsync("a message");

    /// <summary>Takes the next message, which has to be text. Otherwise like <see cref="ReceiveAsync()"/>.</summary>
    /// <exception cref="ExpectationFailedException">It is binary.</exception>
    public async Task<string> ReceiveTextAsync()
    {
        ReceivedMessage message = await ReceiveAsync("a text message").ConfigureAwait(false);
        return message.IsText ? message.Text : throw Unexpected("a text message", message.ToString());
    }

    /// <summary>Takes the next message, which has to be binary. Otherwise like <see cref="ReceiveAsync()"/>.</summary>
    /// <exception cref="ExpectationFailedException">It is text.</exception>
    public async Task<byte[]> ReceiveBinaryAsync()
    {
        ReceivedMessage message = await ReceiveAsync("a binary message").ConfigureAwait(false);
        return message.IsText ? throw Unexpected("a binary message", message.ToString()) : message.Payload.ToArray();
    }

    /// <summary>Takes the next message as a value, read from JSON. Otherwise like <see cref="ReceiveAsync()"/>.</summary>
    /// <param name="typeInfo">How it is read: a property of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <typeparam name="T">The type of the value.</typeparam>
    /// <exception cref="ExpectationFailedException">It is not JSON of this type.</exception>
    public Task<T> ReceiveJsonAsync<T>(JsonTypeInfo<T> typeInfo) =>
        ReceiveJsonAsync(payload => JsonSerializer.Deserialize(payload, typeInfo));

    /// <summary>Takes the next message as a value, read from JSON in camelCase (<see cref="JsonSerializerOptions.Web"/>). Otherwise like <see cref="ReceiveAsync()"/>.</summary>
    /// <typeparam name="T">The type of the value.</typeparam>
    /// <exception cref="ExpectationFailedException">It is not JSON of this type.</exception>
    [RequiresUnreferencedCode(Reflection)]
    [RequiresDynamicCode(Reflection)]
    public Task<T> ReceiveJsonAsync<T>() => ReceiveJsonAsync<T>(JsonSerializerOptions.Web);

    /// <inheritdoc cref="ReceiveJsonAsync{T}(JsonTypeInfo{T})" path="/*[not(self::param)]"/>
    /// <param name="options">How it is read.</param>
    [RequiresUnreferencedCode(Reflection)]
    [RequiresDynamicCode(Reflection)]
    public Task<T> ReceiveJsonAsync<T>(JsonSerializerOptions options) => ReceiveJsonAsync(payload => JsonSerializer.Deserialize<T>(payload, options));

    private delegate T? Reader<T>(ReadOnlySpan<byte> payload);

    private async Task<T> ReceiveJsonAsync<T>(Reader<T> read)
    {
        ReceivedMessage message = await ReceiveAsync($"JSON of the type {typeof(T)}").ConfigureAwait(false);
        try
        {
            return read(message.Payload.Span) ?? throw new JsonException("The JSON value is null.");
        }
        catch (JsonException exception)
        {
            throw Unexpected($"JSON of the type {typeof(T)}", $"{message}. {exception.Message}", exception);
        }
    }

    private async Task<ReceivedMessage> ReceiveAsync(string what)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        _cancellationToken.ThrowIfCancellationRequested();
        if (_inbox.Reader.TryRead(out ReceivedMessage? message))
            return message;
        // A wait that is given up must not take a later message.
        using CancellationTokenSource givenUp = CancellationTokenSource.CreateLinkedTokenSource(_cancellationToken);
        Task<ReceivedMessage> receiving = _inbox.Reader.ReadAsync(givenUp.Token).AsTask();
        try
        {
            return await Guard.WaitAsync(receiving, Timeout, () => $"{what} of the server. {State()}", _cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            throw Closed($"Waited for {what} of the server");
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            await givenUp.CancelAsync().ConfigureAwait(false);
            await ((Task)receiving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (receiving.IsCompletedSuccessfully)
                return await receiving.ConfigureAwait(false); // it came just in time
            throw;
        }
    }

    private Task SendAsync(byte[] payload, WebSocketMessageType type)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        // The token would end the connection in the middle of a frame.
        Task sending = _socket.SendAsync(payload, type, endOfMessage: true, CancellationToken.None);
        return EndSendAsync(sending, $"a message of {payload.Length} bytes");
    }

    private async Task EndSendAsync(Task sending, string what)
    {
        try
        {
            await Guard.WaitAsync(sending, Timeout, () => $"the server to take {what}. It has {_connection.UnreadByServer} bytes to read. {State()}", _cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsOver(exception))
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            // If the client does not know the end yet, it is on its way.
            if (!_connection.IsPaused && CloseCode is null)
                await Guard.WaitAsync(_received.Task, Timeout, () => $"the end of the connection, which has failed. {State()}", _cancellationToken).ConfigureAwait(false);
            throw Closed($"The client cannot send {what}");
        }
    }

    private ConnectionClosedException Closed(string instead) => new(instead, CloseCode ?? WebSocketServerKit.CloseCode.AbnormalClosure, CloseReason, _failure);
}
