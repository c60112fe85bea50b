using System.Buffers.Binary;

namespace WebSocketServerKit.Protocol.Framing;

public sealed class FrameHeaderWriterTests
{
    [Theory]
    [InlineData(0, "8100")]
    [InlineData(1, "8101")]
    [InlineData(125, "817D")]
    [InlineData(126, "817E007E")]
    [InlineData(256, "817E0100")]
    [InlineData(65_535, "817EFFFF")]
    [InlineData(65_536, "817F0000000000010000")]
    [InlineData(int.MaxValue, "817F000000007FFFFFFF")]
    public void Writes_the_length_in_its_shortest_form(int payloadLength, string header) =>
        Assert.Equal(header, Convert.ToHexString(Written(Opcode.Text, payloadLength)));

    [Theory]
    [InlineData(0x0, false, 0x00)]
    [InlineData(0x0, true, 0x80)]
    [InlineData(0x1, false, 0x01)]
    [InlineData(0x1, true, 0x81)]
    [InlineData(0x2, true, 0x82)]
    [InlineData(0x8, true, 0x88)]
    [InlineData(0x9, true, 0x89)]
    [InlineData(0xA, true, 0x8A)]
    public void Writes_the_opcode_and_the_FIN_bit(byte opcode, bool fin, byte first) =>
        Assert.Equal(first, Written((Opcode)opcode, 0, fin)[0]);

    [Fact]
    public void A_frame_is_final_unless_told_otherwise()
    {
        byte[] header = new byte[2];
        FrameHeaderWriter.Write(header, Opcode.Binary, 0);
        Assert.Equal(0x82, header[0]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(int.MaxValue)]
    public void Never_sets_the_mask_bit_and_writes_as_much_as_it_announces(int payloadLength)
    {
        byte[] destination = new byte[FrameHeaderWriter.MaxSize + 1];
        destination.AsSpan().Fill(0xEE);
        int size = FrameHeaderWriter.Write(destination, Opcode.Text, payloadLength);
        Assert.Equal(FrameHeaderWriter.SizeFor(payloadLength), size);
        Assert.Equal(0, destination[1] & 0x80);
        Assert.All(destination[size..], untouched => Assert.Equal(0xEE, untouched));
    }

    [Fact]
    public void The_parser_finds_every_length_again()
    {
        byte[] masked = new byte[FrameHeader.MaxSize];
        for (int payloadLength = 0; payloadLength <= 70_000; payloadLength++)
        {
            // A client's header is a server's with the mask bit and a key.
            int size = FrameHeaderWriter.Write(masked, Opcode.Binary, payloadLength);
            masked[1] |= 0x80;
            BinaryPrimitives.WriteUInt32BigEndian(masked.AsSpan(size), 0x37FA213D);
            bool found = FrameHeaderParser.TryParse(masked.AsSpan(0, size + 4), out FrameHeader header, out _);
            if (!found || header.PayloadLength != payloadLength)
                Assert.Fail($"{payloadLength} was not found again.");
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    public void A_header_before_its_payload_is_the_same_and_leaves_the_payload_alone(int payloadLength)
    {
        byte[] roomAndPayload = new byte[FrameHeaderWriter.MaxSize + payloadLength];
        byte[] payload = new byte[payloadLength];
        Array.Fill(payload, (byte)0xAB);
        payload.CopyTo(roomAndPayload, FrameHeaderWriter.MaxSize);
        Assert.Equal([.. Written(Opcode.Text, payloadLength, fin: false), .. payload], FrameHeaderWriter.WriteBefore(roomAndPayload, Opcode.Text, fin: false).ToArray());
        Assert.Equal(0xC2, FrameHeaderWriter.WriteBefore(roomAndPayload, Opcode.Binary, rsv1: true).Span[0]);
    }

    private static byte[] Written(Opcode opcode, int payloadLength, bool fin = true)
    {
        byte[] header = new byte[FrameHeaderWriter.SizeFor(payloadLength)];
        Assert.Equal(header.Length, FrameHeaderWriter.Write(header, opcode, payloadLength, fin));
        return header;
    }
}
