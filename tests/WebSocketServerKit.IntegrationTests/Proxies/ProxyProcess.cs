using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Proxies;

/// <summary>A real nginx or haproxy on one loopback port, with all its files in a temporary directory. It ends with the test.</summary>
internal sealed partial class ProxyProcess : IAsyncDisposable
{
    private const int Attempts = 5;

    // Below the ports that Linux gives to clients by default, so that no connection of another test has it.
    private const int FirstPort = 20_000, Ports = 12_000;

    private const int Terminate = 15;

    private readonly Process _process;
    private readonly DirectoryInfo _folder;
    private readonly ConcurrentQueue<string> _output = [];
    private readonly Channel<bool> _more = Channel.CreateUnbounded<bool>(); // one item for each line
    private readonly Task _pump;

    private ProxyProcess(string program, string configuration, DirectoryInfo folder, IPEndPoint endPoint)
    {
        _folder = folder;
        EndPoint = endPoint;
        string file = Path.Combine(folder.FullName, "proxy.conf");
        File.WriteAllText(file, configuration);
        string[] arguments = program is "nginx" ? ["-p", folder.FullName, "-e", "stderr", "-c", file] : ["-W", "-db", "-f", file];
        ProcessStartInfo start = new(Find(program)!, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder.FullName };
        _process = Process.Start(start)!;
        _pump = PumpAsync();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Starts nginx. The test is skipped, or fails in CI, where it is not installed.</summary>
    /// <param name="configuration">From the listening address to what belongs into the http block.</param>
    public static Task<ProxyProcess> StartNginxAsync(Func<string, string> configuration) => StartNginxAsync("", address => $$"""
        http {
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
        {{configuration(address)}}
        }
        """);

    /// <summary>Starts nginx with its module for TCP.</summary>
    /// <param name="configuration">From the listening address to the stream block.</param>
    public static Task<ProxyProcess> StartNginxStreamAsync(Func<string, string> configuration)
    {
        const string Module = "/usr/lib/nginx/modules/ngx_stream_module.so";
        RequireUnless(File.Exists(Module), "Needs nginx's module for TCP: apt-get install libnginx-mod-stream.");
        return StartNginxAsync($"load_module {Module};", configuration);
    }

    /// <summary>Starts haproxy.</summary>
    /// <param name="configuration">From the listening address to its sections.</param>
    /// <param name="address">The address to listen on.</param>
    public static Task<ProxyProcess> StartHaproxyAsync(Func<string, string> configuration, IPAddress? address = null) => StartAsync(
        "haproxy",
        "Loading success.",
        listen => $"""
            global
                noreuseport
                log stdout format raw local0
            defaults
                log global
                option log-health-checks
            {configuration(listen)}
            """,
        address);

    /// <summary>Waits for a line of its log.</summary>
    public async Task WaitForAsync(string text) =>
        Assert.True(await HasToldAsync(text), $"It ended and did not tell \"{text}\": {string.Join('\n', _output)}");

    public async ValueTask DisposeAsync()
    {
        // Asked to, haproxy waits for its worker, and nothing of it is left.
        if (!_process.HasExited)
            _ = SendSignal(_process.Id, Terminate);
        await _process.WaitForExitAsync(TestServer.Timely);
        await _pump.Timely();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    // One process, so that nothing of it is left over: it has no workers, and needs no user for them.
    private static Task<ProxyProcess> StartNginxAsync(string modules, Func<string, string> configuration) => StartAsync(
        "nginx",
        "OS: ", // the first thing that it tells when it listens
        address => $$"""
            {{modules}}
            daemon off;
            master_process off;
            pid nginx.pid;
            error_log stderr notice;
            events {}
            {{configuration(address)}}
            """);

    private static async Task<ProxyProcess> StartAsync(string program, string ready, Func<string, string> configuration, IPAddress? address = null)
    {
        RequireUnless(Find(program) is not null, $"Needs {program}: apt-get install {(program is "nginx" ? "nginx-light" : program)}.");
        for (int attempt = 1; ; attempt++)
        {
            IPEndPoint endPoint = FindFree(address ?? IPAddress.Loopback);
            var process = new ProxyProcess(program, configuration(endPoint.ToString()), Directory.CreateTempSubdirectory("wsk-proxy-"), endPoint);
            if (await process.HasToldAsync(ready))
                return process;

            string output = string.Join('\n', process._output);
            await process.DisposeAsync();
            // Somebody else was faster to take the port.
            if (attempt == Attempts || !output.Contains("ddress already in use", StringComparison.Ordinal))
                Assert.Fail($"{program} did not start: {output}");
        }
    }

    private static IPEndPoint FindFree(IPAddress address)
    {
        while (true)
        {
            try
            {
                using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(address, FirstPort + Random.Shared.Next(Ports)));
                return (IPEndPoint)socket.LocalEndPoint!;
            }
            catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Another one is free.
            }
        }
    }

    // The folders for administrators' programs are not in everybody's PATH.
    private static string? Find(string program) => $"{Environment.GetEnvironmentVariable("PATH")}:/usr/local/sbin:/usr/sbin:/sbin"
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, program))
        .FirstOrDefault(File.Exists);

    private static void RequireUnless(bool isThere, string reason)
    {
        if (isThere)
            return;
        Assert.SkipUnless(Environment.GetEnvironmentVariable("WSK_REQUIRE_EVERYTHING") is "1", reason);
        Assert.Fail(reason);
    }

    // False if it has ended before. A line may have come on one stream while another line was waited for on the other.
    private async Task<bool> HasToldAsync(string text)
    {
        bool goesOn = true;
        while (!_output.Any(line => line.Contains(text, StringComparison.Ordinal)))
        {
            if (!goesOn)
                return false;
            goesOn = await _more.Reader.WaitToReadAsync(TestServer.Timely);
            _more.Reader.TryRead(out _);
        }

        return true;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int processId, int signal);

    private async Task PumpAsync()
    {
        await Task.WhenAll(PumpAsync(_process.StandardOutput), PumpAsync(_process.StandardError));
        _more.Writer.Complete();
    }

    private async Task PumpAsync(StreamReader from)
    {
        while (await from.ReadLineAsync() is { } line)
        {
            _output.Enqueue(line);
            _more.Writer.TryWrite(true);
        }
    }
}
