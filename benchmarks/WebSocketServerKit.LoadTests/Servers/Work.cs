using System.Globalization;
using System.Runtime.InteropServices;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>
/// What a handler does that computes. It does not sleep: a thread that waits leaves the core to others, so that what a server gets done would depend on how many
/// threads its pool has by then.
/// </summary>
internal static partial class Work
{
    private const string Prefix = "/work/";
    private const int ThreadProcessorTime = 3; // CLOCK_THREAD_CPUTIME_ID

    private static long _done;

    /// <summary>How many messages this process has worked on.</summary>
    public static long Done => Interlocked.Read(ref _done);

    /// <summary>The path of clients whose messages take so long each.</summary>
    public static string PathFor(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{(long)time.TotalMicroseconds}");

    public static bool IsFor(string path) => path.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Works on one message: the time is the thread's own on the processor, so that two at once on one core take twice as long.</summary>
    public static void Do(string path)
    {
        long nanoseconds = int.Parse(path.AsSpan(Prefix.Length), CultureInfo.InvariantCulture) * 1000L;
        if (nanoseconds > 0)
        {
            long end = Used() + nanoseconds;
            while (Used() < end)
                Thread.SpinWait(10);
        }

        Interlocked.Increment(ref _done);
    }

    private static long Used()
    {
        _ = GetTime(ThreadProcessorTime, out TimeSpec time);
        return time.Seconds * 1_000_000_000L + time.Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    // struct timespec { time_t tv_sec; long tv_nsec; }
    private readonly record struct TimeSpec(nint Seconds, nint Nanoseconds);
}
