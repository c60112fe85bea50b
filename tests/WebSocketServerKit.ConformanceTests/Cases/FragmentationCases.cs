using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Group 5: fragments, and what may come between them.</summary>
internal static class FragmentationCases
{
    private static readonly ClientFrame First = Text("fragment1") with { Fin = false };
    private static readonly ClientFrame Last = Continuation("fragment2");
    private static readonly ClientFrame Whole = Text("fragment1fragment2");
    private static readonly ClientFrame OurPing = Ping("ping payload");
    private static readonly ClientFrame[] FivePieces =
    [
        First,
        Continuation("fragment2") with { Fin = false },
        Continuation("fragment3") with { Fin = false },
        Continuation("fragment4") with { Fin = false },
        Continuation("fragment5"),
    ];

    private static readonly (string Words, Func<CaseRun, ClientFrame[], Task> SendAsync)[] Cuts =
    [
        ("in one piece", (run, frames) => run.SendAsync(frames)),
        ("frame by frame", (run, frames) => run.SendEachAsync(frames)),
        ("byte by byte", (run, frames) => run.SendOctetsAsync(frames)),
    ];

    public static IEnumerable<ConformanceCase> All =>
    [
        Failed("5.1", "Ping in two fragments", Ping("fragment1") with { Fin = false }, Last),
        Failed("5.2", "Pong in two fragments", Pong("fragment1") with { Fin = false }, Last),
        .. Cuts.Select((cut, i) => new ConformanceCase($"5.{3 + i}", $"text in two fragments, {cut.Words}", async run =>
        {
            await cut.SendAsync(run, [First, Last]);
            await run.ExpectEchoAsync(Whole);
            await run.CloseAsync();
        })),
        .. Cuts.Select((cut, i) => new ConformanceCase($"5.{6 + i}", $"text, a Ping between its two fragments, {cut.Words}", async run =>
        {
            await cut.SendAsync(run, [First, OurPing, Last]);
            await run.ExpectPongAsync(OurPing);
            await run.ExpectEchoAsync(Whole);
            await run.CloseAsync();
        })),
        .. NothingToContinue(9, fin: true),
        .. NothingToContinue(12, fin: false),
        new("5.15", "text in two fragments, Continuation without FIN, text", async run =>
        {
            await run.SendAsync(First, Last, Continuation("fragment3") with { Fin = false }, Text("fragment4"));
            await run.ExpectEchoAsync(Whole);
            await run.ExpectFailureAsync(1002);
        }),
        Failed("5.16", "2 × (Continuation without FIN, text in two fragments)",
            Twice(Continuation("fragment1") with { Fin = false }, First, Last)),
        Failed("5.17", "2 × (Continuation with FIN, text in two fragments)", Twice(Continuation("fragment1"), First, Last)),
        Failed("5.18", "text in two fragments, both as text", First, Text("fragment2")),
        InFiveWithPings("5.19", "in one piece", Cuts[0].SendAsync),
        InFiveWithPings("5.20", "frame by frame", Cuts[1].SendAsync),
    ];

    private static IEnumerable<ConformanceCase> NothingToContinue(int firstId, bool fin) =>
        Cuts.Select((cut, i) => new ConformanceCase($"5.{firstId + i}", $"Continuation {(fin ? "with" : "without")} FIN, text; {cut.Words}",
            async run =>
        {
            await cut.SendAsync(run, [Continuation("non-continuation payload") with { Fin = fin }, Text("Hello, world!")]);
            await run.ExpectFailureAsync(1002);
        }));

    private static ConformanceCase Failed(string id, string does, params ClientFrame[] frames) => new(id, does, async run =>
    {
        await run.SendAsync(frames);
        await run.ExpectFailureAsync(1002);
    });

    private static ClientFrame[] Twice(params ClientFrame[] frames) => [.. frames, .. frames];

    private static ConformanceCase InFiveWithPings(string id, string cut, Func<CaseRun, ClientFrame[], Task> sendAsync) =>
        new(id, $"text in five fragments, a Ping after the second and the fourth, waiting for the first Pong; {cut}", async run =>
        {
            await sendAsync(run, [FivePieces[0], FivePieces[1], Ping("pongme 1!")]);
            await run.ExpectPongAsync(Ping("pongme 1!"));
            await sendAsync(run, [FivePieces[2], FivePieces[3], Ping("pongme 2!"), FivePieces[4]]);
            await run.ExpectPongAsync(Ping("pongme 2!"));
            await run.ExpectEchoAsync(Text("fragment1fragment2fragment3fragment4fragment5"));
            await run.CloseAsync();
        });
}
