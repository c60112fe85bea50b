using System.Diagnostics;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary>A sample in a process of its own.</summary>
internal sealed class SampleProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private SampleProcess(Process process) => _process = process;

    /// <summary>What it has printed until it told how to stop it.</summary>
    public string Output => _output.ToString();

    /// <summary>Starts it, and waits until it listens.</summary>
    public static Task<SampleProcess> StartAsync(string sample, params string[] arguments) => WhenStartedAsync("dotnet", [ProgramOf(sample), .. arguments]);

    /// <summary>Starts it by another program, which gets the command line of the sample as the last arguments.</summary>
    public static Task<SampleProcess> StartByAsync(string launcher, string[] launcherArguments, string sample, params string[] arguments) =>
        WhenStartedAsync(launcher, [.. launcherArguments, "dotnet", ProgramOf(sample), .. arguments]);

    /// <summary>Runs it to its end: for arguments that it refuses.</summary>
    public static async Task<(int ExitCode, string Error)> RunAsync(string sample, params string[] arguments)
    {
        using Process process = Begin("dotnet", [ProgramOf(sample), .. arguments]);
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

    /// <summary>How many of its threads have names that begin so. Linux only.</summary>
    public int Threads(string name) =>
        Directory.EnumerateDirectories($"/proc/{_process.Id}/task").Count(thread => File.ReadAllText(Path.Combine(thread, "comm")).StartsWith(name, StringComparison.Ordinal));

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

    private static string ProgramOf(string sample) => Path.Combine(AppContext.BaseDirectory, $"{sample}.dll");

    private static async Task<SampleProcess> WhenStartedAsync(string program, string[] arguments)
    {
        SampleProcess started = new(Begin(program, arguments));
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
