using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

/// <summary>
/// A whole message from a client. The payload is not copied: it lies where it was received, and is valid until all handlers of this message have
/// ended, async ones included, or one has called <see cref="ContinueReceiving"/>. After that every access throws; <see cref="Text"/> and <see cref="ToArray"/> give copies that last.
/// </summary>
/// <remarks>A struct, so that a message costs no allocation. Copies of it stand for the same message.</remarks>
[SuppressMessage("Naming", "CA1711", Justification = "EventHandler<T> asks for no base class any more, and to hosts these are event arguments like all others.")]
public readonly struct MessageReceivedEventArgs : IEquatable<MessageReceivedEventArgs>
{
    // The run of handlers, and in the lowest bit whether it is text: with the client these are two words, which are passed on in registers.
    private readonly long _runAndType;
    private readonly WebSocketClient? _client;

    internal MessageReceivedEventArgs(WebSocketClient client, WebSocketMessageType messageType, long run)
    {
        _client = client;
        _runAndType = run << 1 | (messageType == WebSocketMessageType.Text ? 1L : 0);
    }

    /// <summary>The client that sent the message.</summary>
    /// <exception cref="InvalidOperationException">This is <c>default</c>, which stands for no message.</exception>
    public WebSocketClient Client => _client ?? throw NoMessage();

    /// <summary><see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>.</summary>
    public WebSocketMessageType MessageType => IsText ? WebSocketMessageType.Text : WebSocketMessageType.Binary;

    /// <summary>Whether it is a text message.</summary>
    public bool IsText => (_runAndType & 1) != 0;

    /// <summary>The bytes of the message; of a text message they are valid UTF-8. Read this again after each await.</summary>
    /// <remarks>
    /// That the message is still valid is checked when this is read, and not while the span is used. So use the span in a handler, or in what a handler awaits, and nowhere else: on
    /// another thread, after the handlers have ended, a span that was got before shows the bytes of other messages. <see cref="ToArray"/> and <see cref="Text"/> are safe anywhere.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public ReadOnlySpan<byte> Payload => Client.PayloadOf(Run).Span;

    /// <summary>The same bytes as memory, for methods that ask for it. It allocates a small guard.</summary>
    /// <remarks>
    /// Each access to the memory's span, and each pinning, checks that the message is still valid, and throws an <see cref="InvalidOperationException"/> if not. While the memory is
    /// pinned, as some of the system's asynchronous input and output does, the message stays as it is and the client's next one waits, whatever a handler
    /// calls. A span that was got before the handlers ended is not guarded: see <see cref="Payload"/>.
    /// Await what uses the memory, and before <see cref="ContinueReceiving"/>. Sockets on Linux do not pin it but read it when they can send: one that is not done at the handlers'
    /// end, unawaited, meets the exception on a thread where nobody can catch it, and that ends the process. For work that is not awaited take <see cref="ToArray"/>.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public ReadOnlyMemory<byte> PayloadMemory => new PayloadGuard(Client, Run).Guarded;

    /// <summary>The payload as a new string, decoded from UTF-8 (what is invalid in a binary message becomes U+FFFD). Never the text of another message, on whatever thread.</summary>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended, before or while it was decoded.</exception>
    public string Text
    {
        get
        {
            ReadOnlySpan<byte> payload = Payload;
            string? text = null;
            try
            {
                text = Encoding.UTF8.GetString(payload);
            }
            catch (ArgumentException)
            {
                // The bytes changed between counting and decoding, which is told below.
            }

            // The bytes may have become another message's while they were decoded.
            Client.PayloadOf(Run);
            return text!;
        }
    }

    /// <summary>The payload as a new array. Never the bytes of another message, on whatever thread.</summary>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended, before or while it was copied.</exception>
    public byte[] ToArray()
    {
        byte[] copy = Payload.ToArray();
        // The bytes may have become another message's while they were copied.
        Client.PayloadOf(Run);
        return copy;
    }

    /// <summary>
    /// Lets the client's next message come although the handlers of this one have not ended: for an async handler that waits for another message of the same client, such as the answer to a
    /// request. Without this it would wait for ever, since the next message waits for it. The payload is no longer valid afterwards, for all handlers of the message: take
    /// <see cref="Text"/> or <see cref="ToArray"/> before.
    /// </summary>
    /// <remarks>
    /// The order of messages is up to the host from here on. Handlers that go on are still waited for when the server stops, and what they throw is treated as before. Does nothing when the
    /// handlers have ended. A handler that blocks its thread, instead of awaiting, holds back the next message all the same.
    /// </remarks>
    public void ContinueReceiving() => Client.ContinueReceiving(Run);

    private long Run => _runAndType >> 1;

    private static InvalidOperationException NoMessage() =>
        new("This is default(MessageReceivedEventArgs), which stands for no message: only what the server raises with MessageReceived does.");

    /// <summary>Whether both stand for the same message.</summary>
    public bool Equals(MessageReceivedEventArgs other) => ReferenceEquals(_client, other._client) && _runAndType == other._runAndType;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is MessageReceivedEventArgs other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_client, _runAndType);

    /// <summary>Whether both stand for the same message.</summary>
    public static bool operator ==(MessageReceivedEventArgs left, MessageReceivedEventArgs right) => left.Equals(right);

    /// <summary>Whether they stand for different messages.</summary>
    public static bool operator !=(MessageReceivedEventArgs left, MessageReceivedEventArgs right) => !left.Equals(right);
}
