using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.TestKit;

public sealed class FramesTests
{
    [Fact]
    public void Builds_the_masked_text_of_RFC_6455_5_7() =>
        Assert.Equal([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58], Frames.Text("Hello"));

    [Fact]
    public void Builds_the_unmasked_text_of_RFC_6455_5_7() =>
        Assert.Equal([0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F], Frames.Frame(Opcode.Text, "Hello"u8, masked: false));

    [Fact]
    public void Builds_the_unmasked_fragments_of_RFC_6455_5_7()
    {
        Assert.Equal([0x01, 0x03, 0x48, 0x65, 0x6C], Frames.Frame(Opcode.Text, "Hel"u8, fin: false, masked: false));
        Assert.Equal([0x80, 0x02, 0x6C, 0x6F], Frames.Frame(Opcode.Continuation, "lo"u8, masked: false));
    }

    [Fact]
    public void Builds_the_masked_pong_of_RFC_6455_5_7() =>
        Assert.Equal([0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58], Frames.Pong("Hello"));

    [Fact]
    public void Builds_the_long_headers_of_RFC_6455_5_7()
    {
        Assert.Equal([0x82, 0x7E, 0x01, 0x00], Frames.Frame(Opcode.Binary, new byte[256], masked: false)[..4]);
        Assert.Equal([0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], Frames.Frame(Opcode.Binary, new byte[65_536], masked: false)[..10]);
    }

    [Fact]
    public void Builds_what_no_client_should_send()
    {
        Assert.Equal([0xF3, 0x00], Frames.Frame((Opcode)3, [], reserved: 7, masked: false));
        Assert.Equal([0x82, 0x7E, 0, 1, 7], Frames.Frame(Opcode.Binary, [7], lengthBytes: 2, masked: false));
        Assert.Equal([0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1, 7], Frames.Frame(Opcode.Binary, [7], lengthBytes: 8, masked: false));
        Assert.Equal([0x82, 0x7D, 7], Frames.Frame(Opcode.Binary, [7], declared: 125, masked: false));
    }

    [Fact]
    public void Cuts_at_the_places_given() =>
        Assert.Equal([[1, 2], [], [3]], Frames.Cut([1, 2, 3], 2, 2));
}
