using System.Runtime.InteropServices;
using System.Text;

namespace WebSocketServerKit.Serving.Backplanes;

/// <summary>
/// Names between servers, in UTF-8. One that is no valid text, since a host has cut it within a character, is in UTF-16 (little-endian) behind a byte that is not in UTF-8: two names must not become one.
/// </summary>
internal static class NameEncoding
{
    private const byte IsUtf16 = 0xFF;

    public static int SizeOf(string name) => IsText(name) ? Encoding.UTF8.GetByteCount(name) : 1 + (2 * name.Length);

    /// <summary>Writes a name, and returns its size.</summary>
    public static int Write(string name, Span<byte> to)
    {
        if (IsText(name))
            return Encoding.UTF8.GetBytes(name, to);
        to[0] = IsUtf16;
        MemoryMarshal.AsBytes(name.AsSpan()).CopyTo(to[1..]);
        return 1 + (2 * name.Length);
    }

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    public static string Read(ReadOnlySpan<byte> name) =>
        name is [IsUtf16, .. var characters] ? new string(MemoryMarshal.Cast<byte, char>(characters)) : Encoding.UTF8.GetString(name);

    private static bool IsText(string name)
    {
        int surrogate = name.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF');
        for (int i = surrogate; i >= 0 && i < name.Length; i++)
        {
            if (!char.IsSurrogate(name[i]))
                continue;
            if (i + 1 == name.Length || !char.IsSurrogatePair(name[i], name[i + 1]))
                return false;
            i++;
        }

        return true;
    }
}
