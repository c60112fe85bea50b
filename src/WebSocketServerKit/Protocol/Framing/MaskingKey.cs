using System.Buffers.Binary;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace WebSocketServerKit.Protocol.Framing;

/// <summary>Removes the mask from a payload (RFC 6455 5.3): "transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)".</summary>
internal static class MaskingKey
{
    /// <summary>
    /// Writes the unmasked <paramref name="source"/> to <paramref name="destination"/>, which is as long and may be the very same bytes.
    /// Returns the key for what follows, so that a payload may come in pieces of any length.
    /// </summary>
    public static uint Apply(uint key, ReadOnlySpan<byte> source, Span<byte> destination)
    {
        Debug.Assert(source.Length == destination.Length, "The destination is as long as the source.");

        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(destination);
        nuint length = (nuint)source.Length;
        nuint i = ApplyVectors(key, ref from, ref to, length);
        for (; length - i >= sizeof(uint); i += sizeof(uint))
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref to, i), Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref from, i)) ^ key);

        if (i == length)
            return key;

        // At most three bytes are left, and each turns the key to the next phase. The first octet of the key is the lowest here, on every machine.
        uint octets = BinaryPrimitives.ReadUInt32LittleEndian(MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in key)));
        for (; i < length; i++)
        {
            Unsafe.Add(ref to, i) = (byte)(Unsafe.Add(ref from, i) ^ (byte)octets);
            octets = BitOperations.RotateRight(octets, 8);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(MemoryMarshal.AsBytes(new Span<uint>(ref key)), octets);
        return key;
    }

    // Returns how many bytes are done.
    [ExcludeFromCodeCoverage(Justification = "Some lines need instructions that not every processor has.")]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nuint ApplyVectors(uint key, ref byte from, ref byte to, nuint length)
    {
        nuint i = 0;
        if (Vector512.IsHardwareAccelerated)
            for (Vector512<byte> mask = Vector512.Create(key).AsByte(); length - i >= 64; i += 64)
                (Vector512.LoadUnsafe(ref from, i) ^ mask).StoreUnsafe(ref to, i);
        if (Vector256.IsHardwareAccelerated)
            for (Vector256<byte> mask = Vector256.Create(key).AsByte(); length - i >= 32; i += 32)
                (Vector256.LoadUnsafe(ref from, i) ^ mask).StoreUnsafe(ref to, i);
        if (Vector128.IsHardwareAccelerated)
            for (Vector128<byte> mask = Vector128.Create(key).AsByte(); length - i >= 16; i += 16)
                (Vector128.LoadUnsafe(ref from, i) ^ mask).StoreUnsafe(ref to, i);
        return i;
    }
}
