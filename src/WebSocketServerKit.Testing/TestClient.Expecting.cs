using System.Text.Json;
using System.Text.Json.Nodes;
using WebSocketServerKit.Testing.Memory;

namespace WebSocketServerKit.Testing;

// What a test expects. Each failure is an ExpectationFailedException, which every test framework shows.
public sealed partial class TestClient
{
    /// <summary>
    /// Takes the next message, which has to be this text. That also proves that nothing else was sent before.
    /// </summary>
    /// <param name="expected">The text.</param>
    /// <exception cref="ExpectationFailedException">Another message came, or the end of the connection.</exception>
    /// <exception cref="TimeoutException">Nothing came.</exception>
    public async Task ExpectTextAsync(string expected)
    {
        ArgumentNullException.ThrowIfNull(expected);
        string shown = ReceivedMessage.Shown(expected);
        ReceivedMessage message = await ExpectMessageAsync(shown).ConfigureAwait(false);
        if (message.IsText && message.Text.Equals(expected, StringComparison.Ordinal))
            return;
        string at = message.IsText ? $", different from character {message.Text.AsSpan().CommonPrefixLength(expected)} on" : "";
        throw Unexpected(shown, message + at);
    }

    /// <summary>Takes the next message, which has to be binary with these bytes. Otherwise like <see cref="ExpectTextAsync"/>.</summary>
    /// <param name="expected">The bytes.</param>
    /// <exception cref="ExpectationFailedException">Another message came, or the end of the connection.</exception>
    /// <exception cref="TimeoutException">Nothing came.</exception>
    public async Task ExpectBinaryAsync(ReadOnlyMemory<byte> expected)
    {
        string shown = ReceivedMessage.Shown(expected.Span);
        ReceivedMessage message = await ExpectMessageAsync(shown).ConfigureAwait(false);
        if (message.IsText || !message.Payload.Span.SequenceEqual(expected.Span))
            throw Unexpected(shown, message.ToString());
    }

    /// <summary>
    /// Takes the next message, which has to be this JSON. White space and the order of members do not matter: <c>ExpectJsonAsync("""{ "type": "joined", "room": 7 }""")</c>. Otherwise like
    /// <see cref="ExpectTextAsync"/>.
    /// </summary>
    /// <param name="expected">The JSON.</param>
    /// <exception cref="ArgumentException">What is expected is not JSON.</exception>
    /// <exception cref="ExpectationFailedException">Another message came, or the end of the connection.</exception>
    /// <exception cref="TimeoutException">Nothing came.</exception>
    public async Task ExpectJsonAsync(string expected)
    {
        ArgumentNullException.ThrowIfNull(expected);
        JsonNode? wanted;
        try
        {
            wanted = JsonNode.Parse(expected);
        }
        catch (JsonException exception)
        {
            throw new ArgumentException($"What is expected is not JSON. {exception.Message}", nameof(expected), exception);
        }

        string shown = $"JSON {wanted?.ToJsonString() ?? "null"}";
        ReceivedMessage message = await ExpectMessageAsync(shown).ConfigureAwait(false);
        try
        {
            JsonNode? actual = JsonNode.Parse(message.Payload.Span);
            if (!JsonNode.DeepEquals(wanted, actual))
                throw Unexpected(shown, $"JSON {actual?.ToJsonString() ?? "null"}");
        }
        catch (JsonException exception)
        {
            throw Unexpected(shown, message.ToString(), exception);
        }
    }

    /// <summary>
    /// Waits until the server is idle (<see cref="TestingExtensions.WhenIdleAsync"/>), and then expects that there is no message that was not taken. Nothing that was sent before can be missed, and
    /// no time has to pass.
    /// </summary>
    /// <exception cref="ExpectationFailedException">There is a message.</exception>
    /// <exception cref="TimeoutException">The server is not idle: a handler has not ended.</exception>
    public async Task ExpectNothingAsync()
    {
        await ServerConnections.Of(Server).WhenAtRestAsync(waitsForHandlers: true, Timeout, _cancellationToken).ConfigureAwait(false);
        if (_inbox.Reader.TryPeek(out ReceivedMessage? message))
            throw new ExpectationFailedException("The server has sent a message.", "no message", message.ToString());
    }

    /// <summary>
    /// Waits for the end of the connection, as <see cref="WaitForCloseAsync"/> does. It has to come next, before any other message, and the server's Close frame has to have this code.
    /// </summary>
    /// <param name="code">The code: 1006 (<see cref="CloseCode.AbnormalClosure"/>) for an end without a Close frame.</param>
    /// <param name="reason">The reason; null if it does not matter.</param>
    /// <exception cref="ExpectationFailedException">There is a message, or the connection ended with another code or reason.</exception>
    /// <exception cref="TimeoutException">The connection has not ended.</exception>
    public async Task ExpectClosedAsync(CloseCode code, string? reason = null)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        string expected = ConnectionClosedException.Describe(code, reason ?? "");
        Task next = _inbox.Reader.WaitToReadAsync(CancellationToken.None).AsTask();
        await Guard.WaitAsync(next, Timeout, () => $"the end of the connection. {State()}", _cancellationToken).ConfigureAwait(false);
        if (_inbox.Reader.TryPeek(out ReceivedMessage? message))
            throw Unexpected(expected, message.ToString());
        CloseCode actual = await WaitForCloseAsync().ConfigureAwait(false);
        if (actual != code || (reason is not null && !reason.Equals(CloseReason, StringComparison.Ordinal)))
            throw new ExpectationFailedException("The connection has ended otherwise.", expected, ConnectionClosedException.Describe(actual, CloseReason), _failure);
    }

    private async Task<ReceivedMessage> ExpectMessageAsync(string expected)
    {
        try
        {
            return await ReceiveAsync(expected).ConfigureAwait(false);
        }
        catch (ConnectionClosedException closed)
        {
            throw Unexpected(expected, ConnectionClosedException.Describe(closed.CloseCode, closed.CloseReason), closed);
        }
    }

    private static ExpectationFailedException Unexpected(string expected, string actual, Exception? innerException = null) =>
        new("What the server has sent next is something else.", expected, actual, innerException);
}
