using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Group 7: closing. The client begins it in all of them.</summary>
internal static class CloseCases
{
    private static readonly int[] ValidCodes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    private static readonly int[] InvalidCodes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    private static readonly string LongestReason = new('*', 123);
    private static readonly ClientFrame LongMessage = Text(string.Concat(Enumerable.Repeat("BAsd7&jh", 32 * 1024)));

    public static IEnumerable<ConformanceCase> All =>
    [
        new("7.1.1", "text, Close", async run =>
        {
            await run.SendAsync(Text("Hello World!"));
            await run.ExpectEchoAsync(Text("Hello World!"));
            await run.CloseAsync();
        }),
        Answered("7.1.2", "Close, Close", 1000, "", Close(1000), Close(1000)),
        Answered("7.1.3", "Close, Ping", 1000, "", Close(1000), Ping()),
        Answered("7.1.4", "Close, text", 1000, "", Close(1000), Text("Hello World!")),
        Answered(
            "7.1.5", "first fragment, Close, last fragment", 1000, "",
            Text("fragment1") with { Fin = false }, Close(1000), Continuation("fragment2")),
        new("7.1.6", "text of 256 KiB, text, Close, Ping; in one piece", async run =>
        {
            await run.SendAsync(LongMessage, Text("Hello World!"), Close(1000), Ping());
            await run.ExpectEchoAsync(LongMessage);
            await run.ExpectEchoAsync(Text("Hello World!"));
            await run.ExpectCloseAsync(1000);
        }),
        Answered("7.3.1", "Close without payload", 1005, "", Close()),
        Failed("7.3.2", "Close with one byte", 1002, new ClientFrame(CloseOpcode, "a"u8.ToArray())),
        Answered("7.3.3", "Close with a code", 1000, "", Close(1000)),
        Answered("7.3.4", "Close with a code and a reason", 1000, "Hello World!", Close(1000, "Hello World!")),
        Answered("7.3.5", "Close with the longest reason, 123 B", 1000, LongestReason, Close(1000, LongestReason)),
        Failed("7.3.6", "Close with a reason of 124 B", 1002, Close(1000, LongestReason + "*")),
        Failed("7.5.1", "Close with a reason that is no UTF-8", 1007, Close(1000, [.. "κόσμε"u8, 0xED, 0xA0, 0x80, .. "edited"u8])),
        .. ValidCodes.Select((code, i) => Answered($"7.7.{i + 1}", $"Close with {code}", code, "", Close(code))),
        .. InvalidCodes.Select((code, i) => Failed($"7.9.{i + 1}", $"Close with {code}", 1002, Close(code))),
        Failed("7.13.1", "Close with 5000", 1002, Close(5000)),
        Failed("7.13.2", "Close with 65535", 1002, Close(65535)),
    ];

    private static ConformanceCase Answered(string id, string does, int code, string reason, params ClientFrame[] frames) =>
        new(id, does, async run =>
        {
            await run.SendAsync(frames);
            await run.ExpectCloseAsync(code, reason);
        });

    private static ConformanceCase Failed(string id, string does, int code, ClientFrame close) => new(id, does, async run =>
    {
        await run.SendAsync(close);
        await run.ExpectFailureAsync(code);
    });
}
