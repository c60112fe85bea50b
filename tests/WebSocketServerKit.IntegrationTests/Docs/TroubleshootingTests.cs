using System.Text.RegularExpressions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/troubleshooting.md quotes texts that the library has.</summary>
public sealed partial class TroubleshootingTests
{
    private static readonly string Guide = Repository.Read("docs/troubleshooting.md");

    // All literals of the sources, with what the compiler joins joined.
    private static readonly string Sources = Join.Replace(
        string.Concat(Directory.GetFiles(Path.Combine(Repository.Root, "src/WebSocketServerKit"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)).Select(File.ReadAllText)), "").Replace("\\\"", "\"", StringComparison.Ordinal);

    // The blocks without a language; … stands for what is filled in.
    [Fact]
    public void Each_text_that_is_quoted_is_in_the_sources()
    {
        string[] lines = [.. Block.Matches(Guide).Where(block => block.Groups["language"].Length == 0).SelectMany(block => block.Groups["text"].Value.Split('\n'))];
        Assert.True(lines.Length > 20);
        Assert.All(lines.SelectMany(line => line.Split('…').Select(part => part.Trim(' ', ':'))), part => Assert.Contains(part, Sources, StringComparison.Ordinal));
    }

    [Fact]
    public void Each_close_reason_is_in_the_sources()
    {
        string[] rows = [.. Guide.Split('\n').Where(line => Regex.IsMatch(line, @"\A\| 1\d\d\d \|", RegexOptions.None, TimeSpan.FromSeconds(1)))];
        Assert.Equal(12, rows.Length);
        Assert.All(rows.SelectMany(row => row.Split('|')[2].Split('`').Where((_, i) => i % 2 == 1)), reason => Assert.Contains($"\"{reason}\"", Sources, StringComparison.Ordinal));
    }

    [Fact]
    public void Each_event_that_is_named_is_logged() =>
        Assert.All(Event.Matches(Guide), match => Assert.Contains($"[LoggerMessage({match.Groups["id"].Value}, ", Sources, StringComparison.Ordinal));

    [GeneratedRegex(@"""\s*\+\s*\$?""", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Join { get; }

    [GeneratedRegex(@"^```(?<language>\w*)\n(?<text>.*?)\n```$", RegexOptions.Singleline | RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Block { get; }

    [GeneratedRegex(@"\(event (?<id>\d+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Event { get; }
}
