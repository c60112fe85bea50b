using System.Text;
using CsCheck;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.Protocol.ProtocolViolation;
using static WebSocketServerKit.Protocol.ReceivedEvents;

namespace WebSocketServerKit.Protocol;

/// <summary>The receiving side when permessage-deflate was agreed on.</summary>
public sealed class ServerProtocolCompressionTests : IDisposable
{
    private const int MaxMessageSize = 1_000;
    private const int Rsv1 = 4;

    private readonly LeakCheckingPool _pool = new();
    private readonly Zlib _client = new();
    private readonly ServerProtocol _protocol;

    public ServerProtocolCompressionTests() => _protocol = Protocol();

    public void Dispose()
    {
        _protocol.Release();
        _client.Dispose();
        _pool.AssertNothingRented();
    }

    private ServerProtocol Protocol(bool contextTakeover = false)
    {
        ServerProtocol protocol = new(MaxMessageSize, maxFragments: 100, _pool);
        protocol.Agree(new MessageInflater(contextTakeover));
        return protocol;
    }

    private byte[] Compressed(string text) => Compressed(Opcode.Text, Encoding.UTF8.GetBytes(text));

    private byte[] Compressed(Opcode opcode, ReadOnlySpan<byte> message) => Frames.Frame(opcode, _client.Deflate(message), reserved: Rsv1);

    [Fact]
    public void Takes_compressed_and_uncompressed_messages_one_after_the_other() => Assert.Equal(
        [Text("Hello"), Text("Hello"), Binary("bytes"u8), Text("")],
        _protocol.Receive(Frames.Join(Compressed("Hello"), Frames.Text("Hello"), Compressed(Opcode.Binary, "bytes"u8), Compressed(""))));

    [Fact]
    public void Takes_a_compressed_message_wherever_the_input_is_cut()
    {
        byte[] input = Compressed("grüße an alle, an alle");
        for (int cut = 0; cut <= input.Length; cut++)
            Assert.Equal([Text("grüße an alle, an alle")], _protocol.Receive(Frames.Cut(input, cut)));
        Assert.Equal([Text("grüße an alle, an alle")], _protocol.Receive(Frames.CutEverywhere(input)));
    }

    // RFC 7692 6.2: fragments are put together first; only the first one has the bit.
    [Fact]
    public void Takes_fragments_with_control_frames_between()
    {
        byte[] deflated = _client.Deflate("Hello, hello, hello"u8);
        byte[] input = Frames.Join(
            Frames.Frame(Opcode.Text, deflated.AsSpan(0, 3), fin: false, reserved: Rsv1), Frames.Ping("1"),
            Frames.Continuation("", fin: false), Frames.Continuation(deflated.AsSpan(3, 2), fin: false), Frames.Pong("2"),
            Frames.Continuation(deflated.AsSpan(5)));
        Assert.Equal([Ping("1"), Pong("2"), Text("Hello, hello, hello")], _protocol.Receive(input));
        Assert.Equal([Ping("1"), Pong("2"), Text("Hello, hello, hello")], _protocol.Receive(Frames.CutEverywhere(input)));
    }

    [Fact]
    public void A_last_fragment_without_payload_ends_the_message()
    {
        byte[] deflated = _client.Deflate("Hello"u8);
        Assert.Equal(
            [Text("Hello"), Text("Hello")],
            _protocol.Receive(Frames.Join(Frames.Frame(Opcode.Text, deflated, fin: false, reserved: Rsv1), Frames.Continuation(""), Compressed("Hello"))));
    }

    [Fact]
    public void Takes_a_frame_without_payload_for_an_empty_message() =>
        Assert.Equal([Binary([]), Text("next")], _protocol.Receive(Frames.Join(Frames.Frame(Opcode.Binary, [], reserved: Rsv1), Compressed("next"))));

    [Fact]
    public void With_context_takeover_a_message_may_refer_to_earlier_ones_and_uncompressed_ones_do_not_count()
    {
        ServerProtocol protocol = Protocol(contextTakeover: true);
        byte[] first = Frames.Frame(Opcode.Text, [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], reserved: Rsv1);
        byte[] again = Frames.Frame(Opcode.Text, [0xF2, 0x00, 0x11, 0x00, 0x00], reserved: Rsv1);
        Assert.Equal([Text("Hello"), Text("plain"), Text("Hello")], protocol.Receive(first, Frames.Text("plain"), again));
        protocol.Release();
    }

    [Theory]
    [InlineData(Opcode.Ping, Rsv1)]
    [InlineData(Opcode.Pong, Rsv1)]
    [InlineData(Opcode.Close, Rsv1)]
    [InlineData(Opcode.Continuation, Rsv1)]
    [InlineData(Opcode.Text, Rsv1 | 2)]
    [InlineData(Opcode.Text, Rsv1 | 1)]
    [InlineData(Opcode.Binary, 2)]
    [InlineData(Opcode.Binary, 1)]
    internal void Refuses_reserved_bits_elsewhere(Opcode opcode, int reserved)
    {
        byte[] before = opcode == Opcode.Continuation ? Frames.Frame(Opcode.Text, _client.Deflate("a"u8), fin: false, reserved: Rsv1) : [];
        Assert.Equal([Violation(ReservedBitSet)], _protocol.Receive(before, Frames.Frame(opcode, [], reserved: reserved)));
    }

    [Fact]
    public void Refuses_RSV1_when_nothing_was_agreed_on()
    {
        ServerProtocol protocol = new(MaxMessageSize, maxFragments: 100, _pool);
        Assert.Equal([Violation(ReservedBitSet)], protocol.Receive(Compressed("Hello")));
        protocol.Release();
    }

    [Fact]
    public void Refuses_data_that_is_not_compressed() =>
        Assert.Equal([Violation(InvalidCompressedData)], _protocol.Receive(Frames.Frame(Opcode.Binary, "\xFF\xFF\xFF\xFF"u8, reserved: Rsv1)));

    [Fact]
    public void The_limit_counts_what_a_message_inflates_to()
    {
        Assert.Equal([Binary(new byte[MaxMessageSize])], _protocol.Receive(Compressed(Opcode.Binary, new byte[MaxMessageSize])));
        Assert.Equal([Violation(MessageTooBig)], _protocol.Receive(Compressed(Opcode.Binary, new byte[MaxMessageSize + 1])));
    }

    [Fact]
    public void A_bomb_in_fragments_is_refused_as_soon_as_it_is_above_the_limit()
    {
        byte[] bomb = _client.Deflate(new byte[10_000_000]);
        Assert.Empty(_protocol.Receive(Frames.Frame(Opcode.Binary, bomb.AsSpan(0, 1), fin: false, reserved: Rsv1)));
        Assert.Equal([Violation(MessageTooBig)], _protocol.Receive(Frames.Continuation(bomb.AsSpan(1, 100), fin: false)));
        Assert.InRange(_pool.RentedBytes, 1, 8192);
    }

    [Fact]
    public void A_message_that_inflates_to_nothing_is_not_endless()
    {
        // Empty stored blocks.
        byte[] nothing = [.. Enumerable.Repeat<byte[]>([0x00, 0x00, 0x00, 0xFF, 0xFF], MaxMessageSize / 5).SelectMany(block => block)];
        Assert.Empty(_protocol.Receive(Frames.Frame(Opcode.Binary, nothing, fin: false, reserved: Rsv1)));
        Assert.Empty(_protocol.Receive(Frames.Continuation(nothing, fin: false), Frames.Continuation(nothing, fin: false), Frames.Continuation(nothing.AsSpan(0, 24), fin: false)));
        Assert.Equal([Violation(MessageTooBig)], _protocol.Receive(Frames.Continuation([0x00])));
    }

    [Fact]
    public void Incompressible_data_of_the_limits_size_passes()
    {
        byte[] noise = new byte[MaxMessageSize];
        new Random(1).NextBytes(noise);
        byte[] frame = Compressed(Opcode.Binary, noise);
        Assert.InRange(frame.Length, MaxMessageSize + 1, MaxMessageSize + 100);
        Assert.Equal([Binary(noise)], _protocol.Receive(frame));
    }

    [Fact]
    public void UTF_8_is_checked_on_what_a_text_inflates_to()
    {
        Assert.Equal([Binary([0xC3])], _protocol.Receive(Compressed(Opcode.Binary, [0xC3])));
        Assert.Equal([Violation(InvalidUtf8)], _protocol.Receive(Compressed(Opcode.Text, [0xC3])));
    }

    [Fact]
    public void Invalid_UTF_8_is_told_before_the_message_is_complete()
    {
        byte[] deflated = [0x00, 0x03, 0x00, 0xFC, 0xFF, (byte)'a', 0xFF, (byte)'b']; // a stored block
        Assert.Equal([Violation(InvalidUtf8)], _protocol.Receive(Frames.Frame(Opcode.Text, deflated, fin: false, reserved: Rsv1)));
    }

    [Fact]
    public void Gives_everything_back_between_messages()
    {
        _protocol.Receive(Compressed("Hello"));
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Any_messages_come_out_as_they_went_in_however_fragmented_and_cut() =>
        Gen.Select(
            Gen.Bool,
            Gen.Select(Gen.Byte[0, 3].Array[0, MaxMessageSize], Gen.Bool, Gen.Int[0, 1_000].Array[0, 4]).Array[1, 8],
            Gen.Int[0, 2_000].Array[0, 6]).Sample(
            (contextTakeover, messages, cuts) =>
            {
                using var client = new Zlib(contextTakeover);
                ServerProtocol protocol = Protocol(contextTakeover);
                List<byte[]> frames = [];
                foreach ((byte[] message, bool compress, int[] places) in messages)
                {
                    byte[] payload = compress ? client.Deflate(message) : message;
                    byte[][] fragments = Frames.Cut(payload, places.Select(place => place % (payload.Length + 1)));
                    for (int i = 0; i < fragments.Length; i++)
                    {
                        Opcode opcode = i == 0 ? Opcode.Binary : Opcode.Continuation;
                        frames.Add(Frames.Frame(opcode, fragments[i], fin: i == fragments.Length - 1, reserved: compress && i == 0 ? Rsv1 : 0));
                    }
                }

                byte[] input = Frames.Join(frames);
                Assert.Equal(messages.Select(message => Binary(message.Item1)), protocol.Receive(Frames.Cut(input, cuts.Select(cut => cut % (input.Length + 1)))));
                protocol.Release();
            },
            iter: 300);

    [Fact]
    public void Gives_everything_back_when_handlers_were_given_up()
    {
        byte[] deflated = _client.Deflate("Hello"u8);
        ServerProtocol protocol = new(MaxMessageSize, maxFragments: 100, System.Buffers.ArrayPool<byte>.Shared);
        protocol.Agree(new MessageInflater(contextTakeover: true));
        Assert.Equal([Text("Hello")], protocol.Receive(Frames.Frame(Opcode.Text, deflated, reserved: Rsv1)));
        protocol.Abandon();
        Assert.Empty(protocol.Receive(Compressed("Hello")));
    }

    [Fact]
    public void A_message_that_inflates_to_much_is_inflated_in_steps_of_bounded_work()
    {
        const int Size = 1024 * 1024 + 1;
        using ServerProtocolOwner owner = new(new ServerProtocol(Size, maxFragments: 100, _pool));
        byte[] frame = Frames.Frame(Opcode.Text, _client.Deflate(Encoding.ASCII.GetBytes(new string('x', Size))), reserved: Rsv1);
        Memory<byte> rest = Frames.Join(frame, Frames.Ping("behind"));
        int steps = 0;
        ProtocolEvent found;
        while ((found = owner.Protocol.Step(ref rest)) == ProtocolEvent.Unfinished)
        {
            steps++;
            Assert.InRange(_pool.RentedBytes, 0, 2 * (steps + 1) * 256 * 1024);
        }

        // Four inflate it, and one gathers it.
        Assert.Equal((ProtocolEvent.Message, Size, 5), (found, owner.Protocol.Payload.Length, steps));
        owner.Protocol.ReleasePayload();
        Assert.Equal(ProtocolEvent.Ping, owner.Protocol.Step(ref rest));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void In_however_many_pieces_it_comes_it_comes_out_whole(int pieces)
    {
        const int Size = 3 * 1024 * 1024;
        using ServerProtocolOwner owner = new(new ServerProtocol(Size, maxFragments: 100, _pool));
        byte[] frame = Frames.Frame(Opcode.Binary, _client.Deflate(new byte[Size]), reserved: Rsv1);
        List<ReceivedEvent> events = owner.Protocol.Receive([.. frame.Chunk(frame.Length / pieces + 1), Frames.Ping()]);
        Assert.Equal([Binary(new byte[Size]), Ping()], events);
    }

    [Fact]
    public void A_large_message_that_is_compressed_keeps_to_the_limit_and_comes_out_whole_with_another_behind_it()
    {
        const int Size = 5 * 1024 * 1024;
        using ServerProtocolOwner owner = new(new ServerProtocol(Size, maxFragments: 100, _pool));
        byte[] frame = Frames.Frame(Opcode.Binary, _client.Deflate(new byte[Size]), reserved: Rsv1);
        Assert.Equal([Binary(new byte[Size]), Binary(new byte[Size])], owner.Protocol.Receive([.. frame.Chunk(3_000), .. frame.Chunk(100)]));
        Assert.Equal((0, 0L), (owner.Protocol.HeldBytes, owner.Protocol.LargeBytes));
        Assert.Equal(2 * Size, owner.Protocol.InflatedBytes);
        Assert.Equal([Violation(MessageTooBig)], owner.Protocol.Receive(Frames.Frame(Opcode.Binary, _client.Deflate(new byte[Size + 1]), reserved: Rsv1)));
    }

    [Fact]
    public void The_byte_too_many_is_found_in_a_later_step_too()
    {
        const int Size = 1024 * 1024;
        using ServerProtocolOwner owner = new(new ServerProtocol(Size - 1, maxFragments: 100, _pool));
        Assert.Equal(
            [Violation(MessageTooBig)],
            owner.Protocol.Receive(Frames.Frame(Opcode.Binary, _client.Deflate(new byte[Size]), reserved: Rsv1)));
    }

    private sealed class ServerProtocolOwner : IDisposable
    {
        public ServerProtocolOwner(ServerProtocol protocol)
        {
            Protocol = protocol;
            protocol.Agree(new MessageInflater(contextTakeover: false));
        }

        public ServerProtocol Protocol { get; }

        public void Dispose() => Protocol.Release();
    }
}
