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

    // A text is checked when what came of it is inflated. So bad UTF-8 is told first only where the input is cut between it and what else is wrong further on.
    private static bool MayDiffer(ProtocolViolation one, ProtocolViolation other) =>
        (one == ProtocolViolation.InvalidUtf8 && IsOfInflating(other)) || (other == ProtocolViolation.InvalidUtf8 && IsOfInflating(one));

    private static bool IsOfInflating(ProtocolViolation violation) => violation is ProtocolViolation.InvalidCompressedData or ProtocolViolation.MessageTooBig;
}
