namespace WebSocketServerKit.Architecture;

/// <summary>A source file, by its path below the project that it belongs to.</summary>
internal sealed record SourceFile(string Path, string Text)
{
    /// <summary>The first folder of the path, which stands for a layer; empty for files that lie in none.</summary>
    public string Layer => Path.Contains('/', StringComparison.Ordinal) ? Path[..Path.IndexOf('/', StringComparison.Ordinal)] : "";

    /// <summary>All folders of the path.</summary>
    public string Folder => Path.Contains('/', StringComparison.Ordinal) ? Path[..Path.LastIndexOf('/')] : "";

    /// <summary>The text without comments and literals.</summary>
    public string Code { get; } = CSharpCode.In(Text);
}

/// <summary>The repository that the tests were built from.</summary>
internal static class SourceTree
{
    // Looked for above the test's binary: in a build with deterministic source paths, as CI makes it, [CallerFilePath] is no path of
    // the machine.
    private static readonly string Root = FindRoot();

    /// <summary>The C# files of the library.</summary>
    public static SourceFile[] Library { get; } =
        [.. Files("src/WebSocketServerKit").Order(StringComparer.Ordinal).Select(path => Read("src/WebSocketServerKit", path))];

    /// <summary>The paths of the C# files below a project.</summary>
    public static HashSet<string> Files(string project)
    {
        string folder = Path.Combine(Root, project);
        IEnumerable<string> paths = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'))
            .Where(path => !path.StartsWith("obj/", StringComparison.Ordinal) && !path.StartsWith("bin/", StringComparison.Ordinal));
        return new HashSet<string>(paths, StringComparer.Ordinal);
    }

    /// <summary>The text of a file.</summary>
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path)).ReplaceLineEndings("\n");

    private static SourceFile Read(string project, string path) => new(path, File.ReadAllText(Path.Combine(Root, project, path)));

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "WebSocketServerKit.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException($"There is no WebSocketServerKit.sln above {AppContext.BaseDirectory}.");
    }
}
