using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace WebSocketServerKit.Protocol.Framing;

/// <summary>Parses the header of one frame from a client (RFC 6455 5.2).</summary>
internal static class FrameHeaderParser
{
    private const byte FinBit = 0x80;
    private const byte ReservedBits = 0x70;
    private const byte Rsv1Bit = 0x40;
    private const byte OpcodeBits = 0x0F;
    private const byte MaskBit = 0x80;
    private const byte LengthBits = 0x7F;
    private const int TwoByteLength = 126;
    private const int EightByteLength = 127;
    private const int MaskingKeySize = 4;

    // One bit for each opcode that RFC 6455 defines: 0, 1, 2, 8, 9, 10.
    private const int KnownOpcodes = 0b0000_0111_0000_0111;

    /// <summary>
    /// Parses the header at the start of <paramref name="input"/>. False with <see cref="ProtocolViolation.None"/> asks for more bytes;
    /// a violation is reported as soon as the byte that breaks the rule is there.
    /// </summary>
    /// <param name="input">Bytes from the start of the frame.</param>
    /// <param name="header">The header, if it is complete and keeps the rules.</param>
    /// <param name="violation">The broken rule, or none.</param>
    /// <param name="rsv1">Whether an extension was negotiated that may set RSV1 on the first frame of a message.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryParse(ReadOnlySpan<byte> input, out FrameHeader header, out ProtocolViolation violation, bool rsv1 = false)
    {
        // The common case in one go: everything in order, a payload of up to 125 bytes.
        if (input.Length >= 2 + MaskingKeySize && IsInOrder(input[0], input[1]) && (input[1] & LengthBits) < TwoByteLength)
        {
            uint key = MemoryMarshal.Read<uint>(input[2..]);
            header = new FrameHeader((Opcode)(input[0] & OpcodeBits), (input[0] & FinBit) != 0, input[1] & LengthBits, key, 2 + MaskingKeySize);
            violation = ProtocolViolation.None;
            return true;
        }

        return TryParseAny(input, out header, out violation, rsv1);
    }

    private static bool IsInOrder(byte first, byte second) =>
        (first & ReservedBits) == 0 && (KnownOpcodes >> (first & OpcodeBits) & 1) != 0 && (second & MaskBit) != 0
        && ((first & 0x8) == 0 || (first & FinBit) != 0);

    private static bool TryParseAny(ReadOnlySpan<byte> input, out FrameHeader header, out ProtocolViolation violation, bool rsv1)
    {
        header = default;
        violation = ProtocolViolation.None;
        if (input.IsEmpty)
            return false;

        var opcode = (Opcode)(input[0] & OpcodeBits);
        bool fin = (input[0] & FinBit) != 0;
        bool control = ((byte)opcode & 0x8) != 0;

        // 5.2: "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values."
        // RFC 7692 6.1: "on the first frame of the message" alone; 5.5 of it: "An extension MUST NOT set" it on control frames.
        int allowed = rsv1 && opcode is Opcode.Text or Opcode.Binary ? Rsv1Bit : 0;
        if ((input[0] & ReservedBits & ~allowed) != 0)
            violation = ProtocolViolation.ReservedBitSet;
        // 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."
        else if ((KnownOpcodes >> (byte)opcode & 1) == 0)
            violation = ProtocolViolation.UnknownOpcode;
        // 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
        else if (control && !fin)
            violation = ProtocolViolation.ControlFrameFragmented;
        if (violation != ProtocolViolation.None || input.Length < 2)
            return false;

        int length = input[1] & LengthBits;
        // 5.1: "The server MUST close the connection upon receiving a frame that is not masked."
        if ((input[1] & MaskBit) == 0)
            violation = ProtocolViolation.NotMasked;
        else if (control && length > FrameHeader.MaxControlPayload)
            violation = ProtocolViolation.ControlFrameTooLong;
        if (violation != ProtocolViolation.None)
            return false;

        int keyAt = 2 + (length == TwoByteLength ? 2 : length == EightByteLength ? 8 : 0);
        ReadOnlySpan<byte> extended = input[2..Math.Min(keyAt, input.Length)];
        ulong payloadLength = (ulong)length;
        if (length == TwoByteLength && extended.Length == 2)
        {
            payloadLength = BinaryPrimitives.ReadUInt16BigEndian(extended);
            // 5.2: "in all cases, the minimal number of bytes MUST be used to encode the length"
            if (payloadLength < TwoByteLength)
                violation = ProtocolViolation.LengthNotMinimal;
        }
        else if (length == EightByteLength && !extended.IsEmpty)
        {
            // 5.2: "the most significant bit MUST be 0"
            if (extended[0] > 0x7F)
                violation = ProtocolViolation.LengthTooLarge;
            // After six zeros it would fit into two bytes.
            else if (extended.Length >= 6 && !extended[..6].ContainsAnyExcept((byte)0))
                violation = ProtocolViolation.LengthNotMinimal;
            else if (extended.Length == 8)
                payloadLength = BinaryPrimitives.ReadUInt64BigEndian(extended);
        }

        if (violation != ProtocolViolation.None || input.Length < keyAt + MaskingKeySize)
            return false;

        header = new FrameHeader(opcode, fin, (long)payloadLength, MemoryMarshal.Read<uint>(input[keyAt..]), keyAt + MaskingKeySize, (input[0] & Rsv1Bit) != 0);
        return true;
    }
}
