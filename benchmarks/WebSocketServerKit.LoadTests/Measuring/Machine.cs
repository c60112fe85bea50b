using System.Runtime.InteropServices;

namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>Where the figures come from.</summary>
internal sealed record Machine(string Processor, int Cores, string Kernel, string Runtime, string Placement)
{
    public static Machine Describe()
    {
        string[] models = [.. File.ReadLines("/proc/cpuinfo").Where(line => line.StartsWith("model name", StringComparison.Ordinal))];
        return new Machine(
            models.Length > 0 ? models[0][(models[0].IndexOf(':', StringComparison.Ordinal) + 2)..] : RuntimeInformation.ProcessArchitecture.ToString(),
            models.Length > 0 ? models.Length : Environment.ProcessorCount,
            File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
            RuntimeInformation.FrameworkDescription,
            Measuring.Cores.Description);
    }

    public override string ToString() => $"{Processor}, {Cores} cores, Linux {Kernel}, {Runtime}, {Placement}";
}
