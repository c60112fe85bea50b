using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

/// <summary>
/// A complete message of a client. The payload is not copied out of the receive buffer: it is valid until all handlers of this message have
/// ended, async ones included, or one has called <see cref="ContinueReceiving"/>. After that every access throws. <see cref="Text"/> and <see cref="ToArray"/> make copies that stay valid.
/// </summary>
/// <remarks>A struct, so that a message allocates nothing. Its copies stand for the same message.</remarks>
[SuppressMessage("Naming", "CA1711", Justification = "EventHandler<T> requires no base class, and to hosts these are event arguments like all others.")]
public readonly partial struct MessageReceivedEventArgs : IEquatable<MessageReceivedEventArgs>
{
    // The run of handlers, and in the lowest bit whether it is text. Together with the client these are two words, which are passed in registers.
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
    /// The property checks that the message is still valid; uses of the span do not. So use the span only in a handler, or in what a handler awaits: after the
    /// handlers have ended, a span that another thread still holds shows the bytes of other messages. <see cref="ToArray"/> and <see cref="Text"/> are safe anywhere.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public ReadOnlySpan<byte> Payload => Client.PayloadOf(Run).Span;

    /// <summary>The same bytes as memory, for methods that ask for it. It allocates a small guard.</summary>
    /// <remarks>
    /// Each access to the memory's span, and each pinning, checks that the message is still valid, and throws an <see cref="InvalidOperationException"/> if not. While the memory is
    /// pinned, as it is by some asynchronous I/O, the payload stays valid and the client's next message waits, whatever a handler
    /// calls. A span that was obtained before the handlers ended is not guarded: see <see cref="Payload"/>.
    /// Await whatever uses the memory, before <see cref="ContinueReceiving"/>. Sockets on Linux do not pin memory; they access it when they can send. A send that is not awaited and not
    /// complete when the handlers end gets the exception on a thread where nobody can catch it, which ends the process. For work that is not awaited use <see cref="ToArray"/>.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public ReadOnlyMemory<byte> PayloadMemory => new PayloadGuard(Client, Run).Guarded;

    /// <summary>The payload as a new string, decoded from UTF-8 (invalid bytes of a binary message become U+FFFD). From any thread; never the text of another message.</summary>
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
                // The bytes changed between counting and decoding. The check below throws for that.
            }

            // The bytes may have become another message's while they were decoded.
            Client.PayloadOf(Run);
            return text!;
        }
    }

    /// <summary>The payload as a new array. From any thread; never the bytes of another message.</summary>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended, before or while it was copied.</exception>
    public byte[] ToArray()
    {
        byte[] copy = Payload.ToArray();
        // The bytes may have become another message's while they were copied.
        Client.PayloadOf(Run);
        return copy;
    }

    /// <summary>
    /// Lets the server raise the client's next message before the handlers of this one have ended: for an async handler that awaits a later message of the same client, such as the reply to a
    /// request. Without this it would wait for ever, because the next message waits for the handler. The payload is invalid afterwards, for all handlers of the message: read
    /// <see cref="Text"/> or <see cref="ToArray"/> before.
    /// </summary>
    /// <remarks>
    /// From here on the host orders the client's messages itself. The stop of the server still waits for the handlers, and their exceptions are treated as before. Does nothing when the
    /// handlers have ended. A handler that blocks its thread, instead of awaiting, still delays the next message.
    /// </remarks>
    public void ContinueReceiving() => Client.ContinueReceiving(Run);

    private long Run => _runAndType >> 1;

    private static InvalidOperationException NoMessage() =>
        new("This is default(MessageReceivedEventArgs), which stands for no message. Use the arguments that the server raises MessageReceived with.");

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
