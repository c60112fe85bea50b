using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.WebSockets;

namespace WebSocketServerKit;

/// <summary>
/// The number in a Close frame that says why the connection ends (RFC 6455 7.4, and the registry of IANA). An <see langword="int"/> or a <see cref="WebSocketCloseStatus"/> converts to it:
/// <c>client.CloseAsync(4000, "too many logins")</c>, <c>e.CloseCode == CloseCode.GoingAway</c>.
/// </summary>
[SuppressMessage("Usage", "CA2225", Justification = "The constructor and Value are the alternatives.")]
public readonly record struct CloseCode
{
    /// <summary>Makes a close code of any number. Whether it may be sent is checked where it is sent.</summary>
    public CloseCode(int value) => Value = value;

    /// <summary>1000: the connection has done what it was for.</summary>
    public static CloseCode NormalClosure => new(1000);

    /// <summary>1001: the server is being stopped, or the user has left the page.</summary>
    public static CloseCode GoingAway => new(1001);

    /// <summary>1002: the other side broke a rule of the protocol.</summary>
    public static CloseCode ProtocolError => new(1002);

    /// <summary>1003: a message of a type that cannot be taken, such as binary where only text is.</summary>
    public static CloseCode UnsupportedData => new(1003);

    /// <summary>1005: the Close frame had no code. It is never sent.</summary>
    public static CloseCode NoStatusReceived => new(1005);

    /// <summary>1006: the connection ended without a Close frame. It is never sent.</summary>
    public static CloseCode AbnormalClosure => new(1006);

    /// <summary>1007: a message whose content does not fit its type, such as a text that is not UTF-8.</summary>
    public static CloseCode InvalidPayloadData => new(1007);

    /// <summary>1008: a message against the rules of the receiver, where no other code fits.</summary>
    public static CloseCode PolicyViolation => new(1008);

    /// <summary>1009: a message that is too big to be processed.</summary>
    public static CloseCode MessageTooBig => new(1009);

    /// <summary>1010: the server did not agree on an extension that the client needs.</summary>
    public static CloseCode MandatoryExtension => new(1010);

    /// <summary>1011: something unexpected went wrong in the server.</summary>
    public static CloseCode InternalError => new(1011);

    /// <summary>1012: the server restarts; the client may come back.</summary>
    public static CloseCode ServiceRestart => new(1012);

    /// <summary>1013: the server is overloaded; the client should try again later.</summary>
    public static CloseCode TryAgainLater => new(1013);

    /// <summary>1014: a gateway got an invalid response from the server behind it.</summary>
    public static CloseCode BadGateway => new(1014);

    /// <summary>1015: the TLS handshake failed. It is never sent.</summary>
    public static CloseCode TlsHandshakeFailed => new(1015);

    /// <summary>The number: for a <see langword="switch"/>, and for comparisons such as <c>e.CloseCode.Value >= 4000</c>.</summary>
    public int Value { get; }

    /// <summary>The close code of this number.</summary>
    public static implicit operator CloseCode(int value) => new(value);

    /// <summary>The close code of this number.</summary>
    public static implicit operator CloseCode(WebSocketCloseStatus value) => new((int)value);

    /// <summary>The number: <c>(int)e.CloseCode</c>.</summary>
    public static explicit operator int(CloseCode code) => code.Value;

    /// <summary>The number as the framework's type, which has no names for 1006 and for 1012 to 1015.</summary>
    public static explicit operator WebSocketCloseStatus(CloseCode code) => (WebSocketCloseStatus)code.Value;

    /// <summary>The number, and its name if it has one: <c>1001 (going away)</c>, <c>4000</c>.</summary>
    public override string ToString()
    {
        string number = Value.ToString(CultureInfo.InvariantCulture);
        return Name is { } name ? $"{number} ({name})" : number;
    }

    private string? Name => Value switch
    {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status received",
        1006 => "abnormal closure",
        1007 => "invalid payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake failed",
        _ => null,
    };
}
