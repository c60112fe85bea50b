using System.Net.WebSockets;
using System.Text.Unicode;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>What <see cref="ServerProtocol"/> said in one step.</summary>
internal sealed record FrameEvent(
    ProtocolEvent Event, WebSocketMessageType? Type, string Payload, CloseCode CloseCode, string CloseReason, ProtocolViolation Violation);

/// <summary><see cref="ServerProtocol"/>: any bytes give events, at the end of which may stand one violation or one Close, wherever they are cut.</summary>
internal static class FramesTarget
{
    private const int MaxFragments = 4;

    public static IReadOnlyList<FrameEvent> Run(byte[] input)
    {
        InputCuts cuts = new(input);
        int maxMessageSize = 1 << cuts.Settings;
        List<FrameEvent> events = Run(cuts.Content, cuts.Whole(), maxMessageSize);
        Promise.Holds(events.SequenceEqual(Run(cuts.Content, cuts.Ends(), maxMessageSize)), "cuts chosen by the input change nothing");
        Promise.Holds(events.SequenceEqual(Run(cuts.Content, cuts.EveryByte(), maxMessageSize)), "a cut behind every byte changes nothing");
        Promise.Holds(events.SequenceEqual(Run(cuts.Content, cuts.Ends(), maxMessageSize, isSplit: true)), "in parts, messages are the same");
        PassOver(cuts.Content, cuts.Ends(), maxMessageSize, events);
        return events;
    }

    // Messages that are passed over are held to all rules but UTF-8, and nothing of them is kept.
    private static void PassOver(byte[] content, IEnumerable<int> ends, int maxMessageSize, List<FrameEvent> events)
    {
        CountingPool pool = new();
        ServerProtocol protocol = new(maxMessageSize, MaxFragments, pool) { PassesOverNext = true };
        List<FrameEvent> passed = Run(protocol, pool, content, ends, maxMessageSize, _ => 256);
        List<FrameEvent> expected =
        [
            .. events.TakeWhile(e => e.Violation != ProtocolViolation.InvalidUtf8)
                .Select(e => e.Event == ProtocolEvent.Message ? e with { Event = ProtocolEvent.PassedOver, Type = null, Payload = "" } : e),
        ];
        Promise.Holds(passed.Take(expected.Count).SequenceEqual(expected), "of a message that is passed over only its content is not told");
        Promise.Holds(expected.Count < events.Count || passed.Count == events.Count, "passing over adds nothing");
    }

    private static List<FrameEvent> Run(byte[] content, IEnumerable<int> ends, int maxMessageSize, bool isSplit = false)
    {
        CountingPool pool = new();
        ServerProtocol protocol = new(maxMessageSize, MaxFragments, pool);
        if (isSplit)
            protocol.Split(from: 0, maxMessageSize);
        // A buffer grows by doubling, and there is one for a message and one for what is cut.
        return Run(protocol, pool, content, ends, maxMessageSize, came => 2 * 256 + 2L * came);
    }

    /// <summary>Takes a protocol through its whole life.</summary>
    /// <param name="protocol">A new one.</param>
    /// <param name="pool">The pool that it rents from.</param>
    /// <param name="content">What comes.</param>
    /// <param name="ends">Where its pieces end.</param>
    /// <param name="maxMessageSize">The limit of the protocol.</param>
    /// <param name="maxRented">How much may be rented when so many bytes have come.</param>
    public static List<FrameEvent> Run(
        ServerProtocol protocol, CountingPool pool, byte[] content, IEnumerable<int> ends, int maxMessageSize, Func<int, long> maxRented)
    {
        List<FrameEvent> events = [];
        List<byte> parts = [];
        bool ended = false;
        int begin = 0;
        foreach (int end in ends)
        {
            // A copy, as payloads are unmasked where they lie.
            byte[] piece = content[begin..end];
            begin = end;
            Memory<byte> rest = piece;
            while (true)
            {
                int before = rest.Length;
                ProtocolEvent found = protocol.Step(ref rest);
                Promise.Holds(rest.Length <= before, "input is taken from the front");
                Promise.Holds(pool.RentedBytes <= maxRented(end), "memory follows what came, not what was declared");
                if (found == ProtocolEvent.None)
                {
                    Promise.Holds(rest.IsEmpty);
                    break;
                }

                // Where a long message is inflated in steps, these change nothing.
                if (found == ProtocolEvent.Unfinished)
                    continue;

                if (found is ProtocolEvent.Part or ProtocolEvent.LastPart)
                {
                    Promise.Holds(!ended, "nothing follows a violation or a Close");
                    parts.AddRange(protocol.Payload.Span);
                    if (found == ProtocolEvent.LastPart)
                    {
                        // As if it had come whole.
                        byte[] whole = [.. parts];
                        parts.Clear();
                        events.Add(Check(Describe(protocol, ProtocolEvent.Message) with { Payload = Convert.ToHexString(whole) }, whole, maxMessageSize));
                    }

                    protocol.ReleasePayload();
                    continue;
                }

                Promise.Holds(!ended, "nothing follows a violation or a Close");
                ended = found is ProtocolEvent.Violation or ProtocolEvent.Close;
                Promise.Holds(ended || rest.Length < before, "an event takes input");
                events.Add(Check(Describe(protocol, found), protocol.Payload.Span, maxMessageSize));
                protocol.ReleasePayload();
            }
        }

        protocol.Release();
        Promise.Holds(pool.RentedBytes == 0, "all buffers are given back");
        return events;
    }

    private static FrameEvent Describe(ServerProtocol protocol, ProtocolEvent found) => new(
        found,
        found == ProtocolEvent.Message ? protocol.MessageType : null,
        found is ProtocolEvent.Message or ProtocolEvent.Ping or ProtocolEvent.Pong ? Convert.ToHexString(protocol.Payload.Span) : "",
        protocol.CloseCode,
        protocol.CloseReason,
        protocol.Violation);

    private static FrameEvent Check(FrameEvent e, ReadOnlySpan<byte> payload, int maxMessageSize)
    {
        Promise.Holds((e.Violation != ProtocolViolation.None) == (e.Event == ProtocolEvent.Violation), "a violation has a name, and nothing else has one");
        switch (e.Event)
        {
            case ProtocolEvent.Message:
                Promise.Holds(payload.Length <= maxMessageSize);
                Promise.Holds(e.Type != WebSocketMessageType.Text || Utf8.IsValid(payload), "a text is valid UTF-8");
                break;
            case ProtocolEvent.Ping or ProtocolEvent.Pong:
                Promise.Holds(payload.Length <= FrameHeader.MaxControlPayload);
                break;
            case ProtocolEvent.Close:
                Promise.Holds(e.CloseCode == CloseCode.NoStatusReceived || CloseFrame.IsAllowed(e.CloseCode));
                break;
            case ProtocolEvent.Violation:
                (CloseCode code, string reason, _) = e.Violation.Describe();
                CloseFrame.Check(code, reason);
                break;
        }

        return e;
    }
}
