namespace WebSocketServerKit.TestKit;

/// <summary>The repository that the tests were built from.</summary>
internal static class Repository
{
    // Looked for above the test's binary: in a build with deterministic source paths, as CI makes it, [CallerFilePath] is no path of
    // the machine.
    public static string Root { get; } = FindRoot();

    /// <summary>The text of a file, with \n at the ends of its lines.</summary>
    /// <param name="path">Its path below the root.</param>
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path)).ReplaceLineEndings("\n");

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "WebSocketServerKit.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException($"There is no WebSocketServerKit.sln above {AppContext.BaseDirectory}.");
    }
}
