// Makes the files of a release from the commit that is checked out: the packages with their symbols, an SBOM and SHA256SUMS.
//     dotnet run .ci/Release.cs -- [--preview] [FOLDER]
// FOLDER is artifacts/release if none is named. The packages are built twice, in clean work trees whose paths differ, and must be the same
// bytes. --preview needs neither a version tag nor a full clone nor the project's address, and accepts changes that are not committed; they are
// not part of the packages.
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;

bool preview = args.Contains("--preview", StringComparer.Ordinal);
string[] folders = [.. args.Where(arg => arg != "--preview")];
if (folders.Length > 1 || folders.Any(folder => folder.StartsWith('-')))
    return Fail("usage: dotnet run .ci/Release.cs -- [--preview] [FOLDER]");

string temporary = Directory.CreateTempSubdirectory("release").FullName;
string[] trees = [Path.Combine(temporary, "a"), Path.Combine(temporary, "a-path-of-another-length", "b")];
string root = Directory.GetCurrentDirectory();

// Ctrl+C ends the program that runs at that moment, and then this one by an exception, so that the work trees are removed.
bool isInterrupted = false;
Console.CancelKeyPress += (_, key) => key.Cancel = isInterrupted = true;
try
{
    if (!Path.Exists(Path.Combine(root, ".git")))
        throw new InvalidOperationException("a release is made in the first folder of a git clone, which this one is not. Without git: dotnet pack src/Packages.proj -c Release");
    string folder = Path.GetFullPath(folders.FirstOrDefault() ?? Path.Combine(root, "artifacts", "release"));
    if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
        throw new InvalidOperationException($"{folder} is not an empty folder.");

    string? tagged = TaggedVersion();
    CheckTree(tagged);
    CheckChangelog(tagged);
    CheckShipped(tagged);
    Make(folder, tagged);
    return 0;
}
catch (InvalidOperationException exception)
{
    return Fail(exception.Message);
}
finally
{
    isInterrupted = false;
    foreach (string tree in trees.Where(Directory.Exists))
        Git("worktree", "remove", "--force", tree);
    Directory.Delete(temporary, recursive: true);
}

// The version of the tag at HEAD. Of several, the one that is no pre-release.
string? TaggedVersion() => Versions("--points-at", "HEAD").OrderBy(version => version.Contains('-', StringComparison.Ordinal)).FirstOrDefault();

// Newest first.
IEnumerable<string> Versions(params string[] which) =>
    Git(["tag", "--list", "--sort=-version:refname", .. which, "v*"]).Split('\n')
        .Where(tag => Regex.IsMatch(tag, @"^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)))
        .Select(tag => tag[1..]);

void CheckTree(string? tagged)
{
    string changes = Git("status", "--porcelain");
    if (changes.Length > 0 && !preview)
        throw new InvalidOperationException($"the work tree has changes that are not committed:\n{changes}");
    if (changes.Length > 0)
        Console.WriteLine("The changes that are not committed are not part of the packages.");
    if (tagged is null && !preview)
        throw new InvalidOperationException("HEAD has no version tag such as v1.2.3. Set one, or use --preview.");
    if (!preview && Git("rev-parse", "--is-shallow-repository") == "true")
        throw new InvalidOperationException("this clone is shallow, so the last release is not known: git fetch --unshallow --tags");
    if (!preview && Environment.GetEnvironmentVariable("ProjectUrl") is null or "" && !Git("remote").Split('\n').Contains("origin", StringComparer.Ordinal))
        throw new InvalidOperationException("the address of the project, which the packages name, is not known: git remote add origin URL, or set ProjectUrl.");
}

void CheckChangelog(string? tagged)
{
    if (tagged is null)
        return;
    string[] headings = [.. Git("show", "HEAD:CHANGELOG.md").Split('\n').Where(line => line.StartsWith("## ", StringComparison.Ordinal))];
    if (!headings.Any(heading => Regex.IsMatch(heading, $@"^## \[{Regex.Escape(tagged)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", RegexOptions.None, TimeSpan.FromSeconds(1))))
        throw new InvalidOperationException($"CHANGELOG.md has no section '## [{tagged}] - YYYY-MM-DD'. Its newest one is '{headings.FirstOrDefault()}'.");
}

// What is released is shipped; only what a pre-release has may still change.
void CheckShipped(string? tagged)
{
    if (tagged is null || tagged.Contains('-', StringComparison.Ordinal))
        return;
    string[] left = [.. Git("ls-tree", "-r", "--name-only", "HEAD", "src/").Split('\n')
        .Where(path => path.EndsWith("/PublicAPI.Unshipped.txt", StringComparison.Ordinal) || path.EndsWith("/AnalyzerReleases.Unshipped.md", StringComparison.Ordinal))
        .Where(path => Git("show", $"HEAD:{path}").Split('\n').Any(line => !Regex.IsMatch(line, @"^\W*(#.*|;.*|Rule ID.*)?$", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1))))];
    if (left.Length > 0)
        throw new InvalidOperationException($"lines have to be moved to the files of what is shipped: {string.Join(", ", left)}");
}

void Make(string folder, string? tagged)
{
    string commit = Git("rev-parse", "HEAD");
    string[] baseline = Baseline();
    string[] packages = [.. trees.Select(tree => Path.Combine(tree, "artifacts", "packages"))];
    for (int i = 0; i < trees.Length; i++)
    {
        Console.WriteLine($"\nBuild {i + 1} of {trees.Length}");
        Git("worktree", "add", "--quiet", "--detach", trees[i], commit);
        // The analyzers have no influence on what comes out, and .ci/run has passed with them.
        Run(trees[i], "dotnet", [
            "pack", Path.Combine("src", "Packages.proj"), "-c", "Release", "-o", packages[i], "-v", "q", "-nologo", "-warnaserror", "-nodeReuse:false",
            "-p:UseSharedCompilation=false", "-p:RunAnalyzers=false", "-p:ContinuousIntegrationBuild=true", $"-p:DeterministicTimestamp={CommitTime(commit)}",
            .. baseline], show: true);
    }

    Compare(packages[0], packages[1]);
    string version = CheckPackages(packages[0], tagged);
    string bill = WriteBillOfMaterials(trees[0], packages[0], version, commit);

    Directory.CreateDirectory(folder);
    foreach (string file in Directory.GetFiles(packages[0]))
        File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
    File.Copy(bill, Path.Combine(folder, Path.GetFileName(bill)));
    string[] files = [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)];
    // The format of sha256sum, which checks it: sha256sum -c SHA256SUMS
    File.WriteAllText(Path.Combine(folder, "SHA256SUMS"), string.Concat(files.Select(file => $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)))}  {Path.GetFileName(file)}\n")));
    Console.WriteLine($"\n{(tagged is null ? "Preview" : "Release")} {version} of {commit} is in {folder}");
}

// The public API is compared with that of the last earlier release, package by package.
string[] Baseline()
{
    string? last = Versions("--merged", "HEAD", "--no-contains", "HEAD").FirstOrDefault(version => !version.Contains('-', StringComparison.Ordinal));
    if (last is null)
    {
        Console.WriteLine("There is no earlier release: the public API is not compared with one.");
        return [];
    }

    string[] projects = [.. Git("ls-tree", "-r", "--name-only", $"v{last}", "src/").Split('\n')
        .Where(path => path.EndsWith(".csproj", StringComparison.Ordinal)).Select(path => Path.GetFileNameWithoutExtension(path)!)];
    Console.WriteLine($"The public API is compared with that of {last}.");
    return [$"-p:LastRelease={last}", $"-p:LastReleaseProjects=|{string.Join('|', projects)}|"];
}

static void Compare(string one, string two)
{
    List<string> differences = [];
    int entries = 0;
    string[] names = [.. Directory.GetFiles(one).Concat(Directory.GetFiles(two)).Select(file => Path.GetFileName(file)!).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    foreach (string name in names)
    {
        string first = Path.Combine(one, name), second = Path.Combine(two, name);
        if (!File.Exists(first) || !File.Exists(second))
        {
            differences.Add($"{name} came out of one build only");
            continue;
        }

        Dictionary<string, string> firstEntries = Entries(first), secondEntries = Entries(second);
        entries += firstEntries.Count;
        if (File.ReadAllBytes(first).AsSpan().SequenceEqual(File.ReadAllBytes(second)))
            continue;
        string[] different = [.. firstEntries.Except(secondEntries).Concat(secondEntries.Except(firstEntries)).Select(entry => entry.Key).Distinct(StringComparer.Ordinal)];
        differences.Add($"{name}: {(different.Length > 0 ? string.Join(", ", different) : "the entries are the same, their times or their order are not (the SDK is older than 10.0.401?)")}");
    }

    if (differences.Count > 0)
        throw new InvalidOperationException($"the two builds differ:\n{string.Join('\n', differences)}");
    Console.WriteLine($"\nBoth builds made the same bytes: {names.Length} packages with {entries} files.");
}

// The path and the hash of each.
static Dictionary<string, string> Entries(string package)
{
    using ZipArchive zip = ZipFile.OpenRead(package);
    Dictionary<string, string> entries = new(StringComparer.Ordinal);
    foreach (ZipArchiveEntry entry in zip.Entries)
    {
        using Stream content = entry.Open();
        entries.Add(entry.FullName, Convert.ToHexString(SHA256.HashData(content)));
    }

    return entries;
}

// All have one version, that of the tag if there is one, and what has an assembly has its symbols.
static string CheckPackages(string folder, string? tagged)
{
    HashSet<string> versions = new(StringComparer.Ordinal);
    foreach (string package in Directory.GetFiles(folder, "*.nupkg"))
    {
        using ZipArchive zip = ZipFile.OpenRead(package);
        using Stream nuspec = zip.Entries.Single(entry => !entry.FullName.Contains('/', StringComparison.Ordinal) && entry.Name.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        XElement metadata = XDocument.Load(nuspec).Root!.Elements().Single(element => element.Name.LocalName == "metadata");
        versions.Add(metadata.Elements().Single(element => element.Name.LocalName == "version").Value);
        bool hasAssembly = zip.Entries.Any(entry => entry.FullName.StartsWith("lib/", StringComparison.Ordinal) && entry.Name.EndsWith(".dll", StringComparison.Ordinal));
        if (hasAssembly && !File.Exists(Path.ChangeExtension(package, ".snupkg")))
            throw new InvalidOperationException($"{Path.GetFileName(package)} has no package of symbols.");
    }

    if (versions.Count != 1 || (tagged ?? versions.Single()) != versions.Single())
        throw new InvalidOperationException($"the packages have the versions {string.Join(", ", versions)}, the tag has {tagged ?? "none"}.");
    return versions.Single();
}

// SPDX 2.2, of the packages and of what they were built with. Its name and its time follow from the commit.
string WriteBillOfMaterials(string tree, string packages, string version, string commit)
{
    string folder = Directory.CreateDirectory(Path.Combine(temporary, "sbom")).FullName;
    Run(tree, "dotnet", ["tool", "restore"], show: false);
    Run(tree, "dotnet", [
        "sbom-tool", "generate", "-b", packages, "-bc", Path.Combine(tree, "src"), "-m", folder, "-pm", "true", "-pn", "WebSocketServerKit", "-pv", version,
        "-ps", "WebSocketServerKit contributors", "-nsb", "https://spdx.org/spdxdocs", "-nsu", commit,
        "-gt", DateTimeOffset.FromUnixTimeSeconds(CommitTime(commit)).ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)], show: false);
    string made = File.ReadAllText(Path.Combine(folder, "_manifest", "spdx_2.2", "manifest.spdx.json"));
    // One id is made at random.
    JsonNode document = JsonNode.Parse(Regex.Replace(made, "(?<=tag_id=)[0-9a-f-]{36}", commit, RegexOptions.None, TimeSpan.FromSeconds(1)))!;
    string file = Path.Combine(folder, $"WebSocketServerKit.{version}.spdx.json");
    File.WriteAllText(file, Sorted(document)!.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    return file;
}

// The order of its lists has no meaning, and changes from run to run.
static JsonNode? Sorted(JsonNode? node) => node switch
{
    JsonArray list => new JsonArray([.. list.Select(Sorted).OrderBy(item => item?.ToJsonString(), StringComparer.Ordinal)]),
    JsonObject members => new JsonObject(members.Select(member => KeyValuePair.Create(member.Key, Sorted(member.Value)))),
    _ => node?.DeepClone(),
};

long CommitTime(string commit) => long.Parse(Git("show", "-s", "--format=%ct", commit), CultureInfo.InvariantCulture);

string Git(params string[] arguments) => Run(root, "git", arguments, show: false);

// What it prints is shown at once, or returned and shown only if it fails.
string Run(string folder, string program, string[] arguments, bool show)
{
    if (isInterrupted)
        throw new InvalidOperationException("interrupted");
    using Process process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, UseShellExecute = false, RedirectStandardOutput = !show })!;
    string output = show ? "" : process.StandardOutput.ReadToEnd().TrimEnd();
    process.WaitForExit();
    return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {arguments[0]} ended with {process.ExitCode}. {output}".TrimEnd());
}

static int Fail(string message)
{
    Console.Error.WriteLine($"error: {message}");
    return 1;
}
