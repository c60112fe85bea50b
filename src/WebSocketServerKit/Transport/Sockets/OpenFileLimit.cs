using System.Globalization;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>The limit on open files of this process. Each socket is one.</summary>
internal static class OpenFileLimit
{
    private const string Name = "Max open files";

    /// <summary>
    /// The current soft limit. Null if there is none, or if it is unknown, as on systems other than Linux. At its start .NET has raised it to the hard limit.
    /// </summary>
    public static long? Read()
    {
        if (!OperatingSystem.IsLinux())
            return null;

        try
        {
            return Parse(File.ReadAllText("/proc/self/limits"));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null; // /proc is missing or not readable
        }
    }

    /// <summary>The soft limit in the text of <c>/proc/self/limits</c> (proc(5)); null if it is not there or <c>unlimited</c>.</summary>
    public static long? Parse(ReadOnlySpan<char> limits)
    {
        foreach (ReadOnlySpan<char> line in limits.EnumerateLines())
        {
            if (!line.StartsWith(Name, StringComparison.Ordinal))
                continue;

            ReadOnlySpan<char> values = line[Name.Length..].TrimStart(' ');
            ReadOnlySpan<char> soft = values.IndexOf(' ') is >= 0 and var length ? values[..length] : values;
            return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out long limit) ? limit : null;
        }

        return null;
    }
}
