namespace WebSocketServerKit.Conformance;

/// <summary>Files of the repository that the tests lie in.</summary>
internal static class RepositoryFiles
{
    public static string Root { get; } = FindRoot();

    public static string ConformancePath => Path.Combine(Root, "docs", "conformance.md");

    public static string Conformance => File.ReadAllText(ConformancePath);

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "WebSocketServerKit.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} has WebSocketServerKit.sln.");
    }
}
