using System.Text.RegularExpressions;

namespace WebSocketServerKit.TestKit;

/// <summary>The C# of the guides in docs/.</summary>
internal static partial class GuideCode
{
    /// <summary>
    /// Asserts that each block of C# of a guide is compiled: its lines stand in one of the files, but for their indentation and empty lines. The using directives of a whole program stand there too,
    /// at the top.
    /// </summary>
    /// <param name="guide">The path of the guide below the root of the repository.</param>
    /// <param name="count">How many blocks there are.</param>
    /// <param name="files">The paths of the files.</param>
    public static void AssertIsIn(string guide, int count, params string[] files)
    {
        string[] sources = [.. files.Select(file => Lines(Repository.Read(file)))];
        string[] blocks = [.. Block.Matches(Repository.Read(guide)).Select(block => Lines(block.Groups["code"].Value))];
        Assert.Equal(count, blocks.Length);
        Assert.All(blocks, block => Assert.True(sources.Any(source => Has(source, block)), $"No file has this code of {guide}:{block}"));
    }

    private static bool Has(string source, string block)
    {
        string code = block;
        while (Directive.Match(code) is { Success: true } directive)
        {
            if (!source.Contains(directive.Value, StringComparison.Ordinal))
                return false;
            code = code[(directive.Length - 1)..];
        }

        return source.Contains(code, StringComparison.Ordinal);
    }

    private static string Lines(string code) => $"\n{string.Join('\n', code.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))}\n";

    [GeneratedRegex(@"\A\nusing [A-Za-z.]+;\n", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Directive { get; }

    [GeneratedRegex("```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Block { get; }
}
