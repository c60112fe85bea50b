using System.Globalization;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>How many files, sockets among them, this process may have open at once.</summary>
internal static class OpenFileLimit
{
    private const string Name = "Max open files";

    /// <summary>
    /// The limit that holds now; null where it is not known, as elsewhere than on Linux, or where there is none. .NET has raised it to the most that the
    /// process may set by itself.
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
            return null; // /proc is not there, or closed to us: then the system tells when the limit is reached
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
