using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Protocol.Framing;

/// <summary>Writes the header of one frame from the server (RFC 6455 5.2).</summary>
internal static class FrameHeaderWriter
{
    /// <summary>The longest header a server sends: two bytes and a length of eight. 5.1: "A server MUST NOT mask any frames".</summary>
    public const int MaxSize = 10;

    /// <summary>Bytes of the header before a payload of this length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SizeFor(int payloadLength) => payloadLength < 126 ? 2 : payloadLength <= ushort.MaxValue ? 4 : MaxSize;

    /// <summary>Writes the header into <paramref name="destination"/>, which has room for it, and returns its size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Write(Span<byte> destination, Opcode opcode, int payloadLength, bool fin = true, bool rsv1 = false)
    {
        destination[0] = (byte)((fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | (byte)opcode);
        if (payloadLength < 126)
        {
            destination[1] = (byte)payloadLength;
            return 2;
        }

        if (payloadLength <= ushort.MaxValue)
        {
            destination[1] = 126;
            BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)payloadLength);
            return 4;
        }

        destination[1] = 127;
        BinaryPrimitives.WriteUInt64BigEndian(destination[2..], (ulong)payloadLength);
        return MaxSize;
    }

    /// <summary>Whether this frame begins a compressed message.</summary>
    public static bool IsCompressed(ReadOnlySpan<byte> frame) => (frame[0] & 0x40) != 0;

    /// <summary>Writes the header of a payload whose length was not known before: right before it, at the end of <see cref="MaxSize"/> bytes of room.</summary>
    /// <param name="roomAndPayload">The room and the payload behind it.</param>
    /// <param name="opcode">The opcode.</param>
    /// <param name="fin">Whether it is the last frame of its message.</param>
    /// <param name="rsv1">Whether it begins a compressed message.</param>
    /// <returns>The whole frame, without the part of the room that it did not need.</returns>
    public static Memory<byte> WriteBefore(Memory<byte> roomAndPayload, Opcode opcode, bool fin = true, bool rsv1 = false)
    {
        int payloadLength = roomAndPayload.Length - MaxSize;
        Memory<byte> frame = roomAndPayload[(MaxSize - SizeFor(payloadLength))..];
        Write(frame.Span, opcode, payloadLength, fin, rsv1);
        return frame;
    }
}
