
namespace WebSocketServerKit.Protocol;

/// <summary>The table from broken rules to answers.</summary>
internal static class ProtocolViolations
{
    /// <summary>The close code, the reason sent to the peer, and the section of RFC 6455 that has the rule.</summary>
    public static (CloseCode Code, string Reason, string Section) Describe(this ProtocolViolation violation) => violation switch
    {
        ProtocolViolation.ReservedBitSet => (CloseCode.ProtocolError, "reserved bit set without an extension", "5.2"),
        ProtocolViolation.UnknownOpcode => (CloseCode.ProtocolError, "unknown opcode", "5.2"),
        ProtocolViolation.NotMasked => (CloseCode.ProtocolError, "frame not masked", "5.1"),
        ProtocolViolation.ControlFrameFragmented => (CloseCode.ProtocolError, "fragmented control frame", "5.5"),
        ProtocolViolation.ControlFrameTooLong => (CloseCode.ProtocolError, "control frame above 125 bytes", "5.5"),
        ProtocolViolation.LengthNotMinimal => (CloseCode.ProtocolError, "payload length not in its shortest form", "5.2"),
        ProtocolViolation.LengthTooLarge => (CloseCode.ProtocolError, "payload length above 2^63 - 1", "5.2"),
        ProtocolViolation.NothingToContinue => (CloseCode.ProtocolError, "continuation without a message", "5.4"),
        ProtocolViolation.MessageInterrupted => (CloseCode.ProtocolError, "new message inside a fragmented one", "5.4"),
        ProtocolViolation.TooManyFragments => (CloseCode.PolicyViolation, "too many fragments in one message", "10.4"),
        ProtocolViolation.MessageTooBig => (CloseCode.MessageTooBig, "message too big", "10.4"),
        ProtocolViolation.InvalidUtf8 => (CloseCode.InvalidPayloadData, "text is not valid UTF-8", "8.1"),
        // RFC 7692 names no code. 7.4.1, 1007: "data within a message that was not consistent with the type of the message".
        ProtocolViolation.InvalidCompressedData => (CloseCode.InvalidPayloadData, "compressed data is invalid", "7.4.1"),
        ProtocolViolation.CloseFrameTooShort => (CloseCode.ProtocolError, "close frame with half a close code", "5.5.1"),
        ProtocolViolation.InvalidCloseCode => (CloseCode.ProtocolError, "close code not allowed in a frame", "7.4"),
        ProtocolViolation.InvalidCloseReason => (CloseCode.InvalidPayloadData, "close reason is not valid UTF-8", "8.1"),
        _ => throw new ArgumentOutOfRangeException(nameof(violation), violation, "This is no broken rule."),
    };
}
