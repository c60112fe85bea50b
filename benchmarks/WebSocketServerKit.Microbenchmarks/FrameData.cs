using System.Buffers.Binary;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>Frames as a client sends them.</summary>
internal static class FrameData
{
    /// <summary>The bits above ASCII stay clear, so that ASCII is still ASCII when the mask is applied to it, however often.</summary>
    public const uint Key = 0x1D0B0713;

    /// <summary>Masked frames of one payload of ASCII, one behind the other.</summary>
    public static byte[] Frames(Opcode opcode, int payloadSize, int count)
    {
        byte[] frame = Frame(opcode, payloadSize);
        byte[] frames = new byte[frame.Length * count];
        for (int i = 0; i < count; i++)
            frame.CopyTo(frames, i * frame.Length);
        return frames;
    }

    public static byte[] Ascii(int size)
    {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++)
            bytes[i] = (byte)('A' + i % 26);
        return bytes;
    }

    private static byte[] Frame(Opcode opcode, int payloadSize)
    {
        int keyAt = FrameHeaderWriter.SizeFor(payloadSize);
        byte[] frame = new byte[keyAt + sizeof(uint) + payloadSize];
        FrameHeaderWriter.Write(frame, opcode, payloadSize);
        frame[1] |= 0x80; // masked
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(keyAt), Key);
        MaskingKey.Apply(Key, Ascii(payloadSize), frame.AsSpan(keyAt + sizeof(uint)));
        return frame;
    }
}
