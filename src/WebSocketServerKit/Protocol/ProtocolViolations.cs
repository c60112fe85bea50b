using System.Net.WebSockets;

namespace WebSocketServerKit.Protocol;

/// <summary>The table from broken rules to answers.</summary>
internal static class ProtocolViolations
{
    /// <summary>The close code, the reason sent to the peer, and the section of RFC 6455 that has the rule.</summary>
    public static (WebSocketCloseStatus Code, string Reason, string Section) Describe(this ProtocolViolation violation) => violation switch
    {
        ProtocolViolation.ReservedBitSet => (WebSocketCloseStatus.ProtocolError, "reserved bit set without an extension", "5.2"),
        ProtocolViolation.UnknownOpcode => (WebSocketCloseStatus.ProtocolError, "unknown opcode", "5.2"),
        ProtocolViolation.NotMasked => (WebSocketCloseStatus.ProtocolError, "frame not masked", "5.1"),
        ProtocolViolation.ControlFrameFragmented => (WebSocketCloseStatus.ProtocolError, "fragmented control frame", "5.5"),
        ProtocolViolation.ControlFrameTooLong => (WebSocketCloseStatus.ProtocolError, "control frame above 125 bytes", "5.5"),
        ProtocolViolation.LengthNotMinimal => (WebSocketCloseStatus.ProtocolError, "payload length not in its shortest form", "5.2"),
        ProtocolViolation.LengthTooLarge => (WebSocketCloseStatus.ProtocolError, "payload length above 2^63 - 1", "5.2"),
        ProtocolViolation.NothingToContinue => (WebSocketCloseStatus.ProtocolError, "continuation without a message", "5.4"),
        ProtocolViolation.MessageInterrupted => (WebSocketCloseStatus.ProtocolError, "new message inside a fragmented one", "5.4"),
        ProtocolViolation.TooManyFragments => (WebSocketCloseStatus.PolicyViolation, "too many fragments in one message", "10.4"),
        ProtocolViolation.MessageTooBig => (WebSocketCloseStatus.MessageTooBig, "message too big", "10.4"),
        ProtocolViolation.InvalidUtf8 => (WebSocketCloseStatus.InvalidPayloadData, "text is not valid UTF-8", "8.1"),
        // RFC 7692 names no code. 7.4.1, 1007: "data within a message that was not consistent with the type of the message".
        ProtocolViolation.InvalidCompressedData => (WebSocketCloseStatus.InvalidPayloadData, "compressed data is invalid", "7.4.1"),
        ProtocolViolation.CloseFrameTooShort => (WebSocketCloseStatus.ProtocolError, "close frame with half a close code", "5.5.1"),
        ProtocolViolation.InvalidCloseCode => (WebSocketCloseStatus.ProtocolError, "close code not allowed in a frame", "7.4"),
        ProtocolViolation.InvalidCloseReason => (WebSocketCloseStatus.InvalidPayloadData, "close reason is not valid UTF-8", "8.1"),
        _ => throw new ArgumentOutOfRangeException(nameof(violation), violation, "This is no broken rule."),
    };
}
