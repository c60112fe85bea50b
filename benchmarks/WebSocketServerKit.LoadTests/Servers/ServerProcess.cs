using System.Diagnostics;
using System.Globalization;
using WebSocketServerKit.LoadTests.Measuring;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>A <see cref="Contender"/> in a process of its own, or in several that act as one, on the server's core.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly List<(Process Process, int Port)> _nodes = [];

    private ServerProcess(Contender contender, bool usesTls)
    {
        Contender = contender;
        UsesTls = usesTls;
    }

    public Contender Contender { get; }

    public int Port => PortOf(0);

    /// <summary>How many processes there are.</summary>
    public int Nodes => _nodes.Count;

    public bool UsesTls { get; }

    /// <summary>The processor time it has used; the system counts it in steps of 10 ms.</summary>
    public TimeSpan ProcessorTime => new(Sum(process => process.TotalProcessorTime.Ticks));

    /// <summary>Its resident set.</summary>
    public long ResidentBytes => Sum(process => process.WorkingSet64);

    public int PortOf(int node) => _nodes[node].Port;

    /// <summary>Asks how many messages it has worked on.</summary>
    public long GetWorkDone()
    {
        _nodes[0].Process.StandardInput.WriteLine();
        return long.Parse(_nodes[0].Process.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"The process of {Contender.Name} has ended."), CultureInfo.InvariantCulture);
    }

    public static async Task<ServerProcess> StartAsync(Contender contender, Service service, string? certificate = null)
    {
        ProcessStartInfo start = OwnProgram.StartInfo("contender", contender.Name, "--service", service.ToString());
        if (certificate is not null)
        {
            start.ArgumentList.Add("--certificate");
            start.ArgumentList.Add(certificate);
        }

        ServerProcess server = new(contender, certificate is not null);
        for (int i = 0; i < contender.Processes; i++)
        {
            Process process = Cores.OnServerCore(() => Process.Start(start)!);
            string port = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"The process of {contender.Name} ended before it listened.");
            server._nodes.Add((process, int.Parse(port, CultureInfo.InvariantCulture)));
        }

        return server;
    }

    public void Dispose()
    {
        foreach ((Process process, _) in _nodes)
        {
            process.StandardInput.Close();
            process.WaitForExit();
            process.Dispose();
        }
    }

    private long Sum(Func<Process, long> read)
    {
        long sum = 0;
        foreach ((Process process, _) in _nodes)
        {
            process.Refresh();
            sum += read(process);
        }

        return sum;
    }
}
