using System.Text.RegularExpressions;

namespace WebSocketServerKit.Architecture;

/// <summary>The house of the library: which folder may name the types of which.</summary>
internal static partial class Layers
{
    // What a host sees, and what ties it to a connection: one floor of several rooms.
    private static readonly string[] Top = ["", "Backplanes", "Clients", "Events", "Options", "Serving"];

    private static readonly string[] BelowTop = ["Connections", "Diagnostics", "Protocol", "Transport", "Scheduling", "Buffers"];

    /// <summary>For each folder the folders that it may name; the empty name is the root folder.</summary>
    public static readonly Dictionary<string, string[]> MayName = new(StringComparer.Ordinal)
    {
        [""] = [.. Top, .. BelowTop],
        ["Backplanes"] = [.. Top, .. BelowTop],
        ["Clients"] = [.. Top, .. BelowTop],
        ["Events"] = [.. Top, .. BelowTop],
        ["Options"] = [.. Top, .. BelowTop],
        ["Serving"] = [.. Top, .. BelowTop],
        ["Connections"] = ["Diagnostics", "Protocol", "Transport", "Scheduling", "Buffers"],
        ["Diagnostics"] = [],
        ["Protocol"] = ["Buffers"],
        ["Transport"] = ["Scheduling", "Buffers"],
        ["Scheduling"] = [],
        ["Buffers"] = [],
    };

    // Values that the host is told, which are known where they come about.
    private static readonly HashSet<(string Layer, string Type)> Shared =
        [
            ("Diagnostics", "DisconnectCause"), ("Diagnostics", "CutReason"), ("Connections", "DisconnectCause"), ("Connections", "ConnectionSide"),
            ("Transport", "Authority"), // The property of ProxyHeader has the name of a type of Protocol.
        ];

    // Event loops wait for the sockets of the room beside.
    private static readonly HashSet<(string From, string To)> Pairs = [("Transport/EventLoops", "Transport/Sockets")];

    // Whatever waits, knows the time, does input or output, or needs a second thread. Pure code takes values and returns values.
    private static readonly HashSet<string> Impure = new(StringComparer.Ordinal)
    {
        "Task", "ValueTask", "TaskCompletionSource", "CancellationToken", "CancellationTokenSource", "SynchronizationContext",
        "async", "await", "lock", "volatile", "Lock", "Monitor", "Interlocked", "Volatile", "Thread", "ThreadPool", "SemaphoreSlim",
        "Stream", "Socket", "NetworkStream", "SslStream", "TcpListener", "TcpClient", "Sockets",
        "Pipelines", "PipeReader", "PipeWriter", "File", "Console",
        "ILogger", "Logging", "Meter", "ActivitySource",
        "TimeProvider", "Timer", "PeriodicTimer", "Stopwatch", "Now", "UtcNow", "TickCount", "TickCount64", "GetTimestamp",
        "Random", "RandomNumberGenerator",
    };

    // The framework's compressors want a stream at their other end; there it is memory that reads and writes.
    private static readonly HashSet<(string Folder, string Word)> Pardoned = [("Protocol/Compression", "Stream")];

    /// <summary>Each place where a file names a type, or opens a namespace, of a folder that its own may not name.</summary>
    public static IEnumerable<string> ForbiddenArrows(IReadOnlyCollection<SourceFile> files)
    {
        ILookup<string, string> declaredIn = files
            .SelectMany(file => TopLevelTypes(file).Select(type => (type.Name, file.Layer)))
            .Distinct()
            .ToLookup(type => type.Name, type => type.Layer, StringComparer.Ordinal);
        foreach (SourceFile file in files)
        {
            foreach (string word in Words(file).Where(word => !Shared.Contains((file.Layer, word))))
                if (declaredIn[word].Any() && !declaredIn[word].Any(layer => IsAllowed(file.Layer, layer)))
                    yield return $"{file.Path} names {word} of {Named(declaredIn[word].First())}";
            foreach (Match match in UsedNamespace.Matches(file.Code))
                if (!IsAllowed(file.Layer, match.Groups["layer"].Value))
                    yield return $"{file.Path} uses the namespace of {Named(match.Groups["layer"].Value)}";
        }
    }

    /// <summary>Each place where a file of a layer names a type of a room of that layer in which it does not lie.</summary>
    public static IEnumerable<string> ArrowsBetweenRooms(IReadOnlyCollection<SourceFile> files, string layer)
    {
        ILookup<string, string> declaredIn = files
            .Where(file => file.Layer == layer && file.Folder != layer)
            .SelectMany(file => TopLevelTypes(file).Select(type => (type.Name, file.Folder)))
            .ToLookup(type => type.Name, type => type.Folder, StringComparer.Ordinal);
        return from file in files
               where file.Layer == layer
               from word in Words(file)
               from room in declaredIn[word]
               where room != file.Folder && !Pairs.Contains((file.Folder, room))
               select $"{file.Path} names {word} of {room}";
    }

    /// <summary>Each place where one of the folders names what pure code must not.</summary>
    public static IEnumerable<string> Impurities(IEnumerable<SourceFile> files, params string[] layers) =>
        from file in files
        where layers.Contains(file.Layer, StringComparer.Ordinal)
        from word in Words(file)
        where Impure.Contains(word) && !Pardoned.Contains((file.Folder, word))
        select $"{file.Path} names {word}";

    /// <summary>Each file whose namespace is not the one that its types call for.</summary>
    public static IEnumerable<string> MisplacedNamespaces(IEnumerable<SourceFile> files)
    {
        foreach (SourceFile file in files)
        {
            string folder = string.Join('.', new[] { "WebSocketServerKit", file.Folder.Replace('/', '.') }.Where(part => part.Length > 0));
            string found = Namespace.Match(file.Code).Groups["name"].Value;
            if (TopLevelTypes(file).Any(type => found != (type.Public ? "WebSocketServerKit" : folder)))
                yield return $"{file.Path} has the namespace {found}";
        }
    }

    /// <summary>The names of all types that are not inside others.</summary>
    public static IEnumerable<string> TypesIn(IEnumerable<SourceFile> files) => files.SelectMany(TopLevelTypes).Select(type => type.Name);

    private static bool IsAllowed(string from, string to) => from == to || MayName[from].Contains(to, StringComparer.Ordinal);

    private static string Named(string layer) => layer.Length == 0 ? "the root folder" : layer;

    private static IEnumerable<string> Words(SourceFile file) =>
        Word.Matches(file.Code).Select(match => match.Value).Distinct(StringComparer.Ordinal);

    // Types inside types are reached through the outer one's name.
    private static IEnumerable<(string Name, bool Public)> TopLevelTypes(SourceFile file) =>
        from match in Declaration.Matches(file.Code)
        where !IsInBraces(file.Code.AsSpan(0, match.Index))
        select (match.Groups["name"].Value, match.Groups["public"].Success);

    private static bool IsInBraces(ReadOnlySpan<char> before) => before.Count('{') != before.Count('}');

    [GeneratedRegex(
        @"(?<public>public\s+)?(\b(sealed|static|abstract|partial|readonly|ref|internal|file)\s+)*"
        + @"\b(class|struct|interface|enum|record\s+struct|record|delegate\s+[\w<>?]+)\s+(?<name>[A-Z]\w*)",
        RegexOptions.ExplicitCapture, Timeout.Infinite)]
    private static partial Regex Declaration { get; }

    [GeneratedRegex(@"\bnamespace\s+(?<name>[\w.]+)", RegexOptions.ExplicitCapture, Timeout.Infinite)]
    private static partial Regex Namespace { get; }

    [GeneratedRegex(@"\busing\s+(?:static\s+)?WebSocketServerKit\.(?<layer>\w+)", RegexOptions.ExplicitCapture, Timeout.Infinite)]
    private static partial Regex UsedNamespace { get; }

    [GeneratedRegex(@"\b[A-Za-z_]\w*\b", RegexOptions.ExplicitCapture, Timeout.Infinite)]
    private static partial Regex Word { get; }
}
