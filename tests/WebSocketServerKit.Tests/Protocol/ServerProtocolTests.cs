using System.Net.WebSockets;
using System.Runtime.InteropServices;
using System.Text;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.Protocol.ProtocolViolation;
using static WebSocketServerKit.Protocol.ReceivedEvents;

namespace WebSocketServerKit.Protocol;

public sealed class ServerProtocolTests : IDisposable
{
    private const int MaxMessageSize = 1000;
    private const int MaxFragments = 5;

    private static readonly byte[] OtherKey = [0xA1, 0x00, 0xFF, 0x5B];
    private static readonly byte[] Bytes = [.. Enumerable.Range(0, MaxMessageSize + 1).Select(i => (byte)(i * 13))];

    private readonly LeakCheckingPool _pool = new();
    private readonly ServerProtocol _protocol;

    public ServerProtocolTests() => _protocol = new(MaxMessageSize, MaxFragments, _pool);

    // The rule, input that breaks it, and the event before if there is one.
    public static TheoryData<string, byte[], string> BrokenInputs { get; } = new()
    {
        { nameof(ReservedBitSet), Frames.Frame(Opcode.Text, "a"u8, reserved: 4), "" },
        { nameof(ReservedBitSet), Frames.Join(Frames.Text("a"), Frames.Frame(Opcode.Binary, [], reserved: 1)), Text("a").Line },
        { nameof(UnknownOpcode), Frames.Frame((Opcode)3, "a"u8), "" },
        { nameof(UnknownOpcode), Frames.Join(Frames.Ping(), Frames.Frame((Opcode)0xB, [])), Ping().Line },
        { nameof(NotMasked), Frames.Frame(Opcode.Text, "a"u8, masked: false), "" },
        { nameof(NotMasked), Frames.Frame(Opcode.Close, [], masked: false), "" },
        { nameof(ControlFrameFragmented), Frames.Frame(Opcode.Ping, "a"u8, fin: false), "" },
        { nameof(ControlFrameTooLong), Frames.Frame(Opcode.Pong, new byte[126]), "" },
        { nameof(ControlFrameTooLong), Frames.Frame(Opcode.Close, Frames.ClosePayload(1000, new byte[124])), "" },
        { nameof(LengthNotMinimal), Frames.Frame(Opcode.Text, "a"u8, lengthBytes: 2), "" },
        { nameof(LengthNotMinimal), Frames.Frame(Opcode.Binary, "a"u8, lengthBytes: 8), "" },
        { nameof(LengthTooLarge), Frames.Frame(Opcode.Text, "a"u8, declared: 1UL << 63), "" },
        { nameof(NothingToContinue), Frames.Continuation("a"), "" },
        { nameof(NothingToContinue), Frames.Join(Frames.Text("a"), Frames.Continuation("b", fin: false)), Text("a").Line },
        { nameof(MessageInterrupted), Frames.Join(Frames.Text("a", fin: false), Frames.Text("b")), "" },
        {
            nameof(MessageInterrupted),
            Frames.Join(Frames.Binary([1], fin: false), Frames.Pong("p"), Frames.Binary([2], fin: false)), Pong("p").Line
        },
        {
            nameof(TooManyFragments),
            Frames.Join([Frames.Text("a", fin: false), .. Enumerable.Repeat(Frames.Continuation("b", fin: false), MaxFragments)]), ""
        },
        { nameof(MessageTooBig), Frames.Binary(Bytes), "" },
        { nameof(MessageTooBig), Frames.Join(Frames.Binary(Bytes.AsSpan(1), fin: false), Frames.Continuation("b")), "" },
        { nameof(MessageTooBig), Frames.Frame(Opcode.Text, "a"u8, declared: long.MaxValue), "" },
        { nameof(InvalidUtf8), Frames.Text([0x61, 0xFF, 0x62]), "" },
        { nameof(InvalidUtf8), Frames.Text([0x61, 0xC3]), "" },
        { nameof(InvalidUtf8), Frames.Join(Frames.Text([0xE2, 0x82], fin: false), Frames.Continuation("A", fin: false)), "" },
        {
            nameof(InvalidUtf8),
            Frames.Join(Frames.Text([0xE2, 0x82], fin: false), Frames.Ping(), Frames.Continuation("")), Ping().Line
        },
        { nameof(CloseFrameTooShort), Frames.Frame(Opcode.Close, [3]), "" },
        { nameof(InvalidCloseCode), Frames.Close(1005), "" },
        { nameof(InvalidCloseReason), Frames.Frame(Opcode.Close, Frames.ClosePayload(1000, [0x61, 0xC3])), "" },
    };

    public void Dispose()
    {
        _protocol.Release();
        _pool.AssertNothingRented();
    }

    [Fact]
    public void Tells_a_text_message() =>
        Assert.Equal([Text("Grüße, κόσμε")], _protocol.Receive(Frames.Text("Grüße, κόσμε")));

    [Fact]
    public void Tells_a_binary_message() => Assert.Equal([Binary([0, 0xFF, 0xC3])], _protocol.Receive(Frames.Binary([0, 0xFF, 0xC3])));

    [Fact]
    public void Tells_a_ping_and_a_pong_with_their_payloads() =>
        Assert.Equal([Ping("a"), Pong("bc"), Ping()], _protocol.Receive(Frames.Ping("a"), Frames.Pong("bc"), Frames.Ping()));

    [Fact]
    public void Tells_the_longest_control_frame()
    {
        string longest = new('x', 125);
        Assert.Equal([Ping(longest)], _protocol.Receive(Frames.Ping(longest)));
        Assert.Equal([Ping(longest)], _protocol.Receive(Frames.CutEverywhere(Frames.Ping(longest))));
    }

    [Fact]
    public void Tells_code_and_reason_of_a_close_frame() =>
        Assert.Equal([Close(1001, "schöne Grüße")], _protocol.Receive(Frames.Close(1001, "schöne Grüße")));

    [Fact]
    public void Tells_the_longest_close_frame_cut_everywhere() =>
        Assert.Equal([Close(4999, new('x', 123))], _protocol.Receive(Frames.CutEverywhere(Frames.Close(4999, new('x', 123)))));

    [Fact]
    public void Tells_a_close_frame_without_a_body_as_1005() => Assert.Equal([Close(1005)], _protocol.Receive(Frames.Close()));

    [Fact]
    public void Has_neither_code_nor_violation_before_there_is_one()
    {
        Assert.Equal(("", None), (_protocol.CloseReason, _protocol.Violation));
        Assert.True(_protocol.Payload.IsEmpty);
    }

    [Fact]
    public void Puts_the_fragments_of_a_message_together()
    {
        byte[][] inputs = [Frames.Text("Hel", fin: false), Frames.Continuation("l", fin: false), Frames.Continuation("o")];
        Assert.Equal([Text("Hello")], _protocol.Receive(inputs));
        Assert.Equal([Binary("abcd"u8)], _protocol.Receive(Frames.Join(Frames.Binary("ab"u8, fin: false), Frames.Continuation("cd"))));
    }

    [Fact]
    public void Tells_control_frames_between_fragments_at_once()
    {
        byte[][] inputs = [
            Frames.Text("a", fin: false), Frames.Ping("1"), Frames.Continuation("b", fin: false), Frames.Pong("2"),
            Frames.Continuation("c")];
        Assert.Equal([Ping("1"), Pong("2"), Text("abc")], _protocol.Receive(Frames.Join(inputs)));
        Assert.Equal([Ping("1"), Pong("2"), Text("abc")], _protocol.Receive(inputs));
    }

    [Fact]
    public void A_close_frame_between_fragments_is_the_end() =>
        Assert.Equal([Close(1000)], _protocol.Receive(Frames.Text("a", fin: false), Frames.Close(1000), Frames.Continuation("b")));

    [Fact]
    public void A_character_may_be_spread_over_fragments_with_control_frames_between()
    {
        byte[] euro = Encoding.UTF8.GetBytes("€");
        byte[] input = Frames.Join(
            Frames.Text(euro.AsSpan(0, 1), fin: false), Frames.Ping("€"),
            Frames.Continuation(euro.AsSpan(1, 1), fin: false), Frames.Continuation(euro.AsSpan(2, 1)));
        Assert.Equal([Ping("€"), Text("€")], _protocol.Receive(input));
    }

    [Fact]
    public void Checks_only_text_to_be_UTF8()
    {
        Assert.Equal([Binary([0xFF]), Ping("\0")], _protocol.Receive(Frames.Binary([0xFF]), Frames.Ping("\0")));
        Assert.Equal([Binary([0xC3, 0xC3])], _protocol.Receive(Frames.Binary([0xC3], fin: false), Frames.Continuation([0xC3])));
        Assert.Equal([Message(Opcode.Pong, [0xFF])], _protocol.Receive(Frames.Frame(Opcode.Pong, [0xFF])));
    }

    [Fact]
    public void Tells_the_type_of_each_message_whatever_came_before() => Assert.Equal(
        [Text("a"), Binary("b"u8), Text("c"), Binary("de"u8), Text("f")],
        _protocol.Receive(Frames.Join(
            Frames.Text("a"), Frames.Binary("b"u8), Frames.Text("c"),
            Frames.Binary("d"u8, fin: false), Frames.Continuation("e"), Frames.Text("f"))));

    [Fact]
    public void The_type_of_a_message_outlives_a_ping_inside_it()
    {
        Memory<byte> input = Frames.Join(Frames.Text("a", fin: false), Frames.Ping(), Frames.Continuation("b"));
        Assert.Equal(ProtocolEvent.Ping, _protocol.Step(ref input));
        _protocol.ReleasePayload();
        Assert.Equal(ProtocolEvent.Message, _protocol.Step(ref input));
        Assert.Equal(WebSocketMessageType.Text, _protocol.MessageType);
    }

    [Fact]
    public void Each_frame_may_have_a_key_of_its_own() => Assert.Equal(
        [Text("abcdefgh")],
        _protocol.Receive(Frames.Join(
            Frames.Frame(Opcode.Text, "abc"u8, fin: false), Frames.Frame(Opcode.Continuation, "def"u8, fin: false, key: OtherKey),
            Frames.Frame(Opcode.Continuation, "gh"u8, key: [0, 0, 0, 0]))));

    [Fact]
    public void Empty_messages_are_messages_even_as_the_last_bytes() => Assert.Equal(
        [Text(""), Binary([]), Ping(), Pong(), Text("")],
        _protocol.Receive(Frames.Text(""), Frames.Binary([]), Frames.Ping(), Frames.Pong(), Frames.Text("")));

    [Fact]
    public void Empty_fragments_are_fragments_even_as_the_last_bytes()
    {
        byte[][] allEmpty = [Frames.Text("", fin: false), Frames.Continuation("", fin: false), Frames.Continuation("")];
        Assert.Equal([Text(""), Text("")], _protocol.Receive([.. allEmpty, Frames.Join(allEmpty)]));

        byte[][] lastEmpty = [Frames.Binary("a"u8, fin: false), Frames.Continuation("")];
        Assert.Equal([Binary("a"u8), Binary("a"u8)], _protocol.Receive([.. lastEmpty, Frames.Join(lastEmpty)]));

        byte[][] firstEmpty = [Frames.Text("", fin: false), Frames.Continuation("a")];
        Assert.Equal([Text("a"), Text("a")], _protocol.Receive([.. firstEmpty, Frames.Join(firstEmpty)]));
    }

    [Fact]
    public void An_empty_input_is_no_event() => Assert.Empty(_protocol.Receive([], []));

    [Fact]
    public void Gives_the_same_events_wherever_the_input_is_cut()
    {
        (byte[] input, ReceivedEvent[] events) = Conversation();
        Assert.Equal(events, Received(input));
        Assert.Equal(events, Received(Frames.CutEverywhere(input)));
        for (int cut = 0; cut <= input.Length; cut++)
            Assert.Equal(events, Received(Frames.Cut(input, cut)));
        for (int size = 2; size <= 20; size++)
            Assert.Equal(events, Received([.. input.Chunk(size)]));
    }

    [Fact]
    public void Gives_the_same_message_wherever_a_long_header_is_cut()
    {
        byte[] payload = [.. Enumerable.Range(0, 70_000).Select(i => (byte)(i * 3))];
        byte[] frame = Frames.Join(Frames.Binary(payload), Frames.Ping("x"));
        foreach (int cut in Enumerable.Range(0, 40).Append(65_535).Append(frame.Length - 1))
        {
            ServerProtocol protocol = new(100_000, 1, _pool);
            Assert.Equal([Binary(payload), Ping("x")], protocol.Receive(Frames.Cut(frame, cut)));
            protocol.Release();
        }
    }

    [Fact]
    public void Hands_on_whole_frames_uncopied_and_rents_nothing_for_them()
    {
        byte[] array = Frames.Join(
            Frames.Text("Hello"), Frames.Binary(Bytes.AsSpan(0, 126)), Frames.Ping("ping"), Frames.Pong("pong"), Frames.Close(1000, "bye"));
        Memory<byte> input = array;
        AssertLiesIn(array, 6, "Hello"u8, ProtocolEvent.Message, ref input);
        AssertLiesIn(array, 11 + 8, Bytes.AsSpan(0, 126), ProtocolEvent.Message, ref input);
        AssertLiesIn(array, 145 + 6, "ping"u8, ProtocolEvent.Ping, ref input);
        AssertLiesIn(array, 155 + 6, "pong"u8, ProtocolEvent.Pong, ref input);
        AssertLiesIn(array, 165 + 6, Frames.ClosePayload(1000, "bye"u8), ProtocolEvent.Close, ref input);
        Assert.Equal(0, _pool.Rents);
    }

    [Fact]
    public void Hands_on_a_whole_control_payload_uncopied_when_only_its_header_was_cut()
    {
        byte[][] ping = Frames.Cut(Frames.Ping("Hello"), 6); // exactly behind the header
        Assert.Empty(_protocol.Receive(ping[0]));
        Memory<byte> input = ping[1];
        AssertLiesIn(ping[1], 0, "Hello"u8, ProtocolEvent.Ping, ref input);
    }

    [Theory]
    [InlineData(0x1)]
    [InlineData(0x2)]
    [InlineData(0x9)]
    [InlineData(0xA)]
    public void Gathers_a_cut_payload_in_a_rented_buffer_that_release_gives_back(byte opcode)
    {
        byte[][] inputs = Frames.Cut(Frames.Frame((Opcode)opcode, "Hello"u8), 8);
        Assert.Empty(_protocol.Receive(inputs[0]));
        Memory<byte> input = inputs[1];
        Assert.NotEqual(ProtocolEvent.None, _protocol.Step(ref input));

        // Not in the input, which the reader takes back while handlers of the host still run.
        inputs[1].AsSpan().Clear();
        Assert.Equal("Hello"u8, _protocol.Payload.Span);
        Assert.Equal(1, _pool.Rented);
        _protocol.ReleasePayload();
        Assert.True(_protocol.Payload.IsEmpty);
        Assert.Equal(0, _pool.Rented);
    }

    [Theory]
    [InlineData(0x2)]
    [InlineData(0x9)]
    public void Holds_no_buffer_for_a_cut_header_that_has_become_whole(byte opcode)
    {
        byte[] header = Frames.Frame((Opcode)opcode, [], declared: 10);
        Assert.Empty(_protocol.Receive(header[..^1]));
        Assert.Equal(1, _pool.Rented);
        Assert.Empty(_protocol.Receive(header[^1..]));
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Holds_no_buffer_between_messages_whatever_came()
    {
        (byte[] input, _) = Conversation();
        _protocol.Receive(Frames.CutEverywhere(input));
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void A_ping_between_fragments_leaves_the_beginning_of_the_message_where_it_is()
    {
        byte[][] inputs = [Frames.Text("a", fin: false), Frames.Ping("p"), .. Frames.CutEverywhere(Frames.Ping("q"))];
        Assert.Equal([Ping("p"), Ping("q")], _protocol.Receive(inputs));
        Assert.Equal(1, _pool.Rented);
        Assert.Equal([Text("ab")], _protocol.Receive(Frames.Continuation("b")));
        Assert.Equal(0, _pool.Rented);
    }

    [Theory]
    [InlineData(long.MaxValue, int.MaxValue)]
    [InlineData(int.MaxValue + 1L, int.MaxValue)]
    [InlineData(MaxMessageSize + 1, MaxMessageSize)]
    public void A_declared_length_above_the_limit_is_refused_by_the_header_alone_and_costs_nothing(long declared, int maxMessageSize)
    {
        ServerProtocol protocol = new(maxMessageSize, MaxFragments, _pool);
        Assert.Equal([Violation(MessageTooBig)], protocol.Receive(Frames.Frame(Opcode.Binary, [], declared: (ulong)declared)));
        Assert.Equal(0, _pool.Rents);
        protocol.Release();
    }

    [Fact]
    public void A_declared_length_below_the_limit_costs_nothing_until_the_bytes_come()
    {
        ServerProtocol protocol = new(int.MaxValue, MaxFragments, _pool);
        Assert.Empty(protocol.Receive(Frames.Frame(Opcode.Binary, [], declared: int.MaxValue)));
        Assert.Equal(0, _pool.Rents);
        int received = 0;
        for (int size = 1; size <= 100_000; size += size)
        {
            Assert.Empty(protocol.Receive(new byte[size]));
            received += size;
            Assert.InRange(_pool.RentedBytes, received, Math.Max(256, 2 * received));
        }

        protocol.Release();
    }

    [Fact]
    public void A_message_of_exactly_the_limit_passes_whole_cut_and_fragmented()
    {
        byte[] payload = Bytes[..MaxMessageSize];
        ReceivedEvent message = Binary(payload);
        byte[][] fragments = [
            Frames.Binary(payload.AsSpan(0, 600), fin: false), Frames.Continuation(payload.AsSpan(600), fin: false),
            Frames.Continuation("")];
        Assert.Equal([message], _protocol.Receive(Frames.Binary(payload)));
        Assert.Equal([message], _protocol.Receive(Frames.Cut(Frames.Binary(payload), 500)));
        Assert.Equal([message, message], _protocol.Receive([.. fragments, Frames.Join(fragments)]));
    }

    [Theory]
    [InlineData(MaxMessageSize, 1)]
    [InlineData(1, MaxMessageSize)]
    [InlineData(500, 501)]
    public void Fragments_that_are_together_one_byte_above_the_limit_are_refused_before_the_last_one_is_stored(int first, int second)
    {
        Assert.Empty(_protocol.Receive(Frames.Binary(new byte[first], fin: false)));
        byte[] header = Frames.Frame(Opcode.Continuation, [], declared: (ulong)second);
        Assert.Equal([Violation(MessageTooBig)], _protocol.Receive(header));
    }

    [Fact]
    public void The_limit_is_for_each_message_and_does_not_count_control_frames()
    {
        byte[] full = Bytes[..MaxMessageSize];
        string ping = new('p', 125);
        byte[] input = Frames.Join(
            Frames.Binary(full), Frames.Binary(full.AsSpan(0, 999), fin: false), Frames.Ping(ping), Frames.Continuation(full.AsSpan(999)),
            Frames.Binary(full));
        Assert.Equal([Binary(full), Ping(ping), Binary(full), Binary(full)], _protocol.Receive(input));
    }

    [Fact]
    public void A_limit_of_nothing_lets_empty_messages_pass()
    {
        ServerProtocol protocol = new(maxMessageSize: 0, MaxFragments, _pool);
        Assert.Equal([Text(""), Violation(MessageTooBig)], protocol.Receive(Frames.Text(""), Frames.Text("a")));
        protocol.Release();
    }

    [Fact]
    public void As_many_fragments_as_allowed_pass_again_and_again()
    {
        byte[] message = Frames.Join([
            Frames.Text("a", fin: false), .. Enumerable.Repeat(Frames.Continuation("b", fin: false), MaxFragments - 2),
            Frames.Ping(), Frames.Continuation("c")]);
        Assert.Equal([Ping(), Text("abbbc"), Ping(), Text("abbbc")], _protocol.Receive(message, message));
    }

    [Theory]
    [MemberData(nameof(BrokenInputs))]
    public void Fails_for_a_broken_rule_wherever_the_input_is_cut(string violation, byte[] input, string before)
    {
        IEnumerable<ReceivedEvent> events = Expected(before, violation);
        for (int cut = 0; cut <= input.Length; cut++)
            Assert.Equal(events, Received(Frames.Cut(input, cut)));
        Assert.Equal(events, Received(Frames.CutEverywhere(input)));
    }

    [Fact]
    public void Every_rule_but_that_of_compressed_data_is_broken_by_one_of_these_inputs() => Assert.Equal(
        Enum.GetValues<ProtocolViolation>().Except([None, InvalidCompressedData]),
        BrokenInputs.Select(input => Enum.Parse<ProtocolViolation>(input.Data.Item1)).Distinct());

    [Fact]
    public void Fails_at_the_first_bad_byte_of_a_text_that_is_not_complete()
    {
        byte[] header = Frames.Frame(Opcode.Text, [], declared: 900, key: [0, 0, 0, 0]);
        Assert.Empty(_protocol.Receive(header, "good"u8.ToArray(), [0xE2], [0x82]));
        Assert.Equal([Violation(InvalidUtf8)], _protocol.Receive([0x41]));
    }

    [Theory]
    [MemberData(nameof(BrokenInputs))]
    public void Throws_everything_away_after_a_broken_rule(string violation, byte[] input, string before)
    {
        Assert.Equal(Expected(before, violation), _protocol.Receive([.. input, .. Frames.Text("more"), .. Frames.Close(1000)]));
        Assert.Empty(_protocol.Receive(Frames.Text("more"), Frames.Ping(), Frames.Close(1000), Frames.Frame((Opcode)3, [])));
        Assert.Equal(Enum.Parse<ProtocolViolation>(violation), _protocol.Violation);
    }

    [Fact]
    public void Throws_everything_away_after_a_close_frame()
    {
        byte[] input = Frames.Join(Frames.Close(1000, "bye"), Frames.Text("more"), Frames.Close(1001));
        Assert.Equal([Close(1000, "bye")], _protocol.Receive(input));
        Assert.Empty(_protocol.Receive(Frames.Text("more"), Frames.Frame(Opcode.Text, [], masked: false), Frames.Close(1001, "again")));
        Assert.Equal((CloseCode.NormalClosure, "bye"), (_protocol.CloseCode, _protocol.CloseReason));
        Assert.Equal(None, _protocol.Violation);
    }

    [Fact]
    public void Release_gives_back_everything_in_the_middle_of_all_and_ends_it()
    {
        Assert.Empty(_protocol.Receive(Frames.Text("a", fin: false), Frames.Ping("cut")[..^1]));
        Assert.Equal(2, _pool.Rented);
        _protocol.Release();
        Assert.Equal(0, _pool.Rented);
        _protocol.Release();
        Assert.Empty(_protocol.Receive(Frames.Continuation("b")));
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Release_ends_the_life_of_the_payload()
    {
        Memory<byte> input = Frames.Text("Hello");
        _protocol.Step(ref input);
        _protocol.Release();
        Assert.True(_protocol.Payload.IsEmpty);
    }

    [Fact]
    public void Abandon_leaves_the_payload_to_the_handler_that_still_reads_it()
    {
        LeakCheckingPool pool = new();
        ServerProtocol protocol = new(MaxMessageSize, MaxFragments, pool);
        Memory<byte> input = Frames.Join(Frames.Text("Hel", fin: false), Frames.Continuation("lo"), Frames.Text("more"));
        Assert.Equal(ProtocolEvent.Message, protocol.Step(ref input));
        Memory<byte> payload = protocol.Payload;

        protocol.Abandon();
        protocol.Release();
        Assert.Equal("Hello"u8, payload.Span);
        Assert.Equal(1, pool.Rented);
        Assert.Equal(ProtocolEvent.None, protocol.Step(ref input));
    }

    [Fact]
    public void Abandon_leaves_a_cut_control_frame_as_well()
    {
        LeakCheckingPool pool = new();
        ServerProtocol protocol = new(MaxMessageSize, MaxFragments, pool);
        Assert.Empty(protocol.Receive(Frames.Ping("Hello")[..^1]));
        protocol.Abandon();
        protocol.Release();
        Assert.Equal(1, pool.Rented);
    }

    [Fact]
    public void Steps_through_thousands_of_frames_in_one_input_without_a_copy()
    {
        const int Count = 5_000;
        byte[] frames = Frames.Join(Enumerable.Range(0, Count).Select(i => i % 10 == 0 ? Frames.Ping($"{i}") : Frames.Text($"{i}")));
        IEnumerable<ReceivedEvent> events = Enumerable.Range(0, Count).Select(i => i % 10 == 0 ? Ping($"{i}") : Text($"{i}"));
        Assert.Equal(events, _protocol.Receive(frames));
        Assert.Equal(0, _pool.Rents);
    }

    [Fact]
    public void Takes_thousands_of_empty_fragments_in_one_input_when_allowed()
    {
        ServerProtocol protocol = new(MaxMessageSize, maxFragments: 10_000, _pool);
        byte[] frames = Frames.Join([
            Frames.Text("", fin: false), .. Enumerable.Repeat(Frames.Continuation("", fin: false), 9_998), Frames.Continuation("a")]);
        Assert.Equal([Text("a")], protocol.Receive(frames));
        Assert.InRange(_pool.Rents, 0, 1);
        protocol.Release();
    }

    private static IEnumerable<ReceivedEvent> Expected(string before, string violation) =>
        new[] { before, $"Violation {violation}" }.Where(line => line.Length > 0).Select(line => new ReceivedEvent(line));

    // One of everything that is allowed, and what it means.
    private static (byte[] Input, ReceivedEvent[] Events) Conversation()
    {
        byte[] smiley = Encoding.UTF8.GetBytes("😀");
        byte[] input = Frames.Join(
            Frames.Text("Grüße 😀"), Frames.Text(""), Frames.Binary(Bytes.AsSpan(0, 126)),
            Frames.Ping("ping"), Frames.Ping(), Frames.Pong("pong"),
            Frames.Text(smiley.AsSpan(0, 1), fin: false), Frames.Ping("inside"),
            Frames.Frame(Opcode.Continuation, smiley.AsSpan(1, 2), fin: false, key: OtherKey),
            Frames.Continuation("", fin: false), Frames.Pong(), Frames.Continuation(smiley.AsSpan(3)),
            Frames.Binary([], fin: false), Frames.Continuation(Bytes.AsSpan(0, 200), fin: false), Frames.Continuation(""),
            Frames.Frame(Opcode.Text, "other key"u8, key: OtherKey), Frames.Close(3000, "bye, schöne Grüße"));
        return (input,
            [
                Text("Grüße 😀"), Text(""), Binary(Bytes.AsSpan(0, 126)), Ping("ping"), Ping(), Pong("pong"),
                Ping("inside"), Pong(), Text("😀"), Binary(Bytes.AsSpan(0, 200)), Text("other key"), Close(3000, "bye, schöne Grüße"),
            ]);
    }

    // What a new protocol makes of the inputs; it must give everything back.
    private List<ReceivedEvent> Received(params byte[][] inputs)
    {
        ServerProtocol protocol = new(MaxMessageSize, MaxFragments, _pool);
        List<ReceivedEvent> events = protocol.Receive(inputs);
        protocol.Release();
        Assert.Equal(0, _pool.Rented);
        return events;
    }

    private void AssertLiesIn(byte[] array, int offset, ReadOnlySpan<byte> payload, ProtocolEvent expected, ref Memory<byte> input)
    {
        Assert.Equal(expected, _protocol.Step(ref input));
        Assert.True(MemoryMarshal.TryGetArray(_protocol.Payload, out ArraySegment<byte> lies));
        Assert.Same(array, lies.Array);
        Assert.Equal((offset, payload.Length), (lies.Offset, lies.Count));
        Assert.Equal(payload, _protocol.Payload.Span);
        _protocol.ReleasePayload();
    }

    private const int Large = 5 * 1024 * 1024 + 7;

    private ServerProtocol LargeProtocol() => new(Large, maxFragments: 1000, _pool);

    public static TheoryData<int, int> LargeShapes { get; } = new()
    {
        { Large, 65_536 },
        { Large, 4 * 1024 * 1024 },
        { Large / 3, 65_536 },
        { 200_000, 1_000_000 },
    };

    [Theory]
    [MemberData(nameof(LargeShapes))]
    public void A_large_message_comes_out_whole_and_its_memory_is_never_much_more_than_its_size(int fragment, int input)
    {
        byte[] payload = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, Large / 8 + 1).Select(i => $"{i:D8}")))[..Large];
        byte[][] fragments = [.. payload.Chunk(fragment)];
        byte[] frames = Frames.Join(fragments.Select((piece, i) => Frames.Frame(i == 0 ? Opcode.Text : Opcode.Continuation, piece, fin: i == fragments.Length - 1)));
        ServerProtocol protocol = LargeProtocol();
        int messages = 0;
        for (int round = 0; round < 2; round++)
        {
            foreach (byte[] bytes in frames.Concat(Frames.Ping()).Chunk(input))
            {
                Memory<byte> rest = bytes;
                for (ProtocolEvent found = protocol.Step(ref rest); found != ProtocolEvent.None; found = protocol.Step(ref rest))
                {
                    Assert.InRange(protocol.HeldBytes, 0, 4 * 1024 * 1024);
                    Assert.InRange(protocol.HeldBytes + protocol.LargeBytes, 0, Large + 4 * 1024 * 1024);
                    if (found == ProtocolEvent.Unfinished)
                        continue;
                    if (found == ProtocolEvent.Message)
                    {
                        messages++;
                        Assert.True(protocol.Payload.Span.SequenceEqual(payload));
                        Assert.Equal((0, Large), (protocol.HeldBytes, protocol.LargeBytes));
                    }

                    protocol.ReleasePayload();
                }
            }

            Assert.Equal((0, 0L), (protocol.HeldBytes, protocol.LargeBytes));
        }

        Assert.Equal(2, messages);
        protocol.Release();
    }

    [Fact]
    public void The_first_bad_byte_of_a_large_text_ends_it_and_the_byte_too_many_too()
    {
        ServerProtocol protocol = LargeProtocol();
        Assert.Empty(protocol.Receive(Frames.Text(new byte[3_000_000], fin: false)));
        Assert.Equal([Violation(InvalidUtf8)], protocol.Receive(Frames.Continuation([0xFF], fin: false)));
        protocol.Release();
        Assert.Equal(0, protocol.LargeBytes);

        protocol = LargeProtocol();
        Assert.Empty(protocol.Receive(Frames.Binary(new byte[Large], fin: false)));
        Assert.Equal([Violation(MessageTooBig)], protocol.Receive(Frames.Continuation([0])));
        protocol.Release();
    }

    [Fact]
    public void A_large_message_is_dropped_when_messages_are_discarded_before_its_end_and_while_it_is_gathered()
    {
        ServerProtocol protocol = LargeProtocol();
        Assert.Empty(protocol.Receive(Frames.Binary(new byte[3_000_000], fin: false)));
        Assert.NotEqual(0, protocol.LargeBytes);
        protocol.DiscardMessages();
        Assert.Equal((0, 0L), (protocol.HeldBytes, protocol.LargeBytes));
        Assert.Equal([Ping("p")], protocol.Receive(Frames.Continuation(new byte[10]), Frames.Ping("p")));
        protocol.Release();

        protocol = LargeProtocol();
        Memory<byte> rest = Frames.Binary(new byte[3_000_000], fin: false);
        Assert.Equal(ProtocolEvent.None, protocol.Step(ref rest));
        rest = Frames.Continuation("");
        Assert.Equal(ProtocolEvent.Unfinished, protocol.Step(ref rest));
        protocol.DiscardMessages();
        Assert.Equal((0, 0L), (protocol.HeldBytes, protocol.LargeBytes));
        Assert.Equal([Ping("q")], protocol.Receive(Frames.Ping("q")));
        protocol.Release();
    }

    [Fact]
    public void A_large_payload_that_handlers_may_still_read_is_left_to_them()
    {
        ServerProtocol protocol = LargeProtocol();
        Memory<byte> rest = Frames.Join(Frames.Binary(Enumerable.Repeat((byte)7, 3_000_000).ToArray(), fin: false), Frames.Continuation(""));
        ProtocolEvent found;
        while ((found = protocol.Step(ref rest)) == ProtocolEvent.Unfinished)
        {
        }

        Assert.Equal(ProtocolEvent.Message, found);
        Memory<byte> payload = protocol.Payload;
        protocol.Abandon();
        Assert.Equal(0, protocol.LargeBytes);
        Assert.False(payload.Span.ContainsAnyExcept((byte)7));
    }

    [Fact]
    public void Limits_that_are_set_before_the_first_step_replace_those_of_the_start()
    {
        _protocol.Limit(messageSize: MaxMessageSize + 1, fragments: 1);
        Memory<byte> input = Frames.Binary(Bytes);
        Assert.Equal(ProtocolEvent.Message, _protocol.Step(ref input));
        _protocol.ReleasePayload();
        input = Frames.Join(Frames.Text("a", fin: false), Frames.Continuation("b"));
        Assert.Equal(ProtocolEvent.Violation, _protocol.Step(ref input));
        Assert.Equal(TooManyFragments, _protocol.Violation);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void A_message_that_is_passed_over_is_not_kept_however_it_is_cut(int size)
    {
        _protocol.PassesOverNext = true;
        byte[] input = Frames.Join(
            Frames.Text("gone"), Frames.Text([0xFF]), Frames.Binary([]), Frames.Binary(Bytes.AsSpan(0, 600), fin: false), Frames.Ping("?"), Frames.Continuation("3", fin: false), Frames.Continuation(""));
        foreach (byte[] piece in input.Chunk(size))
        {
            foreach (ReceivedEvent found in _protocol.Receive(piece))
                Assert.True(found.Kind is nameof(ProtocolEvent.PassedOver) || found == Ping("?"), found.Line);
            Assert.InRange(_protocol.HeldBytes, 0, 256); // the smallest buffer, for a header or a control frame
        }

        _protocol.PassesOverNext = false;
        Assert.Equal([Text("kept")], _protocol.Receive(Frames.Text("kept")));
    }

    [Fact]
    public void Whether_a_message_is_passed_over_is_decided_when_it_begins()
    {
        Assert.Empty(_protocol.Receive(Frames.Text("a", fin: false)));
        _protocol.PassesOverNext = true;
        Assert.Equal([Text("ab")], _protocol.Receive(Frames.Continuation("b")));
        Assert.Empty(_protocol.Receive(Frames.Text("c", fin: false)));
        _protocol.PassesOverNext = false;
        Assert.Equal([new ReceivedEvent("PassedOver "), Text("e")], _protocol.Receive(Frames.Join(Frames.Continuation("d"), Frames.Text("e"))));
    }

    [Fact]
    public void A_message_that_is_passed_over_keeps_the_rules_for_frames_and_sizes()
    {
        _protocol.PassesOverNext = true;
        Assert.Equal([Violation(MessageTooBig)], _protocol.Receive(Frames.Binary(Bytes)));
    }

    [Fact]
    public void When_all_is_discarded_nothing_is_told_of_what_is_passed_over()
    {
        _protocol.PassesOverNext = true;
        _protocol.DiscardMessages();
        Assert.Equal([Ping()], _protocol.Receive(Frames.Join(Frames.Text("a"), Frames.Ping())));
    }
}
