using WebSocketServerKit.Conformance.Compression;
using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Rules;

/// <summary>RFC 7692: what the cases of groups 12 and 13 leave out.</summary>
public class CompressionRuleTests(EchoServer server)
{
    private const string Extension = "permessage-deflate";

    [Theory]
    [InlineData("permessage-deflate", "permessage-deflate")]
    [InlineData("permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8")]
    [InlineData("permessage-deflate; server_max_window_bits=7, permessage-deflate", "permessage-deflate")]
    [InlineData("unknown, permessage-deflate; server_max_window_bits=\"15\"", "permessage-deflate; server_max_window_bits=15")]
    public async Task Answers_one_offer_with_what_it_agrees_to(string offer, string answer)
    {
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/", $"Sec-WebSocket-Extensions: {offer}"));
        Assert.Equal([answer], (await client.ReadAcceptanceAsync())["Sec-WebSocket-Extensions"]);
    }

    [Theory]
    [InlineData("unknown")]
    [InlineData("permessage-deflate; unknown")]
    [InlineData("permessage-deflate; server_max_window_bits")]
    [InlineData("permessage-deflate; server_max_window_bits=16")]
    [InlineData("permessage-deflate; client_max_window_bits=08")]
    [InlineData("permessage-deflate; client_no_context_takeover; client_no_context_takeover")]
    [InlineData("permessage-deflate; server_no_context_takeover=true")]
    public async Task Opens_without_the_extension_when_it_declines_every_offer(string offer)
    {
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/", $"Sec-WebSocket-Extensions: {offer}"));
        Assert.Empty((await client.ReadAcceptanceAsync())["Sec-WebSocket-Extensions"]);
        await client.SendAsync(Text("plain"));
        await client.AssertTextAsync("plain");
        await client.SendAsync(Deflated(TextOpcode, new byte[] { 0 }, 1));
        await client.AssertClosedAsync(1002);
    }

    [Theory]
    [InlineData("F248CDC9C90700", "Hello")] // 7.2.3.1: one block
    [InlineData("000500FAFF48656C6C6F00", "Hello")] // 7.2.3.3: a block that is not compressed
    [InlineData("F348CDC9C9070000", "Hello")] // 7.2.3.4: a block with BFINAL set
    [InlineData("F248050000 00FFFFCAC9C90700", "Hello")] // 7.2.3.5: two blocks
    [InlineData("00", "")] // 7.2.3.6
    [InlineData("0200", "")] // 7.2.3.6: an empty block with fixed codes is an empty message too
    public async Task Takes_the_forms_that_the_RFC_shows(string payload, string message)
    {
        await using RawClient client = await OpenAsync();
        CheckingInflater inflater = new();
        byte[] bytes = Bytes(payload);
        // Whole, in two fragments, byte by byte, and with a Ping between.
        foreach (int size in (int[])[bytes.Length, 3, 1])
        {
            await client.SendAsync(Deflated(TextOpcode, bytes, size));
            Assert.Equal(message, await ReadTextAsync(client, inflater));
        }

        await client.SendAsync([Text(bytes.AsMemory(0, 1)) with { Fin = false, ReservedBits = 4 }, Ping("now"), Continuation(bytes.AsMemory(1))]);
        Assert.Equal("Pong 3 B", $"{await client.ReadAsync()}");
        Assert.Equal(message, await ReadTextAsync(client, inflater));
    }

    [Fact]
    public async Task Answers_the_same_message_again_with_a_reference_as_the_RFC_shows()
    {
        await using RawClient client = await OpenAsync();
        CheckingInflater inflater = new();
        await client.SendAsync(Deflated(TextOpcode, Bytes("F248CDC9C90700"), 7));
        ServerFrame first = (await client.ReadAsync())!;
        Assert.Equal("Hello"u8, inflater.Inflate(first.Payload.Span));

        // 7.2.3.2: it refers to the message before, in the client's window and in the server's.
        await client.SendAsync(Deflated(TextOpcode, Bytes("F200110000"), 5));
        ServerFrame second = (await client.ReadAsync())!;
        Assert.True(second.Rsv1 && second.Payload.Length < first.Payload.Length, $"{second.Payload.Length} bytes, not fewer than {first.Payload.Length}");
        Assert.Equal("Hello"u8, inflater.Inflate(second.Payload.Span));
    }

    [Fact]
    public async Task Takes_a_message_without_RSV1_as_it_is_and_out_of_the_window()
    {
        await using RawClient client = await OpenAsync();
        CheckingInflater inflater = new();
        await client.SendAsync([.. Deflated(TextOpcode, Bytes("F248CDC9C90700"), 7), Text("World"), .. Deflated(TextOpcode, Bytes("F200110000"), 5)]);
        foreach (string message in (string[])["Hello", "World", "Hello"])
            Assert.Equal(message, await ReadTextAsync(client, inflater));
    }

    [Theory]
    [InlineData(ContinuationOpcode, 4)]
    [InlineData(PingOpcode, 4)]
    [InlineData(PongOpcode, 4)]
    [InlineData(CloseOpcode, 4)]
    [InlineData(TextOpcode, 6)]
    [InlineData(BinaryOpcode, 1)]
    public async Task Fails_on_a_reserved_bit_where_the_extension_gives_it_no_meaning(byte opcode, int bits)
    {
        await using RawClient client = await OpenAsync();
        if (opcode == ContinuationOpcode)
            await client.SendAsync(Text("a") with { Fin = false });
        await client.SendAsync(new ClientFrame(opcode, default) { ReservedBits = bits });
        await client.AssertClosedAsync(1002);
    }

    [Theory]
    [InlineData("07")] // a block of the type that there is not
    [InlineData("00FFFFFFFF")] // a stored block with two lengths
    [InlineData("F20011")] // a reference to nothing
    public async Task Fails_on_data_that_is_not_compressed(string payload)
    {
        await using RawClient client = await OpenAsync();
        await client.SendAsync(Deflated(BinaryOpcode, Bytes(payload), 100));
        await client.AssertClosedAsync(1007, "compressed data is invalid");
    }

    [Fact]
    public async Task Fails_on_a_text_that_inflates_to_what_is_no_UTF8()
    {
        using var deflater = new Deflater(contextTakeover: false);
        await using RawClient client = await OpenAsync();
        await client.SendAsync(Deflated(TextOpcode, deflater.Deflate([0x61, 0xC0, 0x80]), 100));
        await client.AssertClosedAsync(1007, "text is not valid UTF-8");
    }

    [Fact]
    public async Task Fails_on_a_message_that_inflates_to_more_than_the_limit()
    {
        using var deflater = new Deflater(contextTakeover: false);
        byte[] tooMuch = deflater.Deflate(new byte[EchoServer.MaxMessageSize + 1]);
        await using RawClient client = await OpenAsync();
        await client.SendAsync(Deflated(BinaryOpcode, tooMuch, 1000));
        await client.AssertClosedAsync(1009);
    }

    [Fact]
    public async Task Ignores_what_follows_a_last_block_in_the_same_message()
    {
        await using RawClient client = await OpenAsync();
        CheckingInflater inflater = new();
        await client.SendAsync(Deflated(TextOpcode, Bytes("F348CDC9C90700 07FFFF"), 100));
        Assert.Equal("Hello", await ReadTextAsync(client, inflater));
        await client.SendAsync(Deflated(TextOpcode, Bytes("F248CDC9C90700"), 7));
        Assert.Equal("Hello", await ReadTextAsync(client, inflater));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public async Task Never_refers_back_further_than_the_client_asked(int windowBits)
    {
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/", $"Sec-WebSocket-Extensions: {Extension}; server_max_window_bits={windowBits}"));
        Assert.Equal(
            [$"{Extension}; server_no_context_takeover; server_max_window_bits={windowBits}"], (await client.ReadAcceptanceAsync())["Sec-WebSocket-Extensions"]);
        client.AcceptsDeflated = true;
        CheckingInflater inflater = new(windowBits, contextTakeover: false);
        foreach (TestData data in (TestData[])[TestData.Json, TestData.Html])
        {
            byte[] message = data.Slice(0, 100_000);
            await client.SendAsync(Binary(message));
            ServerFrame echo = (await client.ReadAsync())!;
            Assert.True(echo.Rsv1);
            Assert.Equal(message, inflater.Inflate(echo.Payload.Span));
        }
    }

    [Fact]
    public async Task Takes_references_beyond_the_window_that_was_agreed_on_for_the_client()
    {
        byte[] half = TestData.Random(10_000), message = [.. half, .. half];
        using var deflater = new Deflater(contextTakeover: false);
        byte[] deflated = deflater.Deflate(message);
        Assert.Throws<InvalidDataException>(() => new CheckingInflater(windowBits: 9).Inflate(deflated));

        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/", $"Sec-WebSocket-Extensions: {Extension}; client_max_window_bits=9"));
        Assert.Equal([$"{Extension}; client_max_window_bits=9"], (await client.ReadAcceptanceAsync())["Sec-WebSocket-Extensions"]);
        client.AcceptsDeflated = true;
        await client.SendAsync(Deflated(BinaryOpcode, deflated, deflated.Length));
        Assert.Equal(message, new CheckingInflater().Inflate((await client.ReadAsync())!.Payload.Span));
    }

    private async Task<RawClient> OpenAsync()
    {
        RawClient client = await server.OpenAsync("/", $"Sec-WebSocket-Extensions: {Extension}");
        client.AcceptsDeflated = true;
        return client;
    }

    private static async Task<string> ReadTextAsync(RawClient client, CheckingInflater inflater)
    {
        ServerFrame? frame = await client.ReadAsync();
        Assert.Equal((TextOpcode, true), (frame?.Opcode, frame?.Rsv1));
        return System.Text.Encoding.UTF8.GetString(inflater.Inflate(frame!.Payload.Span));
    }

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}
