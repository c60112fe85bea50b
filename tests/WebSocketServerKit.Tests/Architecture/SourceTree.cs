using WebSocketServerKit.TestKit;

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

/// <summary>The C# files of the repository.</summary>
internal static class SourceTree
{
    /// <summary>The C# files of the library.</summary>
    public static SourceFile[] Library { get; } =
        [.. Files("src/WebSocketServerKit").Order(StringComparer.Ordinal).Select(path => Read("src/WebSocketServerKit", path))];

    /// <summary>The paths of the C# files below a project.</summary>
    public static HashSet<string> Files(string project)
    {
        string folder = Path.Combine(Repository.Root, project);
        IEnumerable<string> paths = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'))
            .Where(path => !path.StartsWith("obj/", StringComparison.Ordinal) && !path.StartsWith("bin/", StringComparison.Ordinal));
        return new HashSet<string>(paths, StringComparer.Ordinal);
    }

    private static SourceFile Read(string project, string path) => new(path, Repository.Read($"{project}/{path}"));
}
