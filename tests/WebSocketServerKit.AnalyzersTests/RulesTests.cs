using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Analyzers;

public sealed class RulesTests
{
    private static readonly DiagnosticDescriptor[] All = [.. new DiagnosticAnalyzer[] { new DroppedTaskAnalyzer(), new EscapingPayloadAnalyzer(), new BlockingHandlerAnalyzer(), new StopInHandlerAnalyzer() }
        .SelectMany(analyzer => analyzer.SupportedDiagnostics)];

    [Fact]
    public void Each_rule_has_a_page() => Assert.All(All, rule =>
    {
        Assert.Contains($"docs/analyzers/{rule.Id}.md", rule.Description.ToString(null), StringComparison.Ordinal);
        Assert.StartsWith($"# {rule.Id}: {rule.Title.ToString(null)}\n", Repository.Read($"docs/analyzers/{rule.Id}.md"), StringComparison.Ordinal);
    });

    [Fact]
    public void Each_page_has_a_rule() =>
        Assert.Equal(All.Select(rule => rule.Id).Order(StringComparer.Ordinal), Directory.GetFiles(Path.Combine(Repository.Root, "docs", "analyzers"), "WSK*.md").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal));

    [Fact]
    public void A_link_is_absolute() => Assert.All(All, rule => Assert.True(rule.HelpLinkUri is "" || rule.HelpLinkUri.StartsWith("https://", StringComparison.Ordinal), rule.HelpLinkUri));
}
