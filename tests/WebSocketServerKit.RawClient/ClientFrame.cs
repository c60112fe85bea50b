using System.Buffers.Binary;
using System.Text;

namespace WebSocketServerKit.Raw;

/// <summary>A frame as a client may send it: every bit, the length and its form, and the mask can be right or wrong.</summary>
/// <param name="Opcode">0 to 15.</param>
/// <param name="Payload">The payload before masking.</param>
public sealed record ClientFrame(byte Opcode, ReadOnlyMemory<byte> Payload)
{
    public const byte ContinuationOpcode = 0, TextOpcode = 1, BinaryOpcode = 2, CloseOpcode = 8, PingOpcode = 9, PongOpcode = 10;

    public bool Fin { get; init; } = true;

    /// <summary>RSV1 to RSV3 as a number: 4, 2 and 1.</summary>
    public int ReservedBits { get; init; }

    public bool Masked { get; init; } = true;

    /// <summary>The four bytes of the key in the order of the wire.</summary>
    public uint MaskingKey { get; init; } = 0x37FA213D;

    /// <summary>The length to announce instead of the payload's own.</summary>
    public ulong? AnnouncedLength { get; init; }

    /// <summary>How many bytes the extended length has: 0, 2 or 8; null for the shortest form that fits.</summary>
    public int? LengthSize { get; init; }

    public static ClientFrame Text(string text) => new(TextOpcode, Encoding.UTF8.GetBytes(text));

    public static ClientFrame Text(ReadOnlyMemory<byte> payload) => new(TextOpcode, payload);

    public static ClientFrame Binary(ReadOnlyMemory<byte> payload) => new(BinaryOpcode, payload);

    public static ClientFrame Continuation(ReadOnlyMemory<byte> payload) => new(ContinuationOpcode, payload);

    public static ClientFrame Continuation(string text) => Continuation(Encoding.UTF8.GetBytes(text));

    public static ClientFrame Ping(ReadOnlyMemory<byte> payload) => new(PingOpcode, payload);

    public static ClientFrame Ping(string text = "") => Ping(Encoding.UTF8.GetBytes(text));

    public static ClientFrame Pong(string text = "") => new(PongOpcode, Encoding.UTF8.GetBytes(text));

    /// <summary>A Close frame without a payload.</summary>
    public static ClientFrame Close() => new(CloseOpcode, default);

    public static ClientFrame Close(int code, string reason = "") => Close(code, Encoding.UTF8.GetBytes(reason));

    public static ClientFrame Close(int code, ReadOnlySpan<byte> reason) =>
        new(CloseOpcode, (byte[])[(byte)(code >> 8), (byte)code, .. reason]);

    /// <summary>A message in fragments of a size; the last one may be shorter.</summary>
    public static IEnumerable<ClientFrame> Fragmented(byte opcode, ReadOnlyMemory<byte> payload, int size)
    {
        for (int at = 0; at < payload.Length; at += size)
        {
            int length = Math.Min(size, payload.Length - at);
            yield return new(at == 0 ? opcode : ContinuationOpcode, payload.Slice(at, length)) { Fin = at + length == payload.Length };
        }
    }

    /// <summary>A message that was compressed, in fragments of a size: RSV1 is set on the first (RFC 7692 6.1).</summary>
    public static IEnumerable<ClientFrame> Deflated(byte opcode, ReadOnlyMemory<byte> deflated, int size) =>
        Fragmented(opcode, deflated, size).Select((frame, i) => i == 0 ? frame with { ReservedBits = 4 } : frame);

    /// <summary>The bytes of several frames, one behind the other.</summary>
    public static byte[] Join(params IEnumerable<ClientFrame> frames)
    {
        using var bytes = new MemoryStream();
        foreach (ClientFrame frame in frames)
            bytes.Write(frame.ToBytes());
        return bytes.ToArray();
    }

    public byte[] ToBytes()
    {
        ulong length = AnnouncedLength ?? (ulong)Payload.Length;
        int lengthSize = LengthSize ?? (length < 126 ? 0 : length <= ushort.MaxValue ? 2 : 8);
        int payloadAt = 2 + lengthSize + (Masked ? 4 : 0);
        byte[] frame = new byte[payloadAt + Payload.Length];
        frame[0] = (byte)((Fin ? 0x80 : 0) | ReservedBits << 4 | Opcode);
        frame[1] = (byte)((Masked ? 0x80 : 0) | (lengthSize == 0 ? (int)length : lengthSize == 2 ? 126 : 127));
        if (lengthSize == 2)
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), (ushort)length);
        if (lengthSize == 8)
            BinaryPrimitives.WriteUInt64BigEndian(frame.AsSpan(2), length);

        Span<byte> payload = frame.AsSpan(payloadAt);
        Payload.Span.CopyTo(payload);
        if (Masked)
        {
            BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(payloadAt - 4), MaskingKey);
            Mask(payload, MaskingKey);
        }

        return frame;
    }

    // Eight bytes at a time, because some tests mask many megabytes.
    private static void Mask(Span<byte> payload, uint key)
    {
        ulong keyTwice = (ulong)key << 32 | key;
        int i = 0;
        for (; payload.Length - i >= 8; i += 8)
            BinaryPrimitives.WriteUInt64BigEndian(payload[i..], BinaryPrimitives.ReadUInt64BigEndian(payload[i..]) ^ keyTwice);
        for (; i < payload.Length; i++)
            payload[i] ^= (byte)(key >> (8 * (3 - i % 4)));
    }
}
