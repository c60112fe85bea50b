using System.Text.RegularExpressions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Conformance;

/// <summary>docs/conformance.md says what is so.</summary>
public sealed partial class ConformanceDocumentTests(ResultTable results)
{
    [Fact]
    public void The_table_of_results_has_a_row_for_each_case_and_no_other() =>
        Assert.Equal([.. ConformanceSuite.All.Select(one => one.Id)], results.Ids);

    [Fact]
    public void Each_test_that_the_document_names_exists()
    {
        (string Class, string Method)[] named =
        [
            .. TestName().Matches(Repository.Read("docs/conformance.md"))
                .Select(match => (match.Groups["class"].Value, match.Groups["method"].Value)).Distinct(),
        ];
        Assert.True(named.Length > 40, $"The document names {named.Length} tests.");

        string tests = Path.Combine(Repository.Root, "tests");
        ILookup<string, string> files = Directory.EnumerateFiles(tests, "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(file => Path.GetFileNameWithoutExtension(file), StringComparer.Ordinal);
        Assert.Empty(named.Where(test => !files[test.Class].Any(file => HasTest(File.ReadAllText(file), test.Method)))
            .Select(test => $"{test.Class}.{test.Method}"));
    }

    // xunit's analyzers see to it that a public method of such a shape is a test.
    private static bool HasTest(string source, string method) =>
        source.Contains($"public void {method}(", StringComparison.Ordinal)
        || source.Contains($"public Task {method}(", StringComparison.Ordinal)
        || source.Contains($"public async Task {method}(", StringComparison.Ordinal);

    [GeneratedRegex(@"`(?<class>\w+Tests)\.(?<method>\w+)`", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex TestName();
}
