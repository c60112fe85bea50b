using System.Text;
using CsCheck;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.Protocol.ProtocolViolation;

namespace WebSocketServerKit.Protocol;

/// <summary>Messages that are handed on in parts.</summary>
public sealed class ServerProtocolSplitTests : IDisposable
{
    private const int Rsv1 = 4;
    private const int MiB = 1024 * 1024;

    private readonly LeakCheckingPool _pool = new();
    private readonly Zlib _client = new();
    private readonly List<ServerProtocol> _protocols = [];

    public void Dispose()
    {
        _protocols.ForEach(protocol => protocol.Release());
        _client.Dispose();
        _pool.AssertNothingRented();
    }

    private ServerProtocol Protocol(long from, long maxSize = 1_000_000_000, int maxMessageSize = MiB)
    {
        ServerProtocol protocol = new(maxMessageSize, maxFragments: 1000, _pool);
        protocol.Split(from, maxSize);
        protocol.Agree(new MessageInflater(contextTakeover: false));
        _protocols.Add(protocol);
        return protocol;
    }

    // What comes out: parts are put together, and counted.
    private static (List<string> Events, int Parts) Receive(ServerProtocol protocol, params IEnumerable<byte[]> inputs)
    {
        List<string> events = [];
        List<byte> message = [];
        int parts = 0;
        foreach (byte[] bytes in inputs)
        {
            byte[] input = [.. bytes];
            Memory<byte> rest = input;
            for (ProtocolEvent found = protocol.Step(ref rest); found != ProtocolEvent.None; found = protocol.Step(ref rest))
            {
                Assert.Equal(found == ProtocolEvent.Unfinished, found == ProtocolEvent.Unfinished && protocol.HasMore);
                if (found == ProtocolEvent.Unfinished)
                    continue;
                if (found is ProtocolEvent.Part or ProtocolEvent.LastPart)
                {
                    parts++;
                    message.AddRange(protocol.Payload.Span);
                    Assert.True(found == ProtocolEvent.LastPart || !protocol.Payload.IsEmpty);
                }

                if (found == ProtocolEvent.LastPart)
                {
                    events.Add($"{protocol.MessageType} in parts: {Convert.ToHexString(message.ToArray())}");
                    message.Clear();
                }
                else if (found == ProtocolEvent.Violation)
                {
                    events.Add($"{protocol.Violation} after {message.Count}");
                }
                else if (found != ProtocolEvent.Part)
                {
                    events.Add($"{found} {(found == ProtocolEvent.Message ? protocol.MessageType : "")}: {Convert.ToHexString(protocol.Payload.Span)}");
                }

                protocol.ReleasePayload();
            }

            input.AsSpan().Fill(0xEE);
        }

        return (events, parts);
    }

    private static string InParts(string type, ReadOnlySpan<byte> payload) => $"{type} in parts: {Convert.ToHexString(payload)}";

    private static string Whole(string type, ReadOnlySpan<byte> payload) => $"Message {type}: {Convert.ToHexString(payload)}";

    [Fact]
    public void From_its_size_on_a_message_is_handed_on_in_parts_uncopied_as_it_comes()
    {
        ServerProtocol protocol = Protocol(from: 4);
        byte[] frame = Frames.Binary("abcdef"u8);
        byte[] first = frame[..8];
        Memory<byte> rest = first;
        Assert.Equal(ProtocolEvent.Part, protocol.Step(ref rest));
        Assert.True(protocol.Payload.Span.Overlaps(first));
        Assert.Equal("ab"u8, protocol.Payload.Span);
        Assert.True(protocol.IsInFrame);
        protocol.ReleasePayload();
        Assert.Equal(ProtocolEvent.None, protocol.Step(ref rest));

        rest = frame.AsMemory(8);
        Assert.Equal(ProtocolEvent.LastPart, protocol.Step(ref rest));
        Assert.Equal("cdef"u8, protocol.Payload.Span);
        Assert.False(protocol.IsInFrame);
        protocol.ReleasePayload();
        Assert.Equal(0, _pool.Rents);
        Assert.Equal([Whole("Binary", "abc"u8), InParts("Text", "abcd"u8), Whole("Text", ""u8)], Receive(protocol, Frames.Binary("abc"u8), Frames.Text("abcd"), Frames.Text("")).Events);
    }

    [Fact]
    public void From_zero_on_all_messages_are_even_the_empty_ones()
    {
        byte[] all = Frames.Join(Frames.Text(""), Frames.Binary("a"u8), Frames.Text("", fin: false), Frames.Ping("p"), Frames.Continuation("", fin: false), Frames.Continuation(""));
        List<string> expected = [InParts("Text", ""u8), InParts("Binary", "a"u8), "Ping : 70", InParts("Text", ""u8)];
        Assert.Equal(expected, Receive(Protocol(from: 0), all).Events);
        Assert.Equal(expected, Receive(Protocol(from: 0), Frames.CutEverywhere(all)).Events);
    }

    [Fact]
    public void What_was_gathered_before_a_message_became_that_large_is_the_first_part()
    {
        byte[][] frames = [Frames.Text("abc", fin: false), Frames.Ping("p"), Frames.Continuation("d", fin: false), Frames.Continuation("", fin: false), Frames.Continuation("efg")];
        (List<string> events, int parts) = Receive(Protocol(from: 5), frames);
        Assert.Equal(["Ping : 70", InParts("Text", "abcdefg"u8)], events);
        Assert.Equal(2, parts);
        Assert.Equal(events, Receive(Protocol(from: 5), Frames.CutEverywhere(Frames.Join(frames))).Events);
        Assert.Equal(["Ping : 70", Whole("Text", "abcdefg"u8)], Receive(Protocol(from: 8), frames).Events);
    }

    [Fact]
    public void What_was_gathered_of_a_large_message_comes_in_parts_too()
    {
        byte[] payload = new byte[5 * MiB];
        new Random(1).NextBytes(payload);
        byte[][] frames = [Frames.Binary(payload.AsSpan(0, 3 * MiB), fin: false), Frames.Ping("p"), Frames.Continuation(payload.AsSpan(3 * MiB))];
        ServerProtocol protocol = Protocol(from: 4 * MiB, maxMessageSize: 4 * MiB);
        (List<string> events, int parts) = Receive(protocol, frames);
        Assert.Equal(["Ping : 70", InParts("Binary", payload)], events);
        Assert.Equal(3 * 16 + 1, parts);
        Assert.Equal((0, 0L), (protocol.HeldBytes, protocol.LargeBytes));
    }

    [Theory]
    [InlineData(0, 3)]
    [InlineData(1, 1)]
    [InlineData(300_000, 5)]
    [InlineData(3 * MiB, 2)]
    [InlineData(5 * MiB, 1)]
    public void A_compressed_message_is_split_by_its_decompressed_size(int from, int inputs)
    {
        byte[] payload = new byte[5 * MiB];
        byte[] frame = Frames.Frame(Opcode.Text, _client.Deflate(payload), reserved: Rsv1);
        ServerProtocol protocol = Protocol(from, maxMessageSize: 6 * MiB);
        (List<string> events, int parts) = Receive(protocol, [.. frame.Chunk(frame.Length / inputs + 1), Frames.Ping()]);
        Assert.Equal([InParts("Text", payload), "Ping : "], events);
        Assert.InRange(parts, 2, 200);
        Assert.Equal((0, 0L), (protocol.HeldBytes, protocol.LargeBytes));
        Assert.Equal([Whole("Text", payload)], Receive(Protocol(5 * MiB + 1, maxMessageSize: 6 * MiB), frame).Events);
    }

    [Fact]
    public void A_compressed_message_may_have_fragments_and_be_empty()
    {
        byte[] deflated = _client.Deflate("Hello, hello, hello"u8);
        byte[][] frames = [
            Frames.Frame(Opcode.Text, deflated.AsSpan(0, 3), fin: false, reserved: Rsv1), Frames.Ping("1"), Frames.Continuation("", fin: false),
            Frames.Continuation(deflated.AsSpan(3)), Frames.Frame(Opcode.Binary, [], reserved: Rsv1), Frames.Frame(Opcode.Binary, [0], reserved: Rsv1)];
        foreach (byte[][] inputs in (byte[][][])[frames, Frames.CutEverywhere(Frames.Join(frames))])
            Assert.Equal(["Ping : 31", InParts("Text", "Hello, hello, hello"u8), InParts("Binary", []), InParts("Binary", [])], Receive(Protocol(from: 0), inputs).Events);
    }

    [Fact]
    public void A_message_above_the_limit_is_refused_by_its_header_or_where_it_becomes_too_large()
    {
        Assert.Equal([$"{MessageTooBig} after 0"], Receive(Protocol(from: 5, maxSize: 10), Frames.Frame(Opcode.Binary, [], declared: 11)).Events);
        Assert.Equal([$"{MessageTooBig} after 0"], Receive(Protocol(from: 0, maxSize: long.MaxValue), Frames.Frame(Opcode.Binary, [], declared: long.MaxValue)).Events);
        Assert.Equal([$"{MessageTooBig} after 6"], Receive(Protocol(from: 5, maxSize: 10), Frames.Binary("abcdef"u8, fin: false), Frames.Continuation("abcde")).Events);
        Assert.Equal([InParts("Binary", "abcdefghij"u8)], Receive(Protocol(from: 5, maxSize: 10), Frames.Binary("abcdef"u8, fin: false), Frames.Continuation("ghij")).Events);
        // Too large to be handed on, whole or in parts.
        Assert.Equal([Whole("Binary", "abcde"u8), $"{MessageTooBig} after 0"], Receive(Protocol(from: 6, maxSize: 3), Frames.Binary("abcde"u8), Frames.Binary("abcdef"u8)).Events);
    }

    [Theory]
    [InlineData(0, 3 * MiB)]
    [InlineData(2 * MiB, 3 * MiB)]
    [InlineData(2 * MiB, MiB)]
    public void A_compressed_message_above_the_limit_is_refused_where_it_becomes_too_large(int from, int maxSize)
    {
        byte[] frame = Frames.Frame(Opcode.Binary, _client.Deflate(new byte[3 * MiB + 1]), reserved: Rsv1);
        Assert.StartsWith($"{MessageTooBig} ", Assert.Single(Receive(Protocol(from, maxSize, maxMessageSize: 2 * MiB), frame).Events), StringComparison.Ordinal);
    }

    [Fact]
    public void Above_the_size_of_a_whole_message_all_are_handed_on_in_parts()
    {
        ServerProtocol protocol = Protocol(from: 1_000_000, maxMessageSize: 5);
        Assert.Equal([Whole("Binary", "abcde"u8), InParts("Binary", "abcdef"u8)], Receive(protocol, Frames.Binary("abcde"u8), Frames.Binary("abcdef"u8)).Events);
    }

    [Fact]
    public void The_first_bad_byte_of_a_text_ends_it_after_the_parts_before()
    {
        Assert.Equal([$"{InvalidUtf8} after 2"], Receive(Protocol(from: 0), Frames.Text("ab", fin: false), Frames.Continuation([0xFF])).Events);
        Assert.Equal([$"{InvalidUtf8} after 0"], Receive(Protocol(from: 0), Frames.Text([0x61, 0xE2, 0x82])).Events);
        byte[] euro = "€"u8.ToArray();
        Assert.Equal([InParts("Text", euro)], Receive(Protocol(from: 0), Frames.CutEverywhere(Frames.Text(euro))).Events);
        Assert.Equal([$"{InvalidUtf8} after 0"], Receive(Protocol(from: 0), Frames.Frame(Opcode.Text, _client.Deflate([0xFF]), reserved: Rsv1)).Events);
    }

    [Fact]
    public void Messages_that_are_discarded_have_no_more_parts()
    {
        ServerProtocol protocol = Protocol(from: 0);
        Assert.Equal(1, Receive(protocol, Frames.Binary("abc"u8, fin: false)).Parts);
        protocol.DiscardMessages();
        Assert.Equal(["Ping : 70"], Receive(protocol, Frames.Continuation("def"), Frames.Ping("p"), Frames.Binary("x"u8)).Events);

        // While what was gathered is being handed on.
        protocol = Protocol(from: 3 * MiB, maxMessageSize: 3 * MiB);
        Memory<byte> rest = Frames.Join(Frames.Binary(new byte[2 * MiB], fin: false), Frames.Continuation(new byte[2 * MiB]));
        Assert.Equal(ProtocolEvent.Part, protocol.Step(ref rest));
        protocol.ReleasePayload();
        protocol.DiscardMessages();
        Assert.Equal((0, 0L, false), (protocol.HeldBytes, protocol.LargeBytes, protocol.HasMore));
        Assert.Equal(ProtocolEvent.None, protocol.Step(ref rest));
    }

    [Fact]
    public void Any_message_comes_out_whole_however_it_is_fragmented_compressed_and_cut() =>
        Gen.Select(Gen.Int[0, 40], Gen.Byte.Array[0, 60], Gen.Int[0, 60].Array[0, 4], Gen.Int[0, 200].Array[0, 6], Gen.Bool).Sample(
            (from, payload, fragments, cuts, compressed) =>
            {
                using Zlib client = new();
                byte[] wire = compressed ? client.Deflate(payload) : payload;
                byte[][] pieces = Frames.Cut(wire, fragments.Select(place => place % (wire.Length + 1)));
                byte[] input = Frames.Join(pieces.SelectMany((piece, i) => (byte[][])
                    [Frames.Ping($"{i}"), Frames.Frame(i == 0 ? Opcode.Binary : Opcode.Continuation, piece, fin: i == pieces.Length - 1, reserved: i == 0 && compressed ? Rsv1 : 0)]));
                ServerProtocol protocol = new(maxMessageSize: 50, maxFragments: 100, _pool);
                protocol.Split(from, 100);
                protocol.Agree(new MessageInflater(contextTakeover: false));
                List<string> events = Receive(protocol, Frames.Cut(input, cuts.Select(place => place % (input.Length + 1)))).Events;
                protocol.Release();
                Assert.Equal(
                    [.. Enumerable.Range(0, pieces.Length).Select(i => $"Ping : {Convert.ToHexString(Encoding.ASCII.GetBytes($"{i}"))}"), payload.Length >= from ? InParts("Binary", payload) : Whole("Binary", payload)],
                    events);
            },
            iter: 2_000,
            threads: 1);
}
