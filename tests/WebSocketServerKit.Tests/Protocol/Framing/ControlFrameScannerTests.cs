using System.Text;
using CsCheck;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Protocol.Framing;

public sealed class ControlFrameScannerTests
{
    private static List<string> Found(bool rsv1, params IEnumerable<byte[]> pieces)
    {
        var scanner = new ControlFrameScanner(rsv1);
        List<string> found = [];
        foreach (byte[] piece in pieces)
        {
            ReadOnlySpan<byte> rest = piece;
            for (ProtocolEvent next = scanner.Next(ref rest); next != ProtocolEvent.None; next = scanner.Next(ref rest))
                found.Add($"{next} {Encoding.Latin1.GetString(scanner.Payload.Span)}");
            Assert.True(rest.IsEmpty);
        }

        return found;
    }

    [Fact]
    public void Finds_control_frames_between_messages_and_fragments_and_changes_no_byte()
    {
        byte[] input = Frames.Join(
            Frames.Text("first"), Frames.Ping("1"), Frames.Text("frag", fin: false), Frames.Ping(), Frames.Continuation("ment"), Frames.Pong("2"),
            Frames.Binary(new byte[70_000]), Frames.Ping(new string('x', 125)), Frames.Close(1000, "bye"), Frames.Ping("behind"));
        byte[] copy = [.. input];
        Assert.Equal(["Ping 1", "Ping ", "Pong 2", $"Ping {new string('x', 125)}", "Close \u0003\u00E8bye"], Found(rsv1: false, input));
        Assert.Equal(copy, input);
    }

    [Fact]
    public void Where_the_bytes_are_cut_does_not_matter()
    {
        byte[] input = Frames.Join(Frames.Text("first"), Frames.Ping("1"), Frames.Binary(new byte[300]), Frames.Pong("22"), Frames.Close(4000, "why"));
        List<string> expected = Found(rsv1: false, input);
        Assert.Equal(3, expected.Count);
        Assert.Equal(expected, Found(rsv1: false, Frames.CutEverywhere(input)));
        Gen.Int[0, input.Length].Array[0, 8].Sample(places => Assert.Equal(expected, Found(rsv1: false, Frames.Cut(input, places))), seed: "0000dTxLpcc1");
    }

    [Fact]
    public void A_broken_rule_ends_the_search_for_it_is_answered_in_its_turn() =>
        Assert.Equal(["Ping 1"], Found(rsv1: false, Frames.Join(Frames.Ping("1"), Frames.Frame(Opcode.Text, "x"u8, masked: false), Frames.Ping("2"))));

    [Fact]
    public void So_does_a_Close_frame_that_breaks_a_rule() =>
        Assert.Empty(Found(rsv1: false, Frames.Join(Frames.Frame(Opcode.Close, [3]), Frames.Ping("behind"))));

    [Fact]
    public void A_Close_frame_without_a_code_is_found() => Assert.Equal(["Close "], Found(rsv1: false, Frames.Close()));

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public void A_compressed_message_is_passed_over_where_that_was_agreed_on(bool agreed, int found) =>
        Assert.Equal(found, Found(agreed, Frames.Join(Frames.Frame(Opcode.Text, "xyz"u8, reserved: 4), Frames.Ping())).Count);
}
