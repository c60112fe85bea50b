using System.Buffers;

namespace WebSocketServerKit.Serving.Backplanes;

/// <summary>Unsigned numbers in LEB128: seven bits in each byte, the low ones first, and the high bit says that more come.</summary>
internal static class Leb128
{
    private const int MaxSize = 10;

    public static int SizeOf(ulong value)
    {
        int size = 1;
        while ((value >>= 7) != 0)
            size++;
        return size;
    }

    /// <summary>Writes a number, and moves on.</summary>
    public static void Write(ref Span<byte> to, ulong value)
    {
        int size = 0;
        for (; value >= 0x80; value >>= 7)
            to[size++] = (byte)(value | 0x80);
        to[size++] = (byte)value;
        to = to[size..];
    }

    /// <inheritdoc cref="Write(ref Span{byte}, ulong)"/>
    public static void Write(IBufferWriter<byte> to, ulong value)
    {
        Span<byte> span = to.GetSpan(MaxSize), left = span;
        Write(ref left, value);
        to.Advance(span.Length - left.Length);
    }

    /// <summary>Reads a number, and moves on. False if there is none.</summary>
    public static bool TryRead(ref ReadOnlyMemory<byte> from, out ulong value)
    {
        value = 0;
        ReadOnlySpan<byte> span = from.Span;
        for (int i = 0; i < span.Length && i < MaxSize; i++)
        {
            value |= (ulong)(span[i] & 0x7F) << (7 * i);
            if (span[i] < 0x80)
            {
                from = from[(i + 1)..];
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads a number and as many bytes, and moves on. False if they are not all there.</summary>
    public static bool TryReadPart(ref ReadOnlyMemory<byte> from, out ReadOnlyMemory<byte> part)
    {
        part = default;
        if (!TryRead(ref from, out ulong length) || length > (ulong)from.Length)
            return false;
        part = from[..(int)length];
        from = from[(int)length..];
        return true;
    }
}
