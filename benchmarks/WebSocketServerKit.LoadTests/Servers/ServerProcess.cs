using System.Diagnostics;
using System.Globalization;
using WebSocketServerKit.LoadTests.Measuring;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>A <see cref="Contender"/> in a process of its own, on the server's core.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;

    private ServerProcess(Contender contender, Process process, int port, bool usesTls)
    {
        Contender = contender;
        _process = process;
        Port = port;
        UsesTls = usesTls;
    }

    public Contender Contender { get; }

    public int Port { get; }

    public bool UsesTls { get; }

    /// <summary>The processor time it has used; the system counts it in steps of 10 ms.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Its resident set.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Asks how many messages it has worked on.</summary>
    public long GetWorkDone()
    {
        _process.StandardInput.WriteLine();
        return long.Parse(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"The process of {Contender.Name} has ended."), CultureInfo.InvariantCulture);
    }

    public static async Task<ServerProcess> StartAsync(Contender contender, Service service, string? certificate = null)
    {
        ProcessStartInfo start = OwnProgram.StartInfo("contender", contender.Name, "--service", service.ToString());
        if (certificate is not null)
        {
            start.ArgumentList.Add("--certificate");
            start.ArgumentList.Add(certificate);
        }

        Process process = Cores.OnServerCore(() => Process.Start(start)!);
        string port = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"The process of {contender.Name} ended before it listened.");
        return new ServerProcess(contender, process, int.Parse(port, CultureInfo.InvariantCulture), certificate is not null);
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
