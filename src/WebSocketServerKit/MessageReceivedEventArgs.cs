using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using System.Text;

namespace WebSocketServerKit;

/// <summary>
/// A whole message from a client. The payload is not copied: it lies where it was received, and is valid until all handlers of this message have
/// ended, async ones included. After that every access throws; <see cref="Text"/> and <see cref="ToArray"/> give copies that last.
/// </summary>
/// <remarks>A struct, so that a message costs no allocation. Copies of it stand for the same message.</remarks>
[SuppressMessage("Naming", "CA1711", Justification = "EventHandler<T> asks for no base class any more, and to hosts these are event arguments like all others.")]
public readonly struct MessageReceivedEventArgs : IEquatable<MessageReceivedEventArgs>
{
    // The run of handlers, and in the lowest bit whether it is text: with the client these are two words, which are passed on in registers.
    private readonly long _runAndType;

    internal MessageReceivedEventArgs(WebSocketConnection client, WebSocketMessageType messageType, long run)
    {
        Client = client;
        _runAndType = run << 1 | (messageType == WebSocketMessageType.Text ? 1L : 0);
    }

    /// <summary>The client that sent the message.</summary>
    public WebSocketConnection Client { get; }

    /// <summary><see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>.</summary>
    public WebSocketMessageType MessageType => (_runAndType & 1) != 0 ? WebSocketMessageType.Text : WebSocketMessageType.Binary;

    /// <summary>The bytes of the message; of a text message they are valid UTF-8. Read this again after each await.</summary>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public ReadOnlySpan<byte> Payload => Client.PayloadOf(Run).Span;

    /// <summary>The same bytes as memory, for methods that ask for it. It allocates a small guard; each use after the handlers have ended throws.</summary>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public ReadOnlyMemory<byte> PayloadMemory => new PayloadGuard(Client, Run).Guarded;

    /// <summary>The payload as a new string, decoded from UTF-8 (what is invalid in a binary message becomes U+FFFD).</summary>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public string Text => Encoding.UTF8.GetString(Payload);

    /// <summary>The payload as a new array.</summary>
    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public byte[] ToArray() => Payload.ToArray();

    private long Run => _runAndType >> 1;

    /// <summary>Whether both stand for the same message.</summary>
    public bool Equals(MessageReceivedEventArgs other) => ReferenceEquals(Client, other.Client) && _runAndType == other._runAndType;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is MessageReceivedEventArgs other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Client, _runAndType);

    /// <summary>Whether both stand for the same message.</summary>
    public static bool operator ==(MessageReceivedEventArgs left, MessageReceivedEventArgs right) => left.Equals(right);

    /// <summary>Whether they stand for different messages.</summary>
    public static bool operator !=(MessageReceivedEventArgs left, MessageReceivedEventArgs right) => !left.Equals(right);
}
