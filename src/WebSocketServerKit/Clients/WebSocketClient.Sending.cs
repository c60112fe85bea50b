using System.Buffers;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Sends. Every kind of content has an overload with and one without options.
//
// byte[] converts to a span and to memory alike, and compilers before C# 14 cannot decide between them: so the overloads that take memory have the lower priority. The overloads with
// options have the higher one, so that new() { … } means options, and not a CancellationToken.
public sealed partial class WebSocketClient
{
    /// <summary>
    /// Sends a text message. Completes when the message is accepted for transmission: at once while fewer than <see cref="WebSocketServerOptions.SendQueueLimit"/> bytes are pending for
    /// this client, otherwise when there is room again (back-pressure), or as <see cref="WebSocketServerOptions.SlowClients"/> says. Messages are never interleaved, and those of one caller keep their order.
    /// </summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD. More than 1 GiB as UTF-8 throws an <see cref="ArgumentException"/>: send it as a stream.</param>
    /// <param name="cancellationToken">Cancelled before the call, or while it waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="WebSocketException">
    /// The client has left or is leaving. Or its send queue is full, and as many bytes again belong to calls that wait for room, because callers do not await their sends. A handler need not
    /// catch it: it is logged at Debug and closes no client.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the message was accepted.</exception>
    public ValueTask SendAsync(string text, CancellationToken cancellationToken = default) => SendAsync(text, default(SendOptions), cancellationToken);

    /// <summary>Sends a string with options. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.</summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or the message has more than 1 GiB.</exception>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    [OverloadResolutionPriority(1)]
    public ValueTask SendAsync(string text, SendOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (NeedsBytes(text, options))
            return SendAsync(Encoding.UTF8.GetBytes(text), options with { MessageType = options.MessageType ?? WebSocketMessageType.Text }, cancellationToken);
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        SendOutcome outcome = _lifetime.Queue.TrySend(text, mayWait: true);
        return outcome.IsAccepted ? default : FinishAsync(outcome, Opcode.Text, Encoding.UTF8.GetBytes(text), cancellationToken);
    }

    /// <summary>Sends a binary message. The bytes are copied before the call returns. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.</summary>
    /// <param name="payload">May be empty. A null array counts as empty.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="ArgumentException">The message has more than 1 GiB.</exception>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    public ValueTask SendAsync(ReadOnlySpan<byte> payload, CancellationToken cancellationToken = default) => SendAsync(payload, default(SendOptions), cancellationToken);

    /// <summary>Sends bytes with options. They are copied before the call returns. Otherwise like <see cref="SendAsync(string, CancellationToken)"/>.</summary>
    /// <param name="payload">May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <param name="cancellationToken">Cancelled while the call waits for room, the message is not sent. The connection stays open.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, a text is not valid UTF-8, or the message has more than 1 GiB.</exception>
    /// <inheritdoc cref="SendAsync(string, CancellationToken)" path="/exception"/>
    [OverloadResolutionPriority(1)]
    public ValueTask SendAsync(ReadOnlySpan<byte> payload, SendOptions options, CancellationToken cancellationToken = default) =>
        SendAsync(OpcodeOf(payload, options), payload, options, cancellationToken);

    /// <inheritdoc cref="SendAsync(ReadOnlySpan{byte}, CancellationToken)"/>
    [OverloadResolutionPriority(-1)]
    public ValueTask SendAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken = default) =>
        SendAsync(payload.Span, default(SendOptions), cancellationToken);

    /// <inheritdoc cref="SendAsync(ReadOnlySpan{byte}, SendOptions, CancellationToken)"/>
    public ValueTask SendAsync(ReadOnlyMemory<byte> payload, SendOptions options, CancellationToken cancellationToken = default) =>
        SendAsync(payload.Span, options, cancellationToken);

    /// <inheritdoc cref="SendAsync(ReadOnlySpan{byte}, CancellationToken)"/>
    public ValueTask SendAsync(ReadOnlySequence<byte> payload, CancellationToken cancellationToken = default) =>
        SendAsync(payload, default(SendOptions), cancellationToken);

    /// <inheritdoc cref="SendAsync(ReadOnlySpan{byte}, SendOptions, CancellationToken)"/>
    [OverloadResolutionPriority(1)]
    public ValueTask SendAsync(ReadOnlySequence<byte> payload, SendOptions options, CancellationToken cancellationToken = default)
    {
        using GatheredPayload gathered = new(payload);
#pragma warning disable MA0100 // the payload is copied before the task comes back
        return SendAsync(gathered.Span, options, cancellationToken);
#pragma warning restore MA0100
    }

    /// <summary>
    /// Sends the rest of a stream as one binary message, however long, without buffering all of it: <c>await client.SendAsync(file)</c>. It begins when other
    /// messages that are sent in this way have ended, and leaves in fragments of up to 64 KiB; what else is sent to the client meanwhile is queued behind it. Completes when its end is accepted
    /// for transmission.
    /// </summary>
    /// <param name="content">
    /// Read to its end, and left open. If reading throws, that comes out: nothing is sent if no fragment has left yet; otherwise the client is closed with 1011, so that it does not take half a message for a whole one.
    /// </param>
    /// <param name="cancellationToken">Cancels reading, and waiting for the turn or for room. What then follows is the same as if reading threw.</param>
    /// <exception cref="ArgumentException">The stream cannot be read.</exception>
    /// <exception cref="WebSocketException">The client has left or is leaving, or too many calls wait for their turn. A handler need not catch it: it is logged at Debug and closes no client.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public ValueTask SendAsync(Stream content, CancellationToken cancellationToken = default) => SendAsync(content, default(SendOptions), cancellationToken);

    /// <summary>Sends the rest of a stream as one message, with options. Otherwise like <see cref="SendAsync(Stream, CancellationToken)"/>.</summary>
    /// <param name="content">Read to its end, and left open. For a text message it must be valid UTF-8 as a whole.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <param name="cancellationToken">Cancels reading, and waiting for the turn or for room. What then follows is the same as if reading threw.</param>
    /// <exception cref="ArgumentException">The stream cannot be read; or the type is neither text nor binary, or a text is not valid UTF-8.</exception>
    /// <exception cref="WebSocketException">The client has left or is leaving, or too many calls wait for their turn. A handler need not catch it: it is logged at Debug and closes no client.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    [OverloadResolutionPriority(1)]
    public ValueTask SendAsync(Stream content, SendOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        if (!content.CanRead)
            throw new ArgumentException("The stream cannot be read: it is write-only or disposed. Pass a readable one.", nameof(content));
        return WriteAndSendAsync(content.CopyToAsync, options, cancellationToken);
    }

    /// <summary>Sends a binary message while it is being written. Otherwise like <see cref="SendAsync(Func{Stream, CancellationToken, Task}, SendOptions, CancellationToken)"/>.</summary>
    /// <inheritdoc cref="SendAsync(Func{Stream, CancellationToken, Task}, SendOptions, CancellationToken)"/>
    public ValueTask SendAsync(Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken = default) =>
        SendAsync(write, default(SendOptions), cancellationToken);

    /// <summary>
    /// Sends a message while it is being written, however long it becomes and whoever writes it:
    /// <c>client.SendAsync((message, token) => JsonSerializer.SerializeAsync(message, report, cancellationToken: token), WebSocketMessageType.Text)</c>.
    /// It leaves in fragments of up to 64 KiB, and what was flushed (<see cref="Stream.FlushAsync()"/>) leaves with the next write, within about 15 ms without one, or with the end of the message if
    /// that comes before; the client puts the fragments together. Completes when the end is accepted for transmission.
    /// </summary>
    /// <remarks>
    /// It begins when other messages that are sent in this way have ended. What else is sent to the client meanwhile is queued behind it, within
    /// <see cref="WebSocketServerOptions.SendQueueLimit"/>: so <paramref name="write"/> should not wait long, and must not wait for another message to the same client.
    /// If the connection is closed in the middle of it, the rest of it and all messages behind it are lost.
    /// With permessage-deflate it is compressed by itself, whatever the context takeover, with a compressor of 220 to 330 KiB that it holds until its end.
    /// </remarks>
    /// <param name="write">
    /// Writes the message to the stream. The token is <paramref name="cancellationToken"/>. The stream takes asynchronous writes only, one at a time; each waits while the send queue is full.
    /// When the function has ended, so has the message. If it throws, that comes out: nothing is sent if no fragment has left yet; otherwise the client is closed with 1011, for it must not take half a message
    /// for a whole one.
    /// </param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it. A text must be valid UTF-8 as a whole.</param>
    /// <param name="cancellationToken">Cancels waiting: for the turn, or for room in a write that has no token of its own. What then follows is the same as if <paramref name="write"/> threw.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a text is not valid UTF-8.</exception>
    /// <exception cref="InvalidOperationException">A write was not awaited, one failed and <paramref name="write"/> went on all the same, or it returned null in place of a task.</exception>
    /// <exception cref="WebSocketException">The client has left or is leaving (writes throw it too), or too many calls wait for their turn. A handler need not catch it: it is logged at Debug and closes no client.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    [OverloadResolutionPriority(1)]
    public ValueTask SendAsync(Func<Stream, CancellationToken, Task> write, SendOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(write);
        return WriteAndSendAsync(write, options, cancellationToken);
    }

    /// <inheritdoc cref="SendAsync(Func{Stream, CancellationToken, Task}, SendOptions, CancellationToken)"/>
    public ValueTask SendAsync(Func<Stream, Task> write, CancellationToken cancellationToken = default) => SendAsync(write, default(SendOptions), cancellationToken);

    /// <inheritdoc cref="SendAsync(Func{Stream, CancellationToken, Task}, SendOptions, CancellationToken)"/>
    [OverloadResolutionPriority(1)]
    public ValueTask SendAsync(Func<Stream, Task> write, SendOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(write);
        return WriteAndSendAsync((message, _) => write(message), options, cancellationToken);
    }

    /// <summary>Sends a text message if that needs no waiting.</summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <returns><see cref="SendResult.Dropped"/> and <see cref="SendResult.Closed"/> mean that the message is not sent.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or the message has more than 1 GiB.</exception>
    public SendResult TrySend(string text, SendOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return NeedsBytes(text, options)
            ? TrySend(Encoding.UTF8.GetBytes(text), options with { MessageType = options.MessageType ?? WebSocketMessageType.Text })
            : ResultOf(_lifetime.Queue.TrySend(text));
    }

    /// <summary>Sends bytes if that needs no waiting. They are copied before the call returns.</summary>
    /// <param name="payload">May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <returns><see cref="SendResult.Dropped"/> and <see cref="SendResult.Closed"/> mean that the message is not sent.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, a text is not valid UTF-8, or the message has more than 1 GiB.</exception>
    public SendResult TrySend(ReadOnlySpan<byte> payload, SendOptions options = default) => TrySend(OpcodeOf(payload, options), payload, options);

    /// <inheritdoc cref="TrySend(ReadOnlySpan{byte}, SendOptions)"/>
    [OverloadResolutionPriority(-1)]
    public SendResult TrySend(ReadOnlyMemory<byte> payload, SendOptions options = default) => TrySend(payload.Span, options);

    /// <inheritdoc cref="TrySend(ReadOnlySpan{byte}, SendOptions)"/>
    public SendResult TrySend(ReadOnlySequence<byte> payload, SendOptions options = default)
    {
        using GatheredPayload gathered = new(payload);
        return TrySend(gathered.Span, options);
    }

    internal SendResult TrySend(SharedMessage message, string? key = null) => ResultOf(message.TrySendTo(_lifetime.Queue, _lifetime.Compressor, key));

    internal WebSocketException HasLeft() => NotSent(WebSocketError.ConnectionClosedPrematurely, $"{this} has left or is leaving. TrySend tells so without an exception.");

    internal static Opcode OpcodeFor(WebSocketMessageType messageType, ReadOnlySpan<byte> payload) => messageType switch
    {
        WebSocketMessageType.Binary => Opcode.Binary,
        WebSocketMessageType.Text when Utf8.IsValid(payload) => Opcode.Text,
        WebSocketMessageType.Text => throw new ArgumentException(
            "The payload of a text message must be valid UTF-8; clients have to close the connection over anything else. Send it as binary.", nameof(payload)),
        _ => throw new ArgumentOutOfRangeException(nameof(messageType), messageType, "A message is Text or Binary. To close the connection, call CloseAsync."),
    };

    private static SendResult ResultOf(SendOutcome outcome) => outcome switch
    {
        SendOutcome.Sent => SendResult.Sent,
        SendOutcome.Queued => SendResult.Queued,
        SendOutcome.Replaced => SendResult.Replaced,
        SendOutcome.Closed => SendResult.Closed,
        _ => SendResult.Dropped,
    };

    private static WebSocketException NotSent(WebSocketError error, string reason) =>
        new(error, $"The message was not sent: {reason}", new NotSentException(reason));

    // An echo: the payload was validated when it was received, and on the thread of the receive loop nothing can have changed it since.
    private Opcode OpcodeOf(ReadOnlySpan<byte> payload, SendOptions options) =>
        options.MessageType == WebSocketMessageType.Text && _lifetime.Handlers.IsLoopThread && _lifetime.MessageType == WebSocketMessageType.Text
            && payload == _lifetime.Payload.Span
            ? Opcode.Text
            : OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, payload);

    // The queue encodes a string itself, as a text that is not compressed.
    private bool NeedsBytes(string text, SendOptions options) =>
        options.MessageType is not (null or WebSocketMessageType.Text)
        || (_lifetime.Compressor is not null && CompressorFor(Encoding.UTF8.GetByteCount(text), options) is not null);

    private MessageCompressor? CompressorFor(int payloadLength, SendOptions options) =>
        _lifetime.Compressor is { } compressor && !options.DisableCompression && compressor.Takes(payloadLength) ? compressor : null;

    private async ValueTask WriteAndSendAsync(Func<Stream, CancellationToken, Task> write, SendOptions options, CancellationToken cancellationToken)
    {
        Opcode opcode = OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, default);
        MessageCompressor? compressor = options.DisableCompression ? null : _lifetime.Compressor;
        // Back to the caller's context: what follows is the caller's code.
        await FinishAsync(compressor?.BeginFragmentsAsync(cancellationToken) ?? _lifetime.Queue.BeginFragmentsAsync(cancellationToken)).ConfigureAwait(true);

        var message = new StreamedMessage(this, _lifetime.Queue, compressor, opcode, _lifetime.Pool, _lifetime.Settings.Clock, cancellationToken);
        try
        {
            Task writing = write(message, cancellationToken)
                ?? throw new InvalidOperationException("The function that writes the message returned null in place of a task. Return Task.CompletedTask, or make it an async lambda.");
            await writing.ConfigureAwait(false);
            await message.EndAsync().ConfigureAwait(false);
            message.Release();
        }
        catch (Exception exception)
        {
            if (message.Release())
                _lifetime.Queue.TakeBackFragments();
            else
                _lifetime.BeginClose(new ConnectionEnding(
                    DisconnectCause.MessageUnfinished, ConnectionSide.Server, CloseCode.InternalError, "message could not be finished", exception));
            throw;
        }
    }

    private ValueTask SendAsync(Opcode opcode, ReadOnlySpan<byte> payload, SendOptions options, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        if (CompressorFor(payload.Length, options) is { } compressor)
            return FinishAsync(compressor.SendAsync(opcode, payload, cancellationToken));
        SendOutcome outcome = _lifetime.Queue.TrySend(opcode, payload, mayWait: true);
        return outcome.IsAccepted ? default : FinishAsync(outcome, opcode, payload, cancellationToken);
    }

    private SendResult TrySend(Opcode opcode, ReadOnlySpan<byte> payload, SendOptions options) => ResultOf(CompressorFor(payload.Length, options) is { } compressor
        ? compressor.TrySend(opcode, payload)
        : _lifetime.Queue.TrySend(opcode, payload));

    private ValueTask FinishAsync(SendOutcome outcome, Opcode opcode, ReadOnlySpan<byte> payload, CancellationToken cancellationToken) =>
        FinishAsync(outcome == SendOutcome.MustWait
            ? _lifetime.Queue.WaitAndSendFrameAsync(SendQueue.ToFrame(opcode, payload), payload.Length, cancellationToken)
            : Task.FromResult(outcome));

    private async ValueTask FinishAsync(Task<SendOutcome> sending)
    {
        SendOutcome outcome = await sending.ConfigureAwait(false);
        if (outcome == SendOutcome.Closed)
            throw HasLeft();
        if (outcome == SendOutcome.LineFull)
            throw NotSent(
                WebSocketError.InvalidState,
                $"{this} reads too slowly: its send queue is full, and as many bytes stand in line for it already. "
                + "Await each SendAsync before the next one, or use TrySend, which tells when the queue is full.");
    }
}
