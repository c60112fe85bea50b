using WebSocketServerKit.Fuzz.Targets;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Fuzzing;

/// <summary>What <c>fuzz/run</c> begins with and what it ever found, run through the same targets.</summary>
public class FuzzReplayTests
{
    public static TheoryData<string, string> Inputs()
    {
        TheoryData<string, string> inputs = [];
        foreach (string target in FuzzTarget.All.Keys)
        {
            foreach (string file in Files("seeds", target).Concat(Files("regressions", target)))
                inputs.Add(target, Path.GetRelativePath(Root, file));
        }

        return inputs;
    }

    [Theory]
    [MemberData(nameof(Inputs))]
    public void Keeps_every_promise(string target, string file) => FuzzTarget.All[target](File.ReadAllBytes(Path.Combine(Root, file)));

    [Fact]
    public void Seeds_of_the_frames_lead_to_every_event_and_every_violation()
    {
        IEnumerable<FrameEvent> events = Files("seeds", "frames").SelectMany(file => FramesTarget.Run(File.ReadAllBytes(file))).ToArray();
        Assert.Equivalent(Enum.GetValues<ProtocolEvent>().Except([ProtocolEvent.None, ProtocolEvent.Unfinished, ProtocolEvent.Part, ProtocolEvent.LastPart, ProtocolEvent.PassedOver]), events.Select(e => e.Event).Distinct(), strict: true);
        Assert.Equivalent(
            Enum.GetValues<ProtocolViolation>().Except([ProtocolViolation.InvalidCompressedData]), events.Select(e => e.Violation).Distinct(), strict: true);
    }

    [Fact]
    public void Seeds_of_deflate_lead_to_every_event_and_to_every_violation_that_inflating_finds()
    {
        IEnumerable<FrameEvent> events = Files("seeds", "deflate").SelectMany(file => DeflateTarget.Run(File.ReadAllBytes(file))).ToArray();
        Assert.Equivalent(Enum.GetValues<ProtocolEvent>().Except([ProtocolEvent.None, ProtocolEvent.Unfinished, ProtocolEvent.Part, ProtocolEvent.LastPart, ProtocolEvent.PassedOver]), events.Select(e => e.Event).Distinct(), strict: true);
        Assert.Equivalent(
            new[]
            {
                ProtocolViolation.None, ProtocolViolation.ReservedBitSet, ProtocolViolation.InvalidCompressedData, ProtocolViolation.InvalidUtf8,
                ProtocolViolation.MessageTooBig,
            },
            events.Select(e => e.Violation).Distinct(),
            strict: true);
    }

    [Fact]
    public void Seeds_of_the_request_lead_to_every_outcome_of_its_parser()
    {
        (HandshakeParseStatus Status, HandshakeViolation Violation)[] outcomes =
            [.. Files("seeds", "request").Select(file => HandshakeRequestTarget.Run(File.ReadAllBytes(file)))];
        Assert.Contains(outcomes, outcome => outcome.Status == HandshakeParseStatus.Complete);
        // Those that follow are found by HandshakeRules, in a request that is well-formed.
        Assert.Equivalent(
            Enum.GetValues<HandshakeViolation>().Where(violation => violation is not HandshakeViolation.PlainOnTlsPort and < HandshakeViolation.UpgradeRequired),
            outcomes.Select(outcome => outcome.Violation).Distinct(),
            strict: true);
    }

    [Fact]
    public void Seeds_of_the_close_payload_lead_to_every_outcome() => Assert.Equivalent(
        new[] { ProtocolViolation.None, ProtocolViolation.CloseFrameTooShort, ProtocolViolation.InvalidCloseCode, ProtocolViolation.InvalidCloseReason },
        Files("seeds", "close").Select(file => ClosePayloadTarget.Run(File.ReadAllBytes(file))).Distinct(),
        strict: true);

    [Fact]
    public void Seeds_of_the_PROXY_header_lead_to_every_outcome()
    {
        string[] outcomes = [.. Files("seeds", "proxy").Select(file => ProxyHeaderTarget.Run(File.ReadAllBytes(file)))];
        Assert.Equal(13, outcomes.Where(outcome => outcome.Contains("PROXY header", StringComparison.Ordinal)).Distinct(StringComparer.Ordinal).Count());
        Assert.Contains("", outcomes, StringComparer.Ordinal);
        foreach (string header in new[] { "1 False", "1 True", "2 False", "2 True" })
            Assert.Contains(outcomes, outcome => outcome.StartsWith(header, StringComparison.Ordinal));
    }

    [Fact]
    public void Seeds_of_the_forwarded_headers_lead_to_clients_that_are_told_in_full_in_part_and_not_at_all()
    {
        ForwardedClient[] clients = [.. Files("seeds", "forwarded").SelectMany(file => ForwardedHeadersTarget.Run(File.ReadAllBytes(file)))];
        Assert.Contains(default, clients);
        Assert.Contains(clients, client => client is { EndPoint: not null, Scheme: not null, Host: not null });
        Assert.Contains(clients, client => client is { EndPoint: not null, Scheme: null, Host: null });
        Assert.Contains(clients, client => client is { EndPoint: null, Scheme: not null });
    }

    // Tells that the targets look at all: here is an array that is given back twice.
    [Fact]
    public void A_broken_promise_is_a_finding()
    {
        CountingPool pool = new();
        byte[] array = pool.Rent(1);
        pool.Return(array);
        Assert.Throws<InvalidOperationException>(() => pool.Return(array));
    }

    private static string Root => Path.Combine(AppContext.BaseDirectory, "fuzz");

    private static IEnumerable<string> Files(string kind, string target) =>
        Directory.EnumerateFiles(Path.Combine(Root, kind, target)).Where(file => Path.GetFileName(file) is not ".gitkeep").Order(StringComparer.Ordinal);
}
