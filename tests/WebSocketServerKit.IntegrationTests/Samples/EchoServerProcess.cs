using System.Diagnostics;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary>The sample <c>EchoServer</c> in a process of its own.</summary>
internal sealed class EchoServerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private EchoServerProcess(Process process) => _process = process;

    /// <summary>What it has printed until it told how to stop it.</summary>
    public string Output => _output.ToString();

    /// <summary>Starts it, and waits until it listens.</summary>
    public static Task<EchoServerProcess> StartAsync(params string[] arguments) => StartAsync("dotnet", [Program, .. arguments]);

    /// <summary>Starts it by another program, which gets the command line of the sample as the last arguments.</summary>
    public static Task<EchoServerProcess> StartByAsync(string launcher, string[] launcherArguments, params string[] arguments) =>
        StartAsync(launcher, [.. launcherArguments, "dotnet", Program, .. arguments]);

    /// <summary>Runs it to its end: for arguments that it refuses.</summary>
    public static async Task<(int ExitCode, string Error)> RunAsync(params string[] arguments)
    {
        using Process process = Begin("dotnet", [Program, .. arguments]);
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestServer.Timely);
        string error = await process.StandardError.ReadToEndAsync(TestServer.Timely);
        await output;
        await process.WaitForExitAsync(TestServer.Timely);
        return (process.ExitCode, error);
    }

    /// <summary>What stands behind these words in a line of the output.</summary>
    public string Told(string words) => Assert.Single(Output.Split('\n'), line => line.StartsWith(words, StringComparison.Ordinal))[words.Length..].TrimEnd();

    /// <summary>The next line that it prints.</summary>
    public async Task<string> NextLineAsync() => await _process.StandardOutput.ReadLineAsync(TestServer.Timely) ?? "";

    /// <summary>Lets it stop as by Ctrl+C, and returns the last line.</summary>
    public async Task<string> StopAsync()
    {
        using Process kill = Begin("bash", ["-c", $"kill -TERM {_process.Id}"]);
        await kill.WaitForExitAsync(TestServer.Timely);
        string rest = await _process.StandardOutput.ReadToEndAsync(TestServer.Timely);
        await _process.WaitForExitAsync(TestServer.Timely);
        Assert.Equal(0, _process.ExitCode);
        return rest.TrimEnd();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(TestServer.Timely);
        _process.Dispose();
    }

    private static string Program => Path.Combine(AppContext.BaseDirectory, "EchoServer.dll");

    private static async Task<EchoServerProcess> StartAsync(string program, string[] arguments)
    {
        EchoServerProcess started = new(Begin(program, arguments));
        while (!started.Output.Contains("Press Ctrl+C to stop.", StringComparison.Ordinal))
        {
            if (await started._process.StandardOutput.ReadLineAsync(TestServer.Timely) is { } line)
                started._output.Append(line).Append('\n');
            else
                Assert.Fail($"It ended: {await started._process.StandardError.ReadToEndAsync(TestServer.Timely)}");
        }

        return started;
    }

    private static Process Begin(string program, string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false })!;
}
