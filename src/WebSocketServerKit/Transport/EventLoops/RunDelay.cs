using System.Globalization;
using System.Runtime.Versioning;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>How long a thread was ready to run while other threads had the cores, as Linux counts it (run_delay). May be read from any thread.</summary>
[SupportedOSPlatform("linux")]
internal sealed class RunDelay
{
    private readonly string? _file;

    private RunDelay(string? file) => _file = file;

    /// <summary>The delay since the thread has started. Zero if the system does not tell, or the thread has ended.</summary>
    public TimeSpan Total
    {
        get
        {
            if (_file is null)
                return TimeSpan.Zero;
            try
            {
                return Parse(File.ReadAllText(_file));
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return TimeSpan.Zero;
            }
        }
    }

    /// <summary>That of the calling thread.</summary>
    public static RunDelay OfThisThread()
    {
        try
        {
            return new RunDelay(new FileInfo("/proc/thread-self").LinkTarget is { } thread ? $"/proc/{thread}/schedstat" : null);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new RunDelay(null);
        }
    }

    /// <summary>Reads the second number of /proc/…/schedstat, which is in nanoseconds.</summary>
    /// <returns>Zero if there is none.</returns>
    internal static TimeSpan Parse(string text) =>
        text.Split(' ') is [_, var delay, ..] && long.TryParse(delay, NumberStyles.None, CultureInfo.InvariantCulture, out long nanoseconds)
            ? TimeSpan.FromTicks(nanoseconds / TimeSpan.NanosecondsPerTick)
            : TimeSpan.Zero;
}
