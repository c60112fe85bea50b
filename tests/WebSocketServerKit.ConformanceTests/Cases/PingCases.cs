using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Group 2: pings and pongs.</summary>
internal static class PingCases
{
    private static readonly byte[] LongestPayload = [.. Enumerable.Repeat((byte)0xFE, 125)];

    private static readonly ClientFrame[] TenPings = [.. Enumerable.Range(0, 10).Select(i => Ping($"ping no. {i}"))];

    public static IEnumerable<ConformanceCase> All =>
    [
        Answered("2.1", "Ping without payload", Ping()),
        Answered("2.2", "Ping with text", Ping("Hello, world!")),
        Answered("2.3", "Ping with bytes that are no UTF-8", Ping((byte[])[0x00, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0x00, 0xFF])),
        Answered("2.4", "Ping with 125 B", Ping(LongestPayload)),
        new("2.5", "Ping with 126 B", async run =>
        {
            await run.SendAsync(Ping((byte[])[.. LongestPayload, 0xFE]));
            await run.ExpectFailureAsync(1002);
        }),
        new("2.6", "Ping with 125 B, byte by byte", async run =>
        {
            await run.SendOctetsAsync(Ping(LongestPayload));
            await run.ExpectPongAsync(Ping(LongestPayload));
            await run.CloseAsync();
        }),
        Ignored("2.7", "Pong that nobody asked for, without payload", Pong()),
        Ignored("2.8", "Pong that nobody asked for, with payload", Pong("unsolicited")),
        new("2.9", "Pong that nobody asked for, then a Ping", async run =>
        {
            await run.SendAsync(Pong("unsolicited"), Ping("our ping"));
            await run.ExpectPongAsync(Ping("our ping"));
            await run.CloseAsync();
        }),
        new("2.10", "10 Pings in one piece", async run =>
        {
            await run.SendAsync(TenPings);
            await ExpectTenPongsAsync(run);
        }),
        new("2.11", "10 Pings, byte by byte", async run =>
        {
            await run.SendOctetsAsync(TenPings);
            await ExpectTenPongsAsync(run);
        }),
    ];

    private static ConformanceCase Answered(string id, string does, ClientFrame ping) => new(id, does, async run =>
    {
        await run.SendAsync(ping);
        await run.ExpectPongAsync(ping);
        await run.CloseAsync();
    });

    private static ConformanceCase Ignored(string id, string does, ClientFrame pong) => new(id, does, async run =>
    {
        await run.SendAsync(pong);
        await run.CloseAsync();
    });

    private static async Task ExpectTenPongsAsync(CaseRun run)
    {
        foreach (ClientFrame ping in TenPings)
            await run.ExpectPongAsync(ping);
        await run.CloseAsync();
    }
}
