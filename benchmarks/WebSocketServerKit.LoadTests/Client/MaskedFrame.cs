using System.Buffers.Binary;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>A frame as a client sends it, with a key that is always the same.</summary>
internal static class MaskedFrame
{
    private static readonly byte[] MaskingKey = [0x37, 0xFA, 0x21, 0x3D];

    /// <param name="firstOctet">FIN, the reserved bits and the opcode.</param>
    /// <param name="payload">Unmasked.</param>
    public static byte[] Of(byte firstOctet, ReadOnlySpan<byte> payload)
    {
        int size = payload.Length;
        int keyAt = size < 126 ? 2 : size <= ushort.MaxValue ? 4 : 10;
        byte[] frame = new byte[keyAt + MaskingKey.Length + size];
        frame[0] = firstOctet;
        frame[1] = (byte)(0x80 | (keyAt == 2 ? size : keyAt == 4 ? 126 : 127));
        if (keyAt == 4)
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), (ushort)size);
        else if (keyAt == 10)
            BinaryPrimitives.WriteInt64BigEndian(frame.AsSpan(2), size);
        MaskingKey.CopyTo(frame, keyAt);
        for (int i = 0; i < size; i++)
            frame[keyAt + MaskingKey.Length + i] = (byte)(payload[i] ^ MaskingKey[i % MaskingKey.Length]);
        return frame;
    }
}
