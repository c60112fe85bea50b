// Reads the pages of the documentation site in a folder. Prints each link that leads to no file or to no heading there, and each name of this
// library's API that leads nowhere. Links to other sites are not followed.
using System.Net;
using System.Text.RegularExpressions;

const RegexOptions Linear = RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture;
Regex anchor = new(@"\s(id|name)=""(?<value>[^""]+)""", Linear);
Regex link = new(@"\s(href|src)=""(?<value>[^""]*)""", Linear);
Regex elsewhere = new("^([a-zA-Z][a-zA-Z0-9+.-]*:|//)", Linear);
Regex unresolved = new(@"<span class=""xref"">(?<value>WebSocketServerKit\.[^<]*)</span>", Linear);

string root = Path.GetFullPath(args[0]);
Dictionary<string, string> pages = new(StringComparer.Ordinal);
Dictionary<string, HashSet<string>> anchors = new(StringComparer.Ordinal);
foreach (string page in Directory.EnumerateFiles(root, "*.html", SearchOption.AllDirectories))
{
    pages[page] = File.ReadAllText(page);
    anchors[page] = Values(anchor, pages[page]).ToHashSet(StringComparer.Ordinal);
}

int links = 0;
SortedSet<string> findings = new(StringComparer.Ordinal);
foreach ((string page, string html) in pages)
{
    string name = Path.GetRelativePath(root, page);
    foreach (string target in Values(link, html).Where(target => !elsewhere.IsMatch(target)))
    {
        links++;
        string[] parts = target.Split('#', 2);
        string path = Uri.UnescapeDataString(parts[0].Split('?')[0]);
        string file = path is "" ? page : Path.GetFullPath(path, Path.GetDirectoryName(page)!);
        if (!File.Exists(file))
            findings.Add($"{name}: {target} is not there.");
        else if (parts.Length == 2 && parts[1] is not "" && anchors.TryGetValue(file, out var there) && !there.Contains(Uri.UnescapeDataString(parts[1])))
            findings.Add($"{name}: {target} has no such heading.");
    }

    foreach (string reference in Values(unresolved, html))
        findings.Add($"{name}: {reference} is not in the API.");
}

foreach (string finding in findings)
    Console.WriteLine(finding);
Console.WriteLine($"{pages.Count} pages with {links} links; {findings.Count} findings.");
return links > 0 && findings.Count == 0 ? 0 : 1;

static IEnumerable<string> Values(Regex attribute, string html) => attribute.Matches(html).Select(match => WebUtility.HtmlDecode(match.Groups["value"].Value));
