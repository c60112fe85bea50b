using System.Net.WebSockets;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Requests to a client, and their replies.
public sealed partial class WebSocketClient
{
    private static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(49); // a timer can wait no longer

    /// <summary>
    /// Sends a text message and waits for the reply to it:
    /// <c>await client.RequestAsync("time?", message => message.Text is ['t', ..] text ? text : null, TimeSpan.FromSeconds(5))</c>. The reply is the first message from then on for which
    /// <paramref name="reply"/> returns something else than null. It is not raised. Every other message is raised as usual.
    /// </summary>
    /// <remarks>
    /// Several requests may be under way. A message is offered to the oldest first; to find out to which request it replies, requests and replies need a number, or something else in common.
    /// <para>
    /// A handler of the same client may await it: <see cref="MessageReceivedEventArgs.ContinueReceiving"/> is called for it, since the reply would otherwise wait for the handler. So from the call on
    /// the payload of the handler's message is no longer valid, for all its handlers, and the client's next messages are raised meanwhile. A handler that has awaited something else with
    /// <c>ConfigureAwait(false)</c> before has to call it itself. A handler must not block its thread until the reply comes. Work that a handler has started and does not await is taken for a handler too,
    /// of the message that is being handled when it calls this: start it with <c>Task.Run</c>.
    /// </para>
    /// </remarks>
    /// <typeparam name="T">What is made of the reply. For a value type that may be null: <c>int?</c>.</typeparam>
    /// <param name="request">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="reply">
    /// Called with the client's messages, where handlers are called: it should be quick, and not wait. It returns what it has read of the reply, or null for a message that is no reply. The message must
    /// not be used after it has returned. What it throws fails the request; the message is then raised as usual.
    /// </param>
    /// <param name="timeout">The time for the request to be sent and the reply to come; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellationToken">Cancels the wait. A request that has been sent is not taken back; its late reply is raised like any message.</param>
    /// <returns>The reply.</returns>
    /// <exception cref="TimeoutException">The reply did not come in time. The client stays connected.</exception>
    /// <exception cref="WebSocketException">
    /// The client has left or is leaving, and will not reply any more; or the request could not be sent, as in <see cref="SendAsync(string, CancellationToken)"/>. A handler need not catch it: it is
    /// logged at Debug and closes no client.
    /// </exception>
    /// <exception cref="ArgumentException">The function is asynchronous, or the timeout is negative or more than 49 days.</exception>
    /// <exception cref="InvalidOperationException">The caller is the handler of a <see cref="MessageStream"/> of this client that it has not read to its end: no reply can come before that.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the reply came.</exception>
    public Task<T> RequestAsync<T>(string request, Func<MessageReceivedEventArgs, T?> reply, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return RequestAsync(request, static (client, text, token) => client.SendAsync(text, token), reply, timeout, cancellationToken);
    }

    /// <summary>Sends a binary message and waits for the reply to it. Otherwise like <see cref="RequestAsync{T}(string, Func{MessageReceivedEventArgs, T}, TimeSpan, CancellationToken)"/>.</summary>
    /// <param name="request">May be empty. The bytes are copied before the call returns.</param>
    /// <param name="reply">Returns what it has read of the reply, or null for a message that is no reply.</param>
    /// <param name="timeout">The time for the request to be sent and the reply to come; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <inheritdoc cref="RequestAsync{T}(string, Func{MessageReceivedEventArgs, T}, TimeSpan, CancellationToken)" path="/*[not(self::summary or self::param)]"/>
    public Task<T> RequestAsync<T>(ReadOnlySpan<byte> request, Func<MessageReceivedEventArgs, T?> reply, TimeSpan timeout, CancellationToken cancellationToken = default) =>
        RequestAsync(request, static (client, bytes, token) => client.SendAsync(bytes, token), reply, timeout, cancellationToken);

    /// <summary>
    /// Sends a message that was encoded before, such as JSON, and waits for the reply to it. Otherwise like
    /// <see cref="RequestAsync{T}(string, Func{MessageReceivedEventArgs, T}, TimeSpan, CancellationToken)"/>.
    /// </summary>
    /// <param name="request">For JSON: <see cref="PreparedMessage.FromJson"/>.</param>
    /// <param name="reply">Returns what it has read of the reply, or null for a message that is no reply.</param>
    /// <param name="timeout">The time for the request to be sent and the reply to come; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <inheritdoc cref="RequestAsync{T}(string, Func{MessageReceivedEventArgs, T}, TimeSpan, CancellationToken)" path="/*[not(self::summary or self::param)]"/>
    public Task<T> RequestAsync<T>(PreparedMessage request, Func<MessageReceivedEventArgs, T?> reply, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return RequestAsync(request, static (client, message, token) => client.SendAsync(message, token), reply, timeout, cancellationToken);
    }

    internal WebSocketException HasNotReplied() =>
        new(WebSocketError.ConnectionClosedPrematurely, $"The request was not answered: {this} has left or is leaving.", new NotSentException("the client has left or is leaving"));

    private Task<T> RequestAsync<T, TRequest>(
        TRequest request, Func<WebSocketClient, TRequest, CancellationToken, ValueTask> send, Func<MessageReceivedEventArgs, T?> reply, TimeSpan timeout, CancellationToken cancellationToken)
        where TRequest : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(reply);
        if (timeout != Timeout.InfiniteTimeSpan && (timeout < TimeSpan.Zero || timeout > LongestTimeout))
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, $"The timeout is negative or more than {LongestTimeout}. For no limit pass Timeout.InfiniteTimeSpan.");
        if (typeof(Task).IsAssignableFrom(typeof(T)) || typeof(T) == typeof(ValueTask) || (typeof(T).IsGenericType && typeof(T).GetGenericTypeDefinition() == typeof(ValueTask<>)))
            throw new ArgumentException("The function that knows the reply returns a task, so every message would be the reply. Return what it has read of the reply, or null.", nameof(reply));
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellationToken);
        var waiting = new PendingRequest<T>(this, _lifetime, reply, timeout, cancellationToken); // before the send: the reply may come before that has completed
        try
        {
            return waiting.WhenRepliedAsync(send(this, request, waiting.Token));
        }
        catch
        {
            waiting.Dispose();
            throw;
        }
    }
}
