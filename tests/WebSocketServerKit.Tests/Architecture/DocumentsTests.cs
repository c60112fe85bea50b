using System.Text.RegularExpressions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Architecture;

/// <summary>The documents lead where they say: links, the walk through the code, the index of the guides. And guides stay short.</summary>
public sealed partial class DocumentsTests
{
    // Pages to look something up in, not to be read from the first line to the last.
    private static readonly string[] References = ["compression.md", "conformance.md", "invariants.md", "performance.md"];

    private static readonly string[] Documents =
    [
        "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md",
        .. Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/')).Order(StringComparer.Ordinal),
    ];

    [Fact]
    public void Each_link_leads_to_a_file_and_to_a_heading_in_it()
    {
        List<string> findings = [];
        foreach (string document in Documents)
        {
            foreach (Match link in Link.Matches(Code.Replace(Repository.Read(document), "")))
            {
                string[] target = link.Groups["target"].Value.Split('#');
                if (target[0].Contains(':', StringComparison.Ordinal))
                    continue;
                string path = target[0] is "" ? document : Path.GetRelativePath(Repository.Root, Path.GetFullPath(target[0], Path.Combine(Repository.Root, Path.GetDirectoryName(document)!))).Replace('\\', '/');
                string full = Path.Combine(Repository.Root, path);
                if (!File.Exists(full) && !Directory.Exists(full))
                {
                    findings.Add($"{document}: {link.Groups["target"].Value} is not there.");
                }
                else if (target.Length == 2 && !Headings(path).Contains(target[1]))
                {
                    findings.Add($"{document}: {path} has no heading #{target[1]}.");
                }
            }
        }

        Findings.AssertNone(findings);
    }

    // They are relative to the root of the repository; packing makes them absolute.
    [Fact]
    public void Each_link_of_the_README_of_a_template_leads_to_a_file()
    {
        string[] readmes = Directory.GetFiles(Path.Combine(Repository.Root, "src/WebSocketServerKit.Templates/templates"), "README.md", SearchOption.AllDirectories);
        Assert.Equal(3, readmes.Length);
        Assert.All(readmes, readme =>
        {
            string[] targets = [.. Link.Matches(Code.Replace(File.ReadAllText(readme), "")).Select(link => link.Groups["target"].Value)];
            Assert.NotEmpty(targets);
            Assert.All(targets, target => Assert.True(File.Exists(Path.Combine(Repository.Root, target)), target));
        });
    }

    [Fact]
    public void The_index_names_each_guide()
    {
        string index = Repository.Read("docs/README.md");
        Assert.All(
            Documents.Where(document => document.StartsWith("docs/", StringComparison.Ordinal) && !document.EndsWith("README.md", StringComparison.Ordinal) && document.Count(c => c == '/') == 1),
            document => Assert.Contains($"]({Path.GetFileName(document)})", index, StringComparison.Ordinal));
    }

    [Fact]
    public void The_site_lists_the_guides_under_the_headings_and_in_the_order_of_the_index()
    {
        string[] index = [.. IndexEntry.Matches(Repository.Read("docs/README.md")).Select(entry => entry.Groups["heading"].Success ? entry.Groups["heading"].Value : Place("docs", entry))];
        string[] site = [.. SiteEntry.Matches(Repository.Read("assets/site/guides/toc.yml")).Select(entry => entry.Groups["heading"].Success ? entry.Groups["heading"].Value : Place("assets/site/guides", entry))];
        Assert.NotEmpty(index);
        Assert.Equal(index, site);

        static string Place(string folder, Match entry) =>
            Path.GetRelativePath(Repository.Root, Path.GetFullPath(entry.Groups["target"].Value, Path.Combine(Repository.Root, folder))).Replace('\\', '/');
    }

    [Fact]
    public void No_guide_is_longer_than_two_hundred_lines() =>
        Assert.All(
            Documents.Where(document => document.StartsWith("docs/", StringComparison.Ordinal) && !References.Contains(Path.GetFileName(document))),
            document => Assert.True(Repository.Read(document).TrimEnd('\n').Split('\n').Length <= 200, document));

    // The rows of the walk: | 1 | `file`, or the same | `member`, … | what happens |
    [Fact]
    public void Each_step_of_the_walk_through_the_code_is_there()
    {
        string[][] steps = [.. Repository.Read("CONTRIBUTING.md").Split('\n').Where(line => Step.IsMatch(line)).Select(line => line.Split('|'))];
        Assert.Equal(19, steps.Length);
        string file = "";
        foreach (string[] step in steps)
        {
            if (!step[2].Contains("the same", StringComparison.Ordinal))
                file = Assert.Single(Quoted(step[2]));
            string code = SourceTree.Library.Single(source => source.Path == file).Code;
            Assert.All(Quoted(step[3]), member => Assert.Matches($@"(?m)^    \S.* {member}(<\w+>)?\(", code));
        }
    }

    [Fact]
    public void Each_file_that_an_idea_begins_with_is_there()
    {
        string[] files = [.. Repository.Read("docs/ideas.md").Split('\n').Where(line => line.StartsWith("| **", StringComparison.Ordinal)).SelectMany(line => Quoted(line.Split('|')[^2])).Where(name => name.EndsWith(".cs", StringComparison.Ordinal))];
        Assert.True(files.Length > 8);
        Assert.All(files, file => Assert.Contains(SourceTree.Files("."), path => path.EndsWith(file, StringComparison.Ordinal)));
    }

    // Those of Protocol follow the chapters of the RFC; those of Transport are in one row, by their own names.
    [Fact]
    public void The_map_of_the_architecture_has_each_folder()
    {
        string map = Repository.Read("docs/architecture.md");
        string[] folders = [.. SourceTree.Library.Select(file => file.Folder).Distinct(StringComparer.Ordinal).Where(folder => folder.Length > 0 && !folder.StartsWith("Protocol/", StringComparison.Ordinal))];
        Assert.True(folders.Length > 20);
        Assert.All(folders, folder => Assert.Contains($"`{(folder.StartsWith("Transport/", StringComparison.Ordinal) ? Path.GetFileName(folder) : folder)}/`", map, StringComparison.Ordinal));
    }

    private static string[] Quoted(string cell) => [.. cell.Split('`').Where((_, i) => i % 2 == 1)];

    // As the pages of a repository name them: lower case, hyphens for spaces, no other punctuation.
    private static HashSet<string> Headings(string path) =>
        [.. Code.Replace(Repository.Read(path), "").Split('\n').Where(line => line.StartsWith('#')).Select(line => Punctuation.Replace(line.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-'))];

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Link { get; }

    // In docs/README.md: **heading**, and links.
    [GeneratedRegex(@"^\*\*(?<heading>.+)\*\*$|\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex IndexEntry { get; }

    // In the site's table of contents: a name at the margin is a heading.
    [GeneratedRegex(@"^- name: (?<heading>.+)$|^ +href: (?<target>.+)$", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex SiteEntry { get; }

    [GeneratedRegex("^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Code { get; }

    [GeneratedRegex(@"[^\w\- ]", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Punctuation { get; }

    [GeneratedRegex(@"^\| \d+ \| ", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Step { get; }
}
