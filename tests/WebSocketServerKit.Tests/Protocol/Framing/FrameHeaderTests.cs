namespace WebSocketServerKit.Protocol.Framing;

public sealed class FrameHeaderTests
{
    [Theory]
    [InlineData(0x0, false)]
    [InlineData(0x1, false)]
    [InlineData(0x2, false)]
    [InlineData(0x8, true)]
    [InlineData(0x9, true)]
    [InlineData(0xA, true)]
    public void Tells_control_frames_by_the_highest_bit_of_the_opcode(byte opcode, bool control) =>
        Assert.Equal(control, new FrameHeader((Opcode)opcode, Fin: true, PayloadLength: 0, MaskingKey: 0, Size: 6).IsControl);
}
