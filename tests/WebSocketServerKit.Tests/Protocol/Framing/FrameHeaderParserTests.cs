using System.Runtime.InteropServices;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.Protocol.ProtocolViolation;

namespace WebSocketServerKit.Protocol.Framing;

public sealed class FrameHeaderParserTests
{
    private static readonly byte[] OtherKey = [1, 2, 3, 4];

    // Every form of the length, at its ends.
    public static TheoryData<long, int> Lengths { get; } = new()
    {
        { 0, 6 }, { 1, 6 }, { 125, 6 },
        { 126, 8 }, { 127, 8 }, { 256, 8 }, { 65_535, 8 },
        { 65_536, 14 }, { 0x0102_0304_0506_0708, 14 }, { long.MaxValue, 14 },
    };

    // A header, the rule that it breaks, and the number of bytes after which that is certain.
    public static TheoryData<string, byte[], string, int> BrokenHeaders { get; } = new()
    {
        { "RSV1", Frames.Frame(Opcode.Text, [], reserved: 4), nameof(ReservedBitSet), 1 },
        { "RSV2", Frames.Frame(Opcode.Text, [], reserved: 2), nameof(ReservedBitSet), 1 },
        { "RSV3", Frames.Frame(Opcode.Text, [], reserved: 1), nameof(ReservedBitSet), 1 },
        { "all reserved bits", Frames.Frame(Opcode.Ping, [], reserved: 7), nameof(ReservedBitSet), 1 },
        { "opcode 3", Frames.Frame((Opcode)3, []), nameof(UnknownOpcode), 1 },
        { "opcode 4", Frames.Frame((Opcode)4, []), nameof(UnknownOpcode), 1 },
        { "opcode 5", Frames.Frame((Opcode)5, []), nameof(UnknownOpcode), 1 },
        { "opcode 6", Frames.Frame((Opcode)6, []), nameof(UnknownOpcode), 1 },
        { "opcode 7", Frames.Frame((Opcode)7, []), nameof(UnknownOpcode), 1 },
        { "opcode 11", Frames.Frame((Opcode)11, []), nameof(UnknownOpcode), 1 },
        { "opcode 12", Frames.Frame((Opcode)12, []), nameof(UnknownOpcode), 1 },
        { "opcode 13", Frames.Frame((Opcode)13, []), nameof(UnknownOpcode), 1 },
        { "opcode 14", Frames.Frame((Opcode)14, []), nameof(UnknownOpcode), 1 },
        { "opcode 15", Frames.Frame((Opcode)15, []), nameof(UnknownOpcode), 1 },
        { "Close without FIN", Frames.Frame(Opcode.Close, [], fin: false), nameof(ControlFrameFragmented), 1 },
        { "Ping without FIN", Frames.Frame(Opcode.Ping, [], fin: false), nameof(ControlFrameFragmented), 1 },
        { "Pong without FIN", Frames.Frame(Opcode.Pong, [], fin: false), nameof(ControlFrameFragmented), 1 },
        { "text without mask", Frames.Frame(Opcode.Text, "Hello"u8, masked: false), nameof(NotMasked), 2 },
        { "long text without mask", Frames.Frame(Opcode.Text, new byte[70_000], masked: false)[..14], nameof(NotMasked), 2 },
        { "Ping without mask", Frames.Frame(Opcode.Ping, [], masked: false), nameof(NotMasked), 2 },
        { "Ping of 126", Frames.Frame(Opcode.Ping, new byte[126]), nameof(ControlFrameTooLong), 2 },
        { "Pong of 65,536", Frames.Frame(Opcode.Pong, new byte[65_536])[..20], nameof(ControlFrameTooLong), 2 },
        { "Close of 125 in a longer form", Frames.Frame(Opcode.Close, [], declared: 125, lengthBytes: 2), nameof(ControlFrameTooLong), 2 },
        { "0 in two bytes", Frames.Frame(Opcode.Text, [], lengthBytes: 2), nameof(LengthNotMinimal), 4 },
        { "125 in two bytes", Frames.Frame(Opcode.Text, [], declared: 125, lengthBytes: 2), nameof(LengthNotMinimal), 4 },
        { "0 in eight bytes", Frames.Frame(Opcode.Text, [], lengthBytes: 8), nameof(LengthNotMinimal), 8 },
        { "126 in eight bytes", Frames.Frame(Opcode.Text, [], declared: 126, lengthBytes: 8), nameof(LengthNotMinimal), 8 },
        { "65,535 in eight bytes", Frames.Frame(Opcode.Text, [], declared: 65_535, lengthBytes: 8), nameof(LengthNotMinimal), 8 },
        { "2^63", Frames.Frame(Opcode.Text, [], declared: 1UL << 63), nameof(LengthTooLarge), 3 },
        { "2^64 - 1", Frames.Frame(Opcode.Text, [], declared: ulong.MaxValue), nameof(LengthTooLarge), 3 },
    };

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Parses_each_form_of_the_length_and_asks_for_more_until_the_header_is_whole(long length, int size)
    {
        byte[] frame = [.. Frames.Frame(Opcode.Binary, [], declared: (ulong)length, key: OtherKey), 0xFF, 0xFF];
        for (int cut = 0; cut < size; cut++)
            AssertNeedsMore(frame.AsSpan(0, cut));
        for (int cut = size; cut <= frame.Length; cut++)
            AssertParses(frame.AsSpan(0, cut), new FrameHeader(Opcode.Binary, true, length, MemoryMarshal.Read<uint>(OtherKey), size));
    }

    [Theory]
    [InlineData(0x0, false)]
    [InlineData(0x0, true)]
    [InlineData(0x1, false)]
    [InlineData(0x1, true)]
    [InlineData(0x2, false)]
    [InlineData(0x2, true)]
    [InlineData(0x8, true)]
    [InlineData(0x9, true)]
    [InlineData(0xA, true)]
    public void Parses_every_opcode_and_the_FIN_bit(byte opcode, bool fin)
    {
        uint key = MemoryMarshal.Read<uint>(Frames.Key);
        AssertParses(Frames.Frame((Opcode)opcode, [], fin), new FrameHeader((Opcode)opcode, fin, 0, key, 6));
        AssertParses(Frames.Frame((Opcode)opcode, new byte[125], fin), new FrameHeader((Opcode)opcode, fin, 125, key, 6));
    }

    [Theory]
    [InlineData(0x0, false)]
    [InlineData(0x1, false)]
    [InlineData(0x2, true)]
    public void Parses_data_frames_with_long_lengths(byte opcode, bool fin)
    {
        uint key = MemoryMarshal.Read<uint>(Frames.Key);
        AssertParses(Frames.Frame((Opcode)opcode, new byte[126], fin), new FrameHeader((Opcode)opcode, fin, 126, key, 8));
        AssertParses(Frames.Frame((Opcode)opcode, new byte[65_536], fin), new FrameHeader((Opcode)opcode, fin, 65_536, key, 14));
    }

    [Theory]
    [MemberData(nameof(BrokenHeaders))]
    public void Tells_a_broken_rule_as_soon_as_the_byte_is_there_that_breaks_it(string what, byte[] frame, string violation, int told)
    {
        for (int cut = 0; cut < told; cut++)
            AssertNeedsMore(frame.AsSpan(0, cut));
        for (int cut = told; cut <= frame.Length; cut++)
        {
            Assert.False(FrameHeaderParser.TryParse(frame.AsSpan(0, cut), out FrameHeader header, out ProtocolViolation found));
            Assert.True(found == Enum.Parse<ProtocolViolation>(violation), $"{what}: {found} after {cut} bytes");
            Assert.Equal(default, header);
        }
    }

    // All first two bytes, against the rules of 5.1, 5.2 and 5.5 written down once more, in the order of the bytes.
    [Fact]
    public void Judges_all_first_two_bytes_as_the_RFC_does()
    {
        byte[] frame = [0, 0, 0x00, 0x80, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]; // a valid rest for every form of the length
        for (int bytes = 0; bytes <= 0xFFFF; bytes++)
        {
            (frame[0], frame[1]) = ((byte)(bytes >> 8), (byte)bytes);
            bool parsed = FrameHeaderParser.TryParse(frame, out FrameHeader header, out ProtocolViolation violation);
            ProtocolViolation expected = Judge(frame[0], frame[1]);
            bool opcodeFound = !parsed || (byte)header.Opcode == (frame[0] & 0xF);
            if (violation != expected || parsed != (expected == None) || !opcodeFound)
                Assert.Fail($"{bytes:X4}: {violation}, expected {expected}");
        }
    }

    private static ProtocolViolation Judge(byte first, byte second)
    {
        int opcode = first & 0xF;
        if ((first & 0b0111_0000) != 0)
            return ReservedBitSet;
        if (opcode is not (0 or 1 or 2 or 8 or 9 or 10))
            return UnknownOpcode;
        if (opcode >= 8 && first < 0x80)
            return ControlFrameFragmented;
        if (second < 0x80)
            return NotMasked;
        return opcode >= 8 && second - 0x80 > 125 ? ControlFrameTooLong : None;
    }

    private static void AssertNeedsMore(ReadOnlySpan<byte> input)
    {
        Assert.False(FrameHeaderParser.TryParse(input, out FrameHeader header, out ProtocolViolation violation));
        Assert.Equal((default, None), (header, violation));
    }

    private static void AssertParses(ReadOnlySpan<byte> input, FrameHeader expected)
    {
        Assert.True(FrameHeaderParser.TryParse(input, out FrameHeader header, out ProtocolViolation violation));
        Assert.Equal((expected, None), (header, violation));
    }
}
