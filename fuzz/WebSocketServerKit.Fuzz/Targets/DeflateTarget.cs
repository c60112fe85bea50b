using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>
/// <see cref="ServerProtocol"/> with permessage-deflate agreed on: any bytes give the same events wherever they are cut, and a message that inflates takes no more
/// memory than the limit allows.
/// </summary>
internal static class DeflateTarget
{
    private const int MaxFragments = 4;

    // More of it leads to nothing new, and takes long.
    private const int MaxContent = 512;

    public static IReadOnlyList<FrameEvent> Run(byte[] input)
    {
        InputCuts cuts = new(input);
        if (cuts.Content.Length > MaxContent)
            return [];
        bool contextTakeover = (cuts.Settings & 1) != 0;
        int maxMessageSize = 64 << (cuts.Settings >> 1);
        List<FrameEvent> events = Run(cuts.Content, cuts.Whole(), maxMessageSize, contextTakeover);
        Promise.Holds(AreAlike(events, Run(cuts.Content, cuts.Ends(), maxMessageSize, contextTakeover)), "cuts chosen by the input change nothing");
        Promise.Holds(AreAlike(events, Run(cuts.Content, cuts.EveryByte(), maxMessageSize, contextTakeover)), "a cut behind every byte changes nothing");
        return events;
    }

    private static List<FrameEvent> Run(byte[] content, IEnumerable<int> ends, int maxMessageSize, bool contextTakeover)
    {
        CountingPool pool = new();
        ServerProtocol protocol = new(maxMessageSize, MaxFragments, pool);
        protocol.Agree(new MessageInflater(contextTakeover));
        // A buffer grows by doubling, and there is one for a message and one for a header or a control frame that is cut.
        return FramesTarget.Run(protocol, pool, content, ends, maxMessageSize, _ => 2 * 256 + 2L * maxMessageSize);
    }

    private static bool AreAlike(List<FrameEvent> some, List<FrameEvent> others) =>
        some.Count == others.Count && some.Zip(others).All(pair => pair.First == pair.Second || MayDiffer(pair.First.Violation, pair.Second.Violation));

    // Of several faults in one message the first is told, but a decompressor looks ahead as far as the piece goes: bad data is seen before bad UTF-8, or before
    // the byte too many, that stands in front of it, unless there is a cut between them.
    private static bool MayDiffer(ProtocolViolation one, ProtocolViolation other) => IsOfInflating(one) && IsOfInflating(other);

    private static bool IsOfInflating(ProtocolViolation violation) =>
        violation is ProtocolViolation.InvalidCompressedData or ProtocolViolation.InvalidUtf8 or ProtocolViolation.MessageTooBig;
}
