using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;

namespace WebSocketServerKit;

/// <summary>
/// How a message is sent: <c>client.SendAsync(token, SendOptions.Uncompressed)</c>. A <see cref="WebSocketMessageType"/> converts to it:
/// <c>client.SendAsync(bytes, WebSocketMessageType.Text)</c>.
/// </summary>
[SuppressMessage("Usage", "CA2225", Justification = "new SendOptions { MessageType = … } is the alternative.")]
public readonly record struct SendOptions
{
    // Smaller than a nullable type and a bool: so the options are passed in one register.
    private readonly WebSocketMessageType _messageType;
    private readonly bool _hasMessageType;

    /// <summary>Options that only disable compression.</summary>
    public static SendOptions Uncompressed => new() { DisableCompression = true };

    /// <summary>
    /// <see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>. Null, the default, is text for a string and binary for bytes and streams. A string that goes out as
    /// binary is encoded as UTF-8; bytes that go out as text must be valid UTF-8.
    /// </summary>
    public WebSocketMessageType? MessageType
    {
        get => _hasMessageType ? _messageType : null;
        init => (_hasMessageType, _messageType) = (value.HasValue, value.GetValueOrDefault());
    }

    /// <summary>
    /// True never compresses the message: for one that has a secret beside text of strangers, see <see cref="PerMessageDeflateOptions"/>. False, the default, compresses it if that was agreed on
    /// with the client, and it has <see cref="PerMessageDeflateOptions.MinMessageSize"/> bytes or more. One that would become longer goes uncompressed, unless later messages may refer to it
    /// (<see cref="PerMessageDeflateOptions.ServerContextTakeover"/>).
    /// </summary>
    public bool DisableCompression { get; init; }

    /// <summary>Options that only set <see cref="MessageType"/>.</summary>
    public static implicit operator SendOptions(WebSocketMessageType messageType) => new() { MessageType = messageType };
}
