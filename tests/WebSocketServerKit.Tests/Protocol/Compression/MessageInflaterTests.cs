using System.Text;
using CsCheck;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Protocol.Compression;

public sealed class MessageInflaterTests
{
    // RFC 7692 7.2.3: "Hello" in one block, with BFINAL set, not compressed, and in two blocks.
    private static readonly byte[] Hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    private static readonly byte[] HelloAgain = [0xF2, 0x00, 0x11, 0x00, 0x00];
    private static readonly byte[] FinalHello = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    private static readonly byte[] StoredHello = [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00];
    private static readonly byte[] HelloInTwoBlocks = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00];

    private readonly LeakCheckingPool _pool = new();

    private (ProtocolViolation Violation, byte[] Message) Inflate(MessageInflater inflater, IEnumerable<byte[]> pieces, int maxSize = 100_000)
    {
        var message = new PooledBuffer(_pool);
        try
        {
            foreach (byte[] piece in pieces)
            {
                ProtocolViolation violation = inflater.Inflate(piece, ref message, maxSize);
                Assert.InRange(message.Length, 0, maxSize);
                if (violation != ProtocolViolation.None)
                    return (violation, message.Written.ToArray());
            }

            return (inflater.End(ref message, maxSize), message.Written.ToArray());
        }
        finally
        {
            Assert.InRange(message.Length, 0, maxSize);
            message.Release();
        }
    }

    private string Text(MessageInflater inflater, params byte[][] pieces)
    {
        (ProtocolViolation violation, byte[] message) = Inflate(inflater, pieces);
        Assert.Equal(ProtocolViolation.None, violation);
        return Encoding.UTF8.GetString(message);
    }

    [Fact]
    public void Inflates_the_examples_of_the_RFC()
    {
        using var inflater = new MessageInflater(contextTakeover: true);
        Assert.Equal("Hello", Text(inflater, Hello));
        Assert.Equal("Hello", Text(inflater, HelloAgain));
        Assert.Equal("Hello", Text(inflater, StoredHello));
        Assert.Equal("Hello", Text(inflater, HelloInTwoBlocks));
        Assert.Equal("Hello", Text(inflater, [0xF2, 0x48, 0xCD], [0xC9, 0xC9, 0x07, 0x00]));
        Assert.Equal("", Text(inflater, [0x00]));
        Assert.Equal("Hello", Text(inflater, FinalHello));
        Assert.Equal("Hello", Text(inflater, Hello));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_last_block_with_BFINAL_ends_the_message_and_the_next_one_begins_anew(bool contextTakeover)
    {
        using var inflater = new MessageInflater(contextTakeover);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal("Hello", Text(inflater, FinalHello));
            Assert.Equal("Hello", Text(inflater, FinalHello[..^1])); // without the octet that begins an empty block
            Assert.Equal("Hello", Text(inflater, [.. FinalHello.Select(octet => new[] { octet })]));
            Assert.Equal("Hello", Text(inflater, FinalHello, "what follows is not looked at"u8.ToArray()));
            Assert.Equal("Hello", Text(inflater, Hello));
        }
    }

    [Fact]
    public void A_last_block_that_only_the_tail_completes_does_not_swallow_the_next_message()
    {
        using var inflater = new MessageInflater(contextTakeover: true);
        // An empty stored block with BFINAL set: its length is what the tail has.
        Assert.Equal("", Text(inflater, [0x01]));
        Assert.Equal("Hello", Text(inflater, Hello));
    }

    [Fact]
    public void Without_context_takeover_a_reference_to_an_earlier_message_is_invalid()
    {
        using var inflater = new MessageInflater(contextTakeover: false);
        Assert.Equal("Hello", Text(inflater, Hello));
        Assert.Equal(ProtocolViolation.InvalidCompressedData, Inflate(inflater, [HelloAgain]).Violation);
    }

    [Theory]
    [InlineData("FFFFFFFF")]   // a block of the reserved type
    [InlineData("00FFFFFFFF")] // a stored block whose length does not match its complement
    [InlineData("F20011")]     // refers back to nothing
    public void Invalid_data_is_told(string hex)
    {
        using var inflater = new MessageInflater(contextTakeover: true);
        Assert.Equal(ProtocolViolation.InvalidCompressedData, Inflate(inflater, [Convert.FromHexString(hex), new byte[100]]).Violation);
    }

    [Fact]
    public void A_message_may_be_as_large_as_the_limit_and_not_one_byte_larger()
    {
        using var inflater = new MessageInflater(contextTakeover: false);
        byte[] compressed = new Zlib().Deflate(new byte[10_000]);
        Assert.Equal((ProtocolViolation.None, 10_000), Length(Inflate(inflater, [compressed], maxSize: 10_000)));
        Assert.Equal((ProtocolViolation.MessageTooBig, 9_999), Length(Inflate(inflater, [compressed], maxSize: 9_999)));
    }

    [Fact]
    public void A_bomb_costs_no_more_memory_than_the_limit()
    {
        using var inflater = new MessageInflater(contextTakeover: false);
        byte[] bomb = new Zlib().Deflate(new byte[50_000_000]);
        Assert.InRange(bomb.Length, 1, 50_000_000 / 900);
        _pool.LargestRent = 65_536;
        Assert.Equal((ProtocolViolation.MessageTooBig, 65_536), Length(Inflate(inflater, [bomb], maxSize: 65_536)));
    }

    [Fact]
    public void Any_messages_come_out_as_they_went_in_however_cut() =>
        Gen.Select(
            Gen.Bool,
            Gen.Select(Gen.Frequency((4, Gen.Byte[0, 3].Array[0, 600]), (1, Gen.Byte.Array[0, 9_000])), Gen.Int[0, 1_000].Array[0, 5]).Array[1, 6]).Sample(
            (contextTakeover, messages) =>
            {
                using var client = new Zlib(contextTakeover);
                using var inflater = new MessageInflater(contextTakeover);
                foreach ((byte[] message, int[] places) in messages)
                {
                    byte[] compressed = client.Deflate(message);
                    byte[][] pieces = Frames.Cut(compressed, places.Select(place => place % (compressed.Length + 1)));
                    (ProtocolViolation violation, byte[] inflated) = Inflate(inflater, pieces.Where(piece => piece.Length > 0));
                    Assert.Equal(ProtocolViolation.None, violation);
                    Assert.Equal(message, inflated);
                }
            },
            iter: 300);

    [Fact]
    public void Any_bytes_end_in_a_message_within_the_limit_or_in_a_violation() =>
        Gen.Select(Gen.Bool, Gen.Byte.Array[1, 200].Array[1, 5]).Sample(
            (contextTakeover, pieces) =>
            {
                using var inflater = new MessageInflater(contextTakeover);
                (ProtocolViolation violation, _) = Inflate(inflater, pieces, maxSize: 1_000);
                Assert.True(violation is ProtocolViolation.None or ProtocolViolation.InvalidCompressedData or ProtocolViolation.MessageTooBig);
            },
            iter: 3_000);

    private static (ProtocolViolation Violation, int Length) Length((ProtocolViolation Violation, byte[] Message) result) => (result.Violation, result.Message.Length);
}
