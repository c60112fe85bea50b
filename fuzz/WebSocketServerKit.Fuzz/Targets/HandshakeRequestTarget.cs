using System.Buffers;
using System.Net;
using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary><see cref="HandshakeRequestParser"/>: any bytes give a request or one violation or the wish for more, wherever they are cut.</summary>
internal static class HandshakeRequestTarget
{
    private const int MaxHeaderLines = 8;

    private static readonly AccessRules DefaultAccess = new(new HostRules([]), new OriginRules([]));

    public static (HandshakeParseStatus Status, HandshakeViolation Violation) Run(byte[] input)
    {
        InputCuts cuts = new(input);
        int maxHeadBytes = 64 * (1 + cuts.Settings);
        Outcome whole = Run(cuts.Content, cuts.Whole(), maxHeadBytes);
        Promise.Holds(whole == Run(cuts.Content, cuts.Ends(), maxHeadBytes), "cuts chosen by the input change nothing");
        Promise.Holds(whole == Run(cuts.Content, cuts.EveryByte(), maxHeadBytes), "a cut behind every byte changes nothing");
        return (whole.Status, whole.Violation);
    }

    // Gives the parser what a PipeReader would: all that was not consumed, in segments cut where the input was.
    private static Outcome Run(byte[] content, IEnumerable<int> ends, int maxHeadBytes)
    {
        HandshakeRequestParser parser = new(maxHeadBytes, MaxHeaderLines);
        HandshakeParseStatus status = HandshakeParseStatus.NeedMore;
        int consumed = 0;
        List<int> cuts = [];
        foreach (int end in ends)
        {
            cuts.Add(end);
            ReadOnlySequence<byte> window = Segments.Of(content, consumed, cuts);
            status = parser.Parse(window, out SequencePosition consumedTo, out SequencePosition examinedTo);
            long taken = window.Slice(0, consumedTo).Length;
            long examined = window.Slice(0, examinedTo).Length;
            Promise.Holds(taken <= examined && examined <= window.Length);
            Promise.Holds(status != HandshakeParseStatus.NeedMore || examined == window.Length, "a reader that is told nothing new is not asked again");
            consumed += (int)taken;
            Promise.Holds(consumed <= maxHeadBytes);
            Promise.Holds(status != HandshakeParseStatus.NeedMore || end < maxHeadBytes, "a head that fills the limit has an end or is refused");
            if (status != HandshakeParseStatus.NeedMore)
                break;
        }

        Promise.Holds((parser.Violation != HandshakeViolation.None) == (status == HandshakeParseStatus.Refused));
        Promise.Holds((parser.Request is not null) == (status == HandshakeParseStatus.Complete));
        Promise.Holds(
            status != HandshakeParseStatus.Complete || content.AsSpan(0, consumed).EndsWith("\r\n\r\n"u8), "what follows the head is left for the frames");
        if (status == HandshakeParseStatus.Refused)
            Written(HandshakeResponse.Refuse(parser.Violation));
        return new Outcome(
            status, parser.Violation, parser.Request is { } request ? Describe(request) : "", status == HandshakeParseStatus.Complete ? consumed : 0);
    }

    private static string Describe(HandshakeRequest request)
    {
        Promise.Holds(request.Path.StartsWith('/') && !request.Path.Any(char.IsControl));
        Promise.Holds(HeaderTokens.IsToken(request.Method));
        Promise.Holds(request.Headers.Count <= MaxHeaderLines);
        foreach ((string name, string value) in request.Headers)
            Promise.Holds(HeaderTokens.IsToken(name) && !value.Any(c => c is '\r' or '\n' or '\0') && value == value.Trim(' ', '\t'));
        Promise.Holds(request.Host.Length == 0 || Authority.TryParse(request.Host, out _, out _));

        HandshakeViolation broken = HandshakeRules.Check(request);
        HandshakeResponse answer = broken == HandshakeViolation.None
            ? HandshakeResponse.Accept(SubprotocolSelection.Select(request.RequestedSubprotocols, ["chat"]))
            : HandshakeResponse.Refuse(broken);

        HandshakeViolation access = DefaultAccess.Check(request, IPAddress.Loopback);
        Promise.Holds(
            access != HandshakeViolation.None || request.Origin is null || !request.IsWebSocket || request.Host.Length > 0, "no page is of no host");
        return $"{request.Method} {request.Target} {request.Path} {request.QueryString} {request.Version} {request.Host} {access}\n"
            + $"{string.Join('\n', request.Headers)}\n{string.Join('\n', request.Query)}\n{string.Join('\n', request.Cookies)}\n"
            + Written(answer, broken == HandshakeViolation.None ? request.Key : null);
    }

    private static string Written(HandshakeResponse answer, string? key = null)
    {
        PooledBuffer written = new(ArrayPool<byte>.Shared);
        answer.WriteHeadTo(ref written, DateTimeOffset.UnixEpoch, key);
        string text = Encoding.UTF8.GetString(written.Written.Span);
        written.Release();
        return text;
    }

    private sealed record Outcome(HandshakeParseStatus Status, HandshakeViolation Violation, string Request, int Consumed);
}
