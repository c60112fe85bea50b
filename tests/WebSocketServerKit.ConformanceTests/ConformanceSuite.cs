using WebSocketServerKit.Conformance.Cases;

namespace WebSocketServerKit.Conformance;

/// <summary>
/// What the public Autobahn|Testsuite asks of a server, under its ids, written anew over <see cref="Raw.RawClient"/>: groups 1 to 7, 9, 10,
/// 12 and 13. Where that suite lets a server choose, this one asks for the strictest answer.
/// </summary>
internal static class ConformanceSuite
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        .. FramingCases.All, .. PingCases.All, .. ReservedBitCases.All, .. OpcodeCases.All, .. FragmentationCases.All, .. Utf8Cases.All,
        .. CloseCases.All, .. LimitCases.All, .. CompressionCases.All,
    ];

    public static ConformanceCase Find(string id) => All.Single(one => one.Id == id);
}
