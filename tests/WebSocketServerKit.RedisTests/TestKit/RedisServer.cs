using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using StackExchange.Redis;

namespace WebSocketServerKit.TestKit;

/// <summary>A real Redis on a Unix domain socket of its own, without files that outlive it. It ends with the test.</summary>
internal sealed partial class RedisServer : IAsyncDisposable
{
    private const int Kill = 9, Terminate = 15, Continue = 18, Stop = 19;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("wsk-redis-");
    private readonly string[] _arguments;
    private Process _process;
    private TaskCompletionSource _ready;

    private RedisServer(string[] arguments)
    {
        _arguments = arguments;
        (_process, _ready) = Launch();
    }

    /// <summary>For <see cref="ConfigurationOptions.Parse(string)"/>. It stays the same when Redis is restarted.</summary>
    public string Configuration => $"!{SocketPath},abortConnect=false,connectTimeout=20000";

    /// <summary>Where it listens.</summary>
    public string SocketPath => Path.Combine(_folder.FullName, "redis.sock");

    /// <summary>Starts Redis. The test is skipped, or fails in CI, where it is not installed.</summary>
    /// <param name="arguments">More of its settings: <c>--maxmemory</c>, <c>100mb</c>.</param>
    public static async Task<RedisServer> StartAsync(params string[] arguments)
    {
        if (Find() is null)
        {
            const string Reason = "Needs Redis 7: apt-get install redis-server.";
            Assert.SkipUnless(Environment.GetEnvironmentVariable("WSK_REQUIRE_EVERYTHING") is "1", Reason);
            Assert.Fail(Reason);
        }

        var server = new RedisServer(arguments);
        await server._ready.Task.WaitAsync(TimeSpan.FromSeconds(30));
        return server;
    }

    /// <summary>A connection to it.</summary>
    public async Task<ConnectionMultiplexer> ConnectAsync(string more = "") => await ConnectionMultiplexer.ConnectAsync(Configuration + more);

    /// <summary>All commands that Redis carries out from then on, a line for each.</summary>
    public async Task<StreamReader> MonitorAsync()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath));
        NetworkStream stream = new(socket, ownsSocket: true);
        await stream.WriteAsync("MONITOR\r\n"u8.ToArray());
        StreamReader commands = new(stream);
        Assert.Equal("+OK", await commands.ReadLineAsync());
        return commands;
    }

    /// <summary>Ends it at once, as a crash would. It has no persistence: its contents are gone.</summary>
    public async Task KillAsync() => await EndAsync(Kill);

    /// <summary>Starts it again after <see cref="KillAsync"/>.</summary>
    public async Task RestartAsync()
    {
        (_process, _ready) = Launch();
        await _ready.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    /// <summary>Stops its process. Connections stay open, and nothing is answered.</summary>
    public void Pause() => Assert.Equal(0, SendSignal(_process.Id, Stop));

    /// <summary>Lets its process go on.</summary>
    public void Resume() => Assert.Equal(0, SendSignal(_process.Id, Continue));

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            Resume();
            await EndAsync(Terminate);
        }

        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    private static string? Find() => $"{Environment.GetEnvironmentVariable("PATH")}:/usr/local/bin:/usr/bin:/usr/sbin"
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, "redis-server"))
        .FirstOrDefault(File.Exists);

    private async Task EndAsync(int signal)
    {
        _ = SendSignal(_process.Id, signal);
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
    }

    private (Process Process, TaskCompletionSource Ready) Launch()
    {
        TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        string[] arguments = ["--port", "0", "--unixsocket", SocketPath, "--dir", _folder.FullName, "--save", "", "--appendonly", "no", .. _arguments];
        var process = new Process { StartInfo = new ProcessStartInfo(Find()!, arguments) { RedirectStandardOutput = true, UseShellExecute = false } };
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("ready to accept connections at", StringComparison.OrdinalIgnoreCase) is true)
                ready.TrySetResult();
        };
        process.Start();
        process.BeginOutputReadLine();
        return (process, ready);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int processId, int signal);
}
