using System.Runtime.InteropServices;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Protocol.Framing;

public sealed class MaskingKeyTests
{
    private const int LongestLength = 300; // several rounds of the widest vector, and every remainder behind it
    private const byte Guard = 0xEE;

    private static readonly byte[] Original = [.. Enumerable.Range(0, LongestLength + 4).Select(i => (byte)((i * 31) + 5))];

    [Fact]
    public void Unmasks_the_Hello_of_RFC_6455_5_7()
    {
        byte[] payload = [0x7F, 0x9F, 0x4D, 0x51, 0x58];
        MaskingKey.Apply(MemoryMarshal.Read<uint>(Frames.Key), payload, payload);
        Assert.Equal("Hello"u8, payload);
    }

    [Fact]
    public void Copies_every_length_in_every_phase_as_the_formula_of_the_RFC_says()
    {
        for (int length = 0; length <= LongestLength; length++)
        {
            for (int phase = 0; phase < 4; phase++)
            {
                byte[] destination = Guarded(length, offset: 0);
                MaskingKey.Apply(KeyAt(phase), Original.AsSpan(0, length), destination.AsSpan(0, length));
                AssertTransformed(Original.AsSpan(0, length), phase, destination, offset: 0);
            }
        }
    }

    [Fact]
    public void Changes_every_length_in_place_wherever_it_lies_and_nothing_around_it()
    {
        for (int length = 0; length <= LongestLength; length++)
        {
            for (int offset = 0; offset < 8; offset++)
            {
                byte[] bytes = Guarded(length, offset);
                Span<byte> payload = bytes.AsSpan(offset, length);
                Original.AsSpan(0, length).CopyTo(payload);
                MaskingKey.Apply(KeyAt(0), payload, payload);
                AssertTransformed(Original.AsSpan(0, length), phase: 0, bytes, offset);
            }
        }
    }

    [Fact]
    public void Copies_between_places_that_are_aligned_differently()
    {
        for (int length = 0; length <= 2 * 64 + 16; length++)
        {
            byte[] bytes = Guarded(length, offset: 3);
            MaskingKey.Apply(KeyAt(1), Original.AsSpan(1, length), bytes.AsSpan(3, length));
            AssertTransformed(Original.AsSpan(1, length), phase: 1, bytes, offset: 3);
        }
    }

    [Fact]
    public void The_key_it_returns_fits_what_follows_wherever_a_payload_is_cut()
    {
        for (int cut = 0; cut <= LongestLength; cut++)
        {
            byte[] bytes = Guarded(LongestLength, offset: 0);
            uint key = MaskingKey.Apply(KeyAt(0), Original.AsSpan(0, cut), bytes.AsSpan(0, cut));
            Assert.Equal(KeyAt(cut % 4), key);
            MaskingKey.Apply(key, Original.AsSpan(cut, LongestLength - cut), bytes.AsSpan(cut, LongestLength - cut));
            AssertTransformed(Original.AsSpan(0, LongestLength), phase: 0, bytes, offset: 0);
        }
    }

    // The key as it lies in memory, turned so that its first octet is the one of the phase.
    private static uint KeyAt(int phase) => MemoryMarshal.Read<uint>([.. Frames.Key[phase..], .. Frames.Key[..phase]]);

    private static byte[] Guarded(int length, int offset)
    {
        byte[] bytes = new byte[offset + length + 64];
        bytes.AsSpan().Fill(Guard);
        return bytes;
    }

    // 5.3: "transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)"
    private static void AssertTransformed(ReadOnlySpan<byte> original, int phase, byte[] bytes, int offset)
    {
        byte[] expected = Guarded(original.Length, offset);
        for (int i = 0; i < original.Length; i++)
            expected[offset + i] = (byte)(original[i] ^ Frames.Key[(i + phase) % 4]);
        Assert.True(expected.AsSpan().SequenceEqual(bytes), $"{original.Length} bytes at phase {phase}, offset {offset}");
    }
}
