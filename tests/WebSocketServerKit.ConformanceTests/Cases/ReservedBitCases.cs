using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Group 3: reserved bits without an extension that gives them a meaning.</summary>
internal static class ReservedBitCases
{
    private static readonly ClientFrame Hello = Text("Hello, world!");

    public static IEnumerable<ConformanceCase> All =>
    [
        Failed("3.1", "text with RSV 1", run => run.SendAsync(Hello with { ReservedBits = 1 })),
        FailedAfterEcho("3.2", "text, text with RSV 2, Ping; in one piece",
            run => run.SendAsync(Hello, Hello with { ReservedBits = 2 }, Ping())),
        FailedAfterEcho("3.3", "text, text with RSV 3, Ping; frame by frame",
            run => run.SendEachAsync(Hello, Hello with { ReservedBits = 3 }, Ping())),
        FailedAfterEcho("3.4", "text, text with RSV 4, Ping; byte by byte",
            run => run.SendOctetsAsync(Hello, Hello with { ReservedBits = 4 }, Ping())),
        Failed("3.5", "binary with RSV 5",
            run => run.SendAsync(Binary((byte[])[0x00, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0x00, 0xFF]) with { ReservedBits = 5 })),
        Failed("3.6", "Ping with RSV 6", run => run.SendAsync(Ping("Hello, world!") with { ReservedBits = 6 })),
        Failed("3.7", "Close with RSV 7", run => run.SendAsync(Close(1000) with { ReservedBits = 7 })),
    ];

    private static ConformanceCase Failed(string id, string does, Func<CaseRun, Task> sendAsync) => new(id, does, async run =>
    {
        await sendAsync(run);
        await run.ExpectFailureAsync(1002);
    });

    private static ConformanceCase FailedAfterEcho(string id, string does, Func<CaseRun, Task> sendAsync) => new(id, does, async run =>
    {
        await sendAsync(run);
        await run.ExpectEchoAsync(Hello);
        await run.ExpectFailureAsync(1002);
    });
}
