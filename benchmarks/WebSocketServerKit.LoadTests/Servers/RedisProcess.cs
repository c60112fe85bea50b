using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.LoadTests.Measuring;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>A Redis for the servers of one comparison, on the servers' core. It keeps nothing.</summary>
internal sealed class RedisProcess : IDisposable
{
    private const string Variable = "LOADTESTS_REDIS";

    private readonly Process _process;

    private RedisProcess(Process process) => _process = process;

    /// <summary>Where it is, for the servers that this process starts.</summary>
    public static string Configuration => Environment.GetEnvironmentVariable(Variable) ?? throw new InvalidOperationException("This server needs a Redis, which only the comparison cluster starts.");

    /// <summary>The processor time it has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public static async Task<RedisProcess> StartAsync()
    {
        using Socket free = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        free.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)free.LocalEndPoint!).Port;
        free.Dispose();
        ProcessStartInfo start = new("redis-server", ["--bind", "127.0.0.1", "--port", $"{port}", "--save", "", "--appendonly", "no"]) { RedirectStandardOutput = true, UseShellExecute = false };
        Process process;
        try
        {
            process = Cores.OnServerCore(() => Process.Start(start)!);
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            throw new InvalidOperationException("cluster needs Redis 7: apt-get install redis-server.", missing);
        }

        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (!line.Contains("Ready to accept connections", StringComparison.Ordinal))
                continue;
            _ = process.StandardOutput.ReadToEndAsync(); // a full pipe would block it
            Environment.SetEnvironmentVariable(Variable, $"127.0.0.1:{port}");
            return new RedisProcess(process);
        }

        throw new InvalidOperationException("redis-server ended before it was ready.");
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
