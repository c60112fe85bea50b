namespace WebSocketServerKit.Protocol.Framing;

/// <summary>The header of a frame that a client sent and that keeps every rule a header can break by itself.</summary>
/// <param name="Opcode">One of the six that RFC 6455 defines.</param>
/// <param name="Fin">Whether this is the last fragment of its message.</param>
/// <param name="PayloadLength">Bytes of payload behind the header, as declared; at most 2^63 - 1.</param>
/// <param name="MaskingKey">The four bytes of the key as they lie in memory.</param>
/// <param name="Size">Bytes that the header itself takes: 6, 8 or 14.</param>
/// <param name="Rsv1">Whether an extension has set this bit; on the first frame of a message only.</param>
internal readonly record struct FrameHeader(Opcode Opcode, bool Fin, long PayloadLength, uint MaskingKey, int Size, bool Rsv1 = false)
{
    /// <summary>The longest header: two bytes, a length of eight, a masking key of four.</summary>
    public const int MaxSize = 14;

    /// <summary>RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less".</summary>
    public const int MaxControlPayload = 125;

    // RFC 6455 5.5: "Control frames are identified by opcodes where the most significant bit of the opcode is 1."
    public bool IsControl => ((byte)Opcode & 0x8) != 0;
}
