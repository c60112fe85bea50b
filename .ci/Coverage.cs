// Reads the Cobertura reports in a folder and holds the library to its promise: every line and branch of Protocol/ is tested, and at least
// 95 % of all lines. Prints what is left. A line counts as covered when any report covers it.
using System.Globalization;
using System.Xml.Linq;

const double LeastOfAll = 95;

Dictionary<string, SortedDictionary<int, (bool Covered, double Branches)>> files = new(StringComparer.Ordinal);
foreach (string report in Directory.EnumerateFiles(args[0], "*.cobertura.xml", SearchOption.AllDirectories))
{
    foreach (XElement type in XDocument.Load(report).Descendants("class"))
    {
        string path = type.Attribute("filename")!.Value.Replace('\\', '/');
        // The clone itself may be in a folder of that name.
        int root = path.LastIndexOf("src/WebSocketServerKit/", StringComparison.Ordinal);
        string file = root < 0 ? "" : path[(root + "src/WebSocketServerKit/".Length)..];
        if (!File.Exists(Path.Combine("src", "WebSocketServerKit", file)) || file.StartsWith("obj/", StringComparison.Ordinal))
            continue;
        if (!files.TryGetValue(file, out var lines))
            files.Add(file, lines = []);
        foreach (XElement line in type.Elements("lines").Elements("line"))
        {
            int number = int.Parse(line.Attribute("number")!.Value, CultureInfo.InvariantCulture);
            bool covered = line.Attribute("hits")!.Value != "0";
            // "75% (3/4)" where there are branches
            string? condition = line.Attribute("condition-coverage")?.Value;
            double branches = condition is null ? 100 : double.Parse(condition[..condition.IndexOf('%', StringComparison.Ordinal)], CultureInfo.InvariantCulture);
            lines.TryGetValue(number, out var before);
            lines[number] = (covered || before.Covered, Math.Max(branches, before.Branches));
        }
    }
}

int all = 0, coveredLines = 0, missedInProtocol = 0;
foreach ((string file, var lines) in files.OrderBy(file => file.Key, StringComparer.Ordinal))
{
    List<string> left = [];
    foreach ((int number, (bool covered, double branches)) in lines)
    {
        all++;
        coveredLines += covered ? 1 : 0;
        if (!covered)
            left.Add($"{number}");
        else if (branches < 100)
            left.Add($"{number} ({branches}% of its branches)");
    }

    if (left.Count > 0)
        Console.WriteLine($"{file}: {string.Join(", ", left)}");
    if (file.StartsWith("Protocol/", StringComparison.Ordinal))
        missedInProtocol += left.Count;
}

if (!files.Keys.Any(file => file.StartsWith("Protocol/", StringComparison.Ordinal)))
{
    Console.WriteLine("No coverage of Protocol/ was reported.");
    return 1;
}

double share = 100.0 * coveredLines / all;
Console.WriteLine($"{share:F1} % of {all} lines; {missedInProtocol} lines of Protocol/ not covered in full.");
return share >= LeastOfAll && missedInProtocol == 0 ? 0 : 1;
