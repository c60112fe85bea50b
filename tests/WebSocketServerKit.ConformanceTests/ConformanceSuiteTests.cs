using WebSocketServerKit.Conformance.Cases;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance;

/// <summary>Runs the suite, one theory per group, and holds each answer against the committed table in docs/conformance.md.</summary>
public class ConformanceSuiteTests(EchoServer server, ResultTable results)
{
    public static TheoryData<string> Group1 => Ids("1");

    public static TheoryData<string> Group2 => Ids("2");

    public static TheoryData<string> Group3 => Ids("3");

    public static TheoryData<string> Group4 => Ids("4");

    public static TheoryData<string> Group5 => Ids("5");

    public static TheoryData<string> Group6 => Ids("6");

    public static TheoryData<string> Group7 => Ids("7");

    public static TheoryData<string> Group9 => Ids("9");

    public static TheoryData<string> Group10 => Ids("10");

    public static TheoryData<string> Group12 => Ids("12");

    public static TheoryData<string> Group13 => Ids("13");

    [Theory]
    [MemberData(nameof(Group1))]
    public Task Framing(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group2))]
    public Task Pings_and_pongs(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group3))]
    public Task Reserved_bits(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group4))]
    public Task Opcodes(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group5))]
    public Task Fragmentation(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group6))]
    public Task Utf8(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group7))]
    public Task Closing(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group9))]
    public Task Limits(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group10))]
    public Task Auto_fragmentation(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group12))]
    public Task Compression(string id) => RunAsync(id);

    [Theory]
    [MemberData(nameof(Group13))]
    public Task Compression_parameters(string id) => RunAsync(id);

    [Fact]
    public void The_suite_has_the_517_cases_of_the_public_one()
    {
        Assert.Equal(
            [("1", 16), ("2", 11), ("3", 7), ("4", 10), ("5", 20), ("6", 145), ("7", 37), ("9", 54), ("10", 1), ("12", 90), ("13", 126)],
            ConformanceSuite.All.GroupBy(one => one.Id.Split('.')[0], StringComparer.Ordinal).Select(group => (group.Key, group.Count())));
        Assert.Equal(517, ConformanceSuite.All.Select(one => one.Id).Distinct(StringComparer.Ordinal).Count());
    }

    private async Task RunAsync(string id)
    {
        ConformanceCase one = ConformanceSuite.Find(id);
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/", one.Extension is null ? [] : [$"Sec-WebSocket-Extensions: {one.Extension.Offer}"]));
        HttpAnswer answer = await client.ReadAcceptanceAsync();
        Assert.Equal(one.Extension is null ? [] : [one.Extension.Answer], answer["Sec-WebSocket-Extensions"]);
        client.AcceptsDeflated = one.Extension is not null;
        var run = new CaseRun(client, one.Extension);
        await one.RunAsync(run);
        results.Check(one, run.Record);
    }

    // The id comes first where a runner shows the case.
    private static TheoryData<string> Ids(string group) =>
    [
        .. ConformanceSuite.All.Where(one => one.Id.StartsWith(group + ".", StringComparison.Ordinal))
            .Select(one => new TheoryDataRow<string>(one.Id) { TestDisplayName = $"{one.Id} {one.Does}", Label = "" }),
    ];
}
