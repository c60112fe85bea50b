using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>Keeps servers on one core and the load on another, where this process has more than one.</summary>
internal static partial class Cores
{
    private const int Cpus = 1024;

    private static readonly int[] Allowed = ReadAllowed();

    public static string Description => Allowed.Length > 1 ? $"server on core {Allowed[0]}, load on core {Allowed[^1]}" : "server and load share a core";

    /// <summary>All threads of this process move to the load's core; those that they start inherit it.</summary>
    public static void MoveToLoadCore()
    {
        foreach (string thread in Directory.EnumerateDirectories("/proc/self/task"))
            _ = Move(int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture), Allowed[^1]); // one that has ended meanwhile needs no core
    }

    /// <summary>What is started here is on the server's core from its first instruction: a runtime looks at its cores once, at its start.</summary>
    public static T OnServerCore<T>(Func<T> start)
    {
        Check(Move(0, Allowed[0]));
        try
        {
            return start();
        }
        finally
        {
            Check(Move(0, Allowed[^1]));
        }
    }

    private static int[] ReadAllowed()
    {
        byte[] mask = new byte[Cpus / 8];
        Check(GetAffinity(0, mask.Length, ref mask[0]));
        return [.. Enumerable.Range(0, Cpus).Where(cpu => (mask[cpu / 8] >> cpu % 8 & 1) != 0)];
    }

    // Thread 0 is the one that calls.
    private static int Move(int thread, int cpu)
    {
        Span<byte> mask = stackalloc byte[Cpus / 8];
        mask.Clear();
        mask[cpu / 8] = (byte)(1 << cpu % 8);
        return SetAffinity(thread, mask.Length, ref mask[0]);
    }

    private static void Check(int result)
    {
        if (result < 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError());
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static partial int GetAffinity(int thread, nint size, ref byte mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int thread, nint size, ref byte mask);
}
