using System.Text;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary><see cref="CloseFrame"/>: a payload that is accepted can be sent back as it came; any other breaks one rule.</summary>
internal static class ClosePayloadTarget
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static ProtocolViolation Run(byte[] input)
    {
        ReadOnlySpan<byte> payload = input.AsSpan(0, Math.Min(input.Length, FrameHeader.MaxControlPayload));
        ProtocolViolation violation = CloseFrame.Parse(payload, out CloseCode code, out string reason);
        Promise.Holds(violation == Expected(payload), "each rule is told from the others");
        if (violation != ProtocolViolation.None)
        {
            Promise.Holds(code == CloseCode.NoStatusReceived && reason is "", "nothing of a bad payload comes out");
            return violation;
        }

        if (code != CloseCode.NoStatusReceived)
            CloseFrame.Check(code, reason);
        Span<byte> written = stackalloc byte[FrameHeader.MaxControlPayload];
        int length = CloseFrame.Write(written, code, reason);
        Promise.Holds(written[..length].SequenceEqual(payload), "what is read is what would be written");
        return violation;
    }

    private static ProtocolViolation Expected(ReadOnlySpan<byte> payload)
    {
        if (payload.IsEmpty)
            return ProtocolViolation.None;
        if (payload.Length == 1)
            return ProtocolViolation.CloseFrameTooShort;
        int code = (payload[0] << 8) + payload[1];
        bool known = code is 1000 or 1001 or 1002 or 1003 or 1007 or 1008 or 1009 or 1010 or 1011 or 1012 or 1013 or 1014 || code / 1000 is 3 or 4;
        if (!known)
            return ProtocolViolation.InvalidCloseCode;

        try
        {
            StrictUtf8.GetString(payload[2..]);
            return ProtocolViolation.None;
        }
        catch (DecoderFallbackException)
        {
            return ProtocolViolation.InvalidCloseReason;
        }
    }
}
