using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Protocol.Closing;

/// <summary>The payload of a Close frame (RFC 6455 5.5.1): nothing, or a close code and a close reason.</summary>
internal static class CloseFrame
{
    /// <summary>What a control frame leaves for the reason behind the two bytes of the code.</summary>
    public const int MaxReasonBytes = FrameHeader.MaxControlPayload - 2;

    /// <summary>Whether a Close frame may carry this code (7.4 and the registry that it founds).</summary>
    // 7.4.1: 1004 is reserved; 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame by an endpoint".
    // 7.4.2: 0-999 "are not used", 1000-2999 need a specification (there is one up to 1014), 3000-4999 are for libraries and applications.
    public static bool IsAllowed(CloseCode code) => code.Value is (>= 1000 and <= 1014 and not (1004 or 1005 or 1006)) or (>= 3000 and <= 4999);

    /// <summary>Parses the payload of a received Close frame.</summary>
    public static ProtocolViolation Parse(ReadOnlySpan<byte> payload, out CloseCode code, out string reason)
    {
        code = CloseCode.NoStatusReceived;
        reason = "";
        if (payload.IsEmpty)
            return ProtocolViolation.None;
        // 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
        if (payload.Length < 2)
            return ProtocolViolation.CloseFrameTooShort;

        CloseCode received = BinaryPrimitives.ReadUInt16BigEndian(payload);
        if (!IsAllowed(received))
            return ProtocolViolation.InvalidCloseCode;
        if (!Utf8.IsValid(payload[2..]))
            return ProtocolViolation.InvalidCloseReason;

        code = received;
        reason = Encoding.UTF8.GetString(payload[2..]);
        return ProtocolViolation.None;
    }

    /// <summary>Writes the payload for a code and a reason that <see cref="Check"/> has passed; returns its length. <see cref="CloseCode.NoStatusReceived"/> gives none.</summary>
    public static int Write(Span<byte> destination, CloseCode code, string reason)
    {
        if (code == CloseCode.NoStatusReceived)
            return 0;
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)code.Value);
        return 2 + Encoding.UTF8.GetBytes(reason, destination[2..]);
    }

    /// <summary>Refuses what the host must not put into a Close frame.</summary>
    public static void Check(CloseCode code, string reason)
    {
        if (!IsAllowed(code))
            throw new ArgumentOutOfRangeException(
                nameof(code), code, "This close code must not be sent. Use 1000 (normal), 1001 to 1003, 1007 to 1014, or one of your own from 3000 to 4999.");
        int bytes = Encoding.UTF8.GetByteCount(reason);
        if (bytes > MaxReasonBytes)
            throw new ArgumentException($"The close reason takes {bytes} bytes as UTF-8; a Close frame has room for {MaxReasonBytes}. Shorten it.", nameof(reason));
    }
}
