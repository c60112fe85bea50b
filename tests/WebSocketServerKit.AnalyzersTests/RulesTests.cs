using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace WebSocketServerKit.Analyzers;

public sealed class RulesTests
{
    private static readonly DiagnosticDescriptor[] All = [.. new DiagnosticAnalyzer[] { new DroppedTaskAnalyzer(), new EscapingPayloadAnalyzer(), new BlockingHandlerAnalyzer(), new StopInHandlerAnalyzer() }
        .SelectMany(analyzer => analyzer.SupportedDiagnostics)];

    [Fact]
    public void Each_rule_has_a_page() => Assert.All(All, rule =>
    {
        Assert.Contains($"docs/analyzers/{rule.Id}.md", rule.Description.ToString(null), StringComparison.Ordinal);
        Assert.StartsWith($"# {rule.Id}: {rule.Title.ToString(null)}\n", File.ReadAllText(Path.Combine(Pages(), rule.Id + ".md")).ReplaceLineEndings("\n"), StringComparison.Ordinal);
    });

    [Fact]
    public void Each_page_has_a_rule() =>
        Assert.Equal(All.Select(rule => rule.Id).Order(StringComparer.Ordinal), Directory.GetFiles(Pages(), "WSK*.md").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal));

    [Fact]
    public void A_link_is_absolute() => Assert.All(All, rule => Assert.True(rule.HelpLinkUri is "" || rule.HelpLinkUri.StartsWith("https://", StringComparison.Ordinal), rule.HelpLinkUri));

    private static string Pages()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "WebSocketServerKit.sln")))
            folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder ?? throw new InvalidOperationException("There is no WebSocketServerKit.sln above the test. Run it in the repository."), "docs", "analyzers");
    }
}
