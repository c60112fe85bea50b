using System.Text.RegularExpressions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Proxies;

/// <summary>The configurations that docs/proxies.md recommends, so that what a reader copies is what the tests have run.</summary>
internal static partial class ProxyDocs
{
    /// <summary>The first block of code below a heading, with values in place of its placeholders.</summary>
    /// <param name="heading">The text of the heading.</param>
    /// <param name="values">A value for each placeholder; others are ignored.</param>
    public static string Block(string heading, IReadOnlyDictionary<string, string> values)
    {
        string page = Repository.Read("docs/proxies.md");
        int title = page.IndexOf($"# {heading}\n", StringComparison.Ordinal);
        Assert.True(title >= 0, $"docs/proxies.md has no heading \"{heading}\".");
        int begin = page.IndexOf('\n', page.IndexOf("\n```", title, StringComparison.Ordinal) + 1) + 1;
        int end = page.IndexOf("\n```\n", begin, StringComparison.Ordinal) + 1;
        return Placeholder.Replace(
            page[begin..end],
            placeholder => values.TryGetValue(placeholder.Value, out string? value) ? value : throw new ArgumentException($"{placeholder.Value} below \"{heading}\" has no value."));
    }

    /// <summary>A text in place of another one, which must be there.</summary>
    public static string With(this string configuration, string from, string to)
    {
        Assert.Contains(from, configuration, StringComparison.Ordinal);
        return configuration.Replace(from, to, StringComparison.Ordinal);
    }

    [GeneratedRegex("[A-Z]+(_[A-Z]+)+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Placeholder { get; }
}
