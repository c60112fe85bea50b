using System.Diagnostics;
using HdrHistogram;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>Work for one server, from one thread. It is opened, measured once, and thrown away.</summary>
internal abstract class Load(ServerProcess server) : IDisposable
{
    // Until all clients are at it.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    protected ServerProcess Server { get; } = server;

    protected Epoll Epoll { get; } = new();

    /// <summary>How long what is counted in <see cref="Done"/> took, in nanoseconds.</summary>
    protected LongHistogram Latency { get; } = new(TimeSpan.NanosecondsPerTick * TimeSpan.TicksPerMinute, 3);

    /// <summary>What came back so far.</summary>
    protected long Done { get; set; }

    /// <summary>Nothing new is to be begun.</summary>
    protected bool IsEnding { get; private set; }

    /// <summary>Whether nothing is under way.</summary>
    protected abstract bool IsIdle { get; }

    /// <summary>Puts the first work under way; each answer brings the next, until <see cref="IsEnding"/>.</summary>
    protected abstract void Begin();

    /// <param name="time">How long.</param>
    /// <param name="unit">What is counted: msg.</param>
    public IReadOnlyList<Figure> Measure(TimeSpan time, string unit)
    {
        Begin();
        PumpFor(Settling);

        Latency.Reset();
        long done = Done;
        TimeSpan serverTime = Server.ProcessorTime;
        TimeSpan loadTime = Environment.CpuUsage.TotalTime;
        TimeSpan elapsed = PumpFor(time);
        serverTime = Server.ProcessorTime - serverTime;
        loadTime = Environment.CpuUsage.TotalTime - loadTime;
        done = Done - done;
        if (done == 0)
        {
            Finish(); // throws if the server does not answer at all
            throw new TimeoutException($"{Server.Contender.Name} answered nothing for {elapsed.TotalSeconds:N1} s (it used {serverTime.TotalSeconds:N2} s, the load {loadTime.TotalSeconds:N2} s), and did later.");
        }

        long resident = Server.ResidentBytes;
        double[] microseconds = [.. new[] { 50, 99, 99.9 }.Select(percentile => Latency.GetValueAtPercentile(percentile) / 1000.0)];

        Finish();
        return
        [
            new($"{unit}/s", done / elapsed.TotalSeconds, Compared: true),
            new($"server ns/{unit}", serverTime.TotalNanoseconds / Math.Max(1, done), Compared: true),
            new("p50 µs", microseconds[0], 1),
            new("p99 µs", microseconds[1], 1),
            new("p99.9 µs", microseconds[2], 1),
            new("RSS MiB", resident / 1048576.0, 1),
            new("server core %", serverTime / elapsed * 100),
            new("load core %", loadTime / elapsed * 100),
        ];
    }

    /// <summary>Lets what is under way come back.</summary>
    protected void Finish()
    {
        IsEnding = true;
        long start = Stopwatch.GetTimestamp();
        while (!IsIdle)
        {
            Pump();
            if (Stopwatch.GetElapsedTime(start) > Patience)
                throw new TimeoutException($"{Server.Contender.Name} does not answer.");
        }
    }

    /// <summary>Does what is to be done now.</summary>
    protected virtual void Pump() => Epoll.Pump();

    public virtual void Dispose() => Epoll.Dispose();

    private TimeSpan PumpFor(TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp(), done = -1, progress = start;
        while (Stopwatch.GetElapsedTime(start) < time)
        {
            Pump();
            if (done != Done)
                (done, progress) = (Done, Stopwatch.GetTimestamp());
            else if (Stopwatch.GetElapsedTime(progress) > Patience)
                throw new TimeoutException($"{Server.Contender.Name} does not answer.");
        }

        return Stopwatch.GetElapsedTime(start);
    }
}
