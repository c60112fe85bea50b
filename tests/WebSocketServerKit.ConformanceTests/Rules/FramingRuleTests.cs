using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Rules;

/// <summary>RFC 6455 5: what the cases of the suite leave out.</summary>
public class FramingRuleTests(EchoServer server)
{
    [Fact]
    public async Task Fails_on_a_frame_that_is_not_masked()
    {
        foreach (ClientFrame frame in new[] { Text("a"), Text(""), Ping(), Close(1000) })
            await AssertFailsAsync(1002, (frame with { Masked = false }).ToBytes());
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(125, 2)]
    [InlineData(0, 8)]
    [InlineData(125, 8)]
    [InlineData(126, 8)]
    [InlineData(65_535, 8)]
    public Task Fails_on_a_length_that_is_not_in_its_shortest_form(int length, int lengthSize) =>
        AssertFailsAsync(1002, (Binary(new byte[length]) with { LengthSize = lengthSize }).ToBytes());

    [Fact]
    public Task Fails_on_a_short_control_frame_with_an_extended_length() =>
        AssertFailsAsync(1002, (Ping("ping") with { LengthSize = 2 }).ToBytes());

    [Theory]
    [InlineData(0x8000_0000_0000_0000)]
    [InlineData(ulong.MaxValue)]
    public Task Fails_on_a_length_with_its_highest_bit_set(ulong length) =>
        AssertFailsAsync(1002, (Binary(default) with { AnnouncedLength = length, LengthSize = 8 }).ToBytes());

    [Theory]
    [InlineData(EchoServer.MaxMessageSize + 1UL)]
    [InlineData(0x7FFF_FFFF_FFFF_FFFF)]
    public Task Fails_on_a_message_above_the_limit_by_its_header_alone(ulong length) =>
        AssertFailsAsync(1009, (Binary(default) with { AnnouncedLength = length, LengthSize = 8 }).ToBytes());

    [Fact]
    public Task Fails_on_fragments_that_are_above_the_limit_together() => AssertFailsAsync(
        1009,
        Join(
            Text("abc") with { Fin = false },
            Continuation("") with { Fin = false, AnnouncedLength = EchoServer.MaxMessageSize - 2, LengthSize = 8 }));

    [Fact]
    public async Task Fails_at_the_first_byte_that_breaks_a_rule()
    {
        // Reserved bits, unknown opcodes and a Ping without FIN need no second byte.
        foreach (byte first in (byte[])[0xC1, 0xA1, 0x91, 0x83, 0x8B, 0x09])
            await AssertFailsAsync(1002, [first]);
        // A Ping of 126 bytes and a missing mask need no third, a length with its highest bit set no masking key, all of them no payload.
        await AssertFailsAsync(1002, [0x89, 0xFE]);
        await AssertFailsAsync(1002, [0x81, 0x01]);
        await AssertFailsAsync(1002, [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        await AssertFailsAsync(1002, [0x80, 0x85, 1, 2, 3, 4]);
    }

    [Theory]
    [InlineData(0x00000000)]
    [InlineData(0xFFFFFFFF)]
    [InlineData(0x00FF00FF)]
    [InlineData(0x12345678)]
    public async Task Unmasks_with_any_key_wherever_the_frame_is_cut(uint key)
    {
        byte[] payload = [.. Enumerable.Range(0, 1000).Select(i => (byte)(i * 7))];
        byte[] frame = (Binary(payload) with { MaskingKey = key }).ToBytes();
        await using RawClient client = await server.OpenAsync();
        foreach (int size in (int[])[1, 2, 3, 5, 7, 64, 999, 5000])
        {
            await client.WriteInPiecesAsync(frame, size);
            Assert.Equal(payload, (await client.ReadAsync())!.Payload.ToArray());
        }
    }

    [Fact]
    public async Task Takes_no_mask_from_one_frame_to_the_next()
    {
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(
            Text("abc") with { Fin = false, MaskingKey = 0x01020304 },
            Ping("p") with { MaskingKey = 0xFFFFFFFF },
            Continuation("def") with { MaskingKey = 0xA0B0C0D0 });
        Assert.Equal("p", (await client.ReadAsync())!.Text);
        await client.AssertTextAsync("abcdef");
    }

    [Fact]
    public async Task Fails_on_a_binary_fragment_in_a_text() =>
        await AssertFailsAsync(1002, Join(Text("a") with { Fin = false }, Binary("b"u8.ToArray())));

    [Fact]
    public async Task Lets_no_Pong_through_to_the_host_and_answers_none()
    {
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(Text("a") with { Fin = false }, Pong("x"), Pong(), Continuation("b"));
        await client.AssertTextAsync("ab");
    }

    [Fact]
    public async Task Gives_binary_back_byte_by_byte_whatever_it_is()
    {
        byte[] payload = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(Fragmented(BinaryOpcode, payload, 1));
        ServerFrame? echo = await client.ReadAsync();
        Assert.Equal(BinaryOpcode, echo!.Opcode);
        Assert.Equal(payload, echo.Payload.ToArray());
    }

    private async Task AssertFailsAsync(int code, byte[] bytes)
    {
        await using RawClient client = await server.OpenAsync();
        await client.WriteAsync(bytes);
        await client.AssertClosedAsync(code);
    }
}
