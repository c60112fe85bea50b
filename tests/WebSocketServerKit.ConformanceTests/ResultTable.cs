using System.Collections.Concurrent;
using WebSocketServerKit.Conformance;
using WebSocketServerKit.Conformance.Cases;
using WebSocketServerKit.TestKit;

[assembly: AssemblyFixture(typeof(ResultTable))]

namespace WebSocketServerKit.Conformance;

/// <summary>
/// The table of results in docs/conformance.md. Each case holds what the server really answered against its row. A run of the whole suite
/// with WSK_WRITE_CONFORMANCE=1 writes the table anew instead.
/// </summary>
public sealed class ResultTable : IDisposable
{
    private const string Page = "docs/conformance.md";
    private const string Begin = "<!-- results: begin -->\n";
    private const string End = "<!-- results: end -->";
    private const string Head = "| Case | The client sends | The server answers |\n|---|---|---|\n";

    private readonly bool _write = Environment.GetEnvironmentVariable("WSK_WRITE_CONFORMANCE") is "1";
    private readonly ConcurrentDictionary<string, string> _observed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _committed;

    public ResultTable() => _committed = Rows().ToDictionary(row => row.Split('|')[1].Trim(), StringComparer.Ordinal);

    internal IReadOnlyCollection<string> Ids => _committed.Keys;

    /// <summary>Holds what a case has seen against the table.</summary>
    internal void Check(ConformanceCase one, string record)
    {
        string row = $"| {one.Id} | {one.Does} | {record} |";
        _observed[one.Id] = row;
        if (!_write)
            Assert.Equal(_committed.GetValueOrDefault(one.Id, "no row; run the suite with WSK_WRITE_CONFORMANCE=1"), row);
    }

    /// <summary>Writes the table, if that was asked for and the run was complete.</summary>
    public void Dispose()
    {
        if (!_write || _observed.Count != ConformanceSuite.All.Count)
            return;
        string text = Repository.Read(Page);
        string before = text[..(text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)];
        string after = text[text.IndexOf(End, StringComparison.Ordinal)..];
        string table = Head + string.Concat(ConformanceSuite.All.Select(one => _observed[one.Id] + "\n"));
        File.WriteAllText(Path.Combine(Repository.Root, Page), before + table + after);
    }

    private static IEnumerable<string> Rows()
    {
        string text = Repository.Read(Page);
        int begin = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        int end = text.IndexOf(End, StringComparison.Ordinal);
        return text[begin..end].Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(2);
    }
}
