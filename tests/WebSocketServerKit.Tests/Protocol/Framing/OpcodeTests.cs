namespace WebSocketServerKit.Protocol.Framing;

public sealed class OpcodeTests
{
    // RFC 6455 11.8, the registry's initial content.
    [Theory]
    [InlineData(nameof(Opcode.Continuation), 0x0)]
    [InlineData(nameof(Opcode.Text), 0x1)]
    [InlineData(nameof(Opcode.Binary), 0x2)]
    [InlineData(nameof(Opcode.Close), 0x8)]
    [InlineData(nameof(Opcode.Ping), 0x9)]
    [InlineData(nameof(Opcode.Pong), 0xA)]
    public void Has_the_number_that_RFC_6455_gives_it(string opcode, byte number) =>
        Assert.Equal((Opcode)number, Enum.Parse<Opcode>(opcode));

    [Fact]
    public void There_is_no_other() => Assert.Equal(6, Enum.GetValues<Opcode>().Length);
}
