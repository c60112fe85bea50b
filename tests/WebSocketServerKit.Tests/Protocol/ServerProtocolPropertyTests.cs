using System.Text;
using CsCheck;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.Protocol.ProtocolViolation;

namespace WebSocketServerKit.Protocol;

/// <summary>What holds for all inputs. A failure prints the smallest input found and a seed to run it again with.</summary>
public sealed class ServerProtocolPropertyTests
{
    private const int MaxMessageSize = 300;
    private const int MaxFragments = 6;

    private static readonly Gen<byte[]> Keys = Gen.Byte.Array[4];
    private static readonly Gen<int[]> Places = Gen.Int[0, 2_000].Array[0, 6];

    // A control frame and its event.
    private static readonly Gen<(byte[] Frame, ReceivedEvent Event)> Controls =
        Gen.Select(Gen.OneOf(Opcode.Ping, Opcode.Pong), Gen.Byte.Array[0, 125], Keys,
            (opcode, payload, key) => (Frames.Frame(opcode, payload, key: key), ReceivedEvents.Message(opcode, payload)));

    private static readonly Gen<byte[]> Texts = Gen.String[0, 60].Select(text => Encoding.UTF8.GetBytes(text));

    private static readonly Gen<byte[]> AsciiTexts = Gen.Char[' ', '~'].Array[0, 130].Select(text => Encoding.ASCII.GetBytes(text));

    // A message in up to MaxFragments frames, each with control frames before it; and all the events.
    private static readonly Gen<(byte[] Frames, ReceivedEvent[] Events)> Messages =
        from opcode in Gen.OneOf(Opcode.Text, Opcode.Binary)
        from payload in opcode == Opcode.Text ? Texts : Gen.Byte.Array[0, MaxMessageSize]
        from cuts in Gen.Int[0, payload.Length].Array[0, MaxFragments - 1]
        from fragments in Gen.Select(Keys, Controls.Array[0, 2]).Array[cuts.Length + 1]
        select Compose(opcode, Frames.Cut(payload, cuts), fragments);

    // A frame that is often wrong in one way, and sometimes in several.
    private static readonly Gen<byte[]> DoubtfulFrames =
        from opcode in Gen.Frequency((9, Gen.OneOf(0, 0, 0, 1, 1, 2, 8, 9, 10)), (1, Gen.Int[0, 15]))
        from fin in Gen.Frequency((opcode >= 8 ? 30 : 2, Gen.Const(true)), (1, Gen.Const(false)))
        from reserved in Gen.Frequency((30, Gen.Const(0)), (1, Gen.Int[1, 7]))
        from masked in Gen.Frequency((30, Gen.Const(true)), (1, Gen.Const(false)))
        from payload in Gen.Frequency((3, AsciiTexts), (1, Gen.Byte.Array[0, 130]))
        from declared in Gen.Frequency((30, Gen.Const(payload.Length).Select(n => (ulong)n)), (1, Gen.ULong))
        from key in Keys
        select Frames.Frame((Opcode)opcode, payload, fin, reserved, key, masked, declared);

    private static readonly Gen<byte[]> DoubtfulInputs = Gen.Frequency(
        (4, DoubtfulFrames.Array[0, 8].Select(frames => Frames.Join(frames))),
        (1, Gen.Byte.Array[0, 60]));

    [Fact]
    public void Any_messages_come_out_as_they_went_in_however_fragmented_mixed_with_control_frames_and_cut() =>
        Gen.Select(Messages.Array[0, 5], Places).Sample(
            (messages, places) =>
            {
                byte[] input = Frames.Join(messages.Select(message => message.Frames));
                Assert.Equal(messages.SelectMany(message => message.Events), Receive(Cut(input, places)));
            },
            iter: 2_000);

    [Fact]
    public void Any_bytes_give_the_same_events_however_they_are_cut_and_at_most_one_that_is_the_last() =>
        Gen.Select(DoubtfulInputs, Places).Sample(
            (input, places) =>
            {
                List<ReceivedEvent> events = Receive(input);
                Assert.Equal(events, Receive(Cut(input, places)));
                Assert.Equal(events, Receive(Frames.CutEverywhere(input)));
            },
            iter: 3_000);

    // Without this the property above could hold because every input breaks a rule with its first byte.
    [Fact]
    public void The_doubtful_inputs_are_neither_all_wrong_nor_all_right()
    {
        HashSet<string> kinds = [];
        PCG random = new(1, 1);
        for (int input = 0; input < 3_000; input++)
            foreach (ReceivedEvent received in Receive(DoubtfulInputs.Generate(random, null!, out _)))
                kinds.Add(received.Line.Split(' ') is ["Violation", var rule] ? rule : received.Kind);
        Assert.Superset(
            new HashSet<string>(StringComparer.Ordinal)
            {
                "Text", "Binary", "Ping", "Pong", nameof(ReservedBitSet), nameof(UnknownOpcode),
                nameof(NotMasked), nameof(ControlFrameFragmented), nameof(ControlFrameTooLong),
                nameof(NothingToContinue), nameof(MessageInterrupted), nameof(MessageTooBig),
                nameof(InvalidUtf8), nameof(InvalidCloseCode),
            },
            kinds);
    }

    private static (byte[] Frames, ReceivedEvent[] Events) Compose(
        Opcode opcode, byte[][] pieces, (byte[] Key, (byte[] Frame, ReceivedEvent Event)[] Controls)[] fragments)
    {
        List<byte[]> frames = [];
        List<ReceivedEvent> events = [];
        for (int i = 0; i < pieces.Length; i++)
        {
            frames.AddRange(fragments[i].Controls.Select(control => control.Frame));
            events.AddRange(fragments[i].Controls.Select(control => control.Event));
            frames.Add(Frames.Frame(i == 0 ? opcode : Opcode.Continuation, pieces[i], fin: i == pieces.Length - 1, key: fragments[i].Key));
        }

        return (Frames.Join(frames), [.. events, ReceivedEvents.Message(opcode, Frames.Join(pieces))]);
    }

    private static byte[][] Cut(byte[] input, int[] places) => Frames.Cut(input, places.Select(place => place % (input.Length + 1)));

    private static List<ReceivedEvent> Receive(params byte[][] inputs)
    {
        LeakCheckingPool pool = new();
        ServerProtocol protocol = new(MaxMessageSize, MaxFragments, pool);
        List<ReceivedEvent> events = protocol.Receive(inputs);
        protocol.Release();
        pool.AssertNothingRented();
        return events;
    }
}
