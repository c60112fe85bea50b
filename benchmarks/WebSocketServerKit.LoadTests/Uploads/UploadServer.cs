using System.Diagnostics;
using System.Globalization;
using System.Net;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Uploads;

/// <summary>What the server has received, and the memory of its process in bytes: now, and at its peak since the report before.</summary>
internal sealed record UploadReport(long Messages, long Bytes, long Resident, long Peak);

/// <summary>A server in a process of its own that counts what it receives: it prints its port, answers each line on its input with a report, and ends with its input.</summary>
internal sealed class UploadServer : IDisposable
{
    private readonly Process _process;

    private UploadServer(Process process, int port)
    {
        _process = process;
        Port = port;
    }

    public int Port { get; }

    /// <param name="kind">How it receives: gathered or streamed.</param>
    public static async Task<UploadServer> StartAsync(string kind)
    {
        Process process = Process.Start(OwnProgram.StartInfo("upload-server", kind))!;
        string port = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The server's process ended before it listened.");
        return new UploadServer(process, int.Parse(port, CultureInfo.InvariantCulture));
    }

    public async Task<UploadReport> ReportAsync()
    {
        await _process.StandardInput.WriteLineAsync("report");
        string line = await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The server's process has ended.");
        long[] numbers = [.. line.Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
        return new UploadReport(numbers[0], numbers[1], numbers[2], numbers[3]);
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    public static async Task ServeAsync(string kind)
    {
        long messages = 0, bytes = 0;
        WebSocketServerOptions options = new()
        {
            MaxMessageSize = kind == "gathered" ? 1_000_000_000 : 1_000_000,
            StreamMessagesFrom = kind == "gathered" ? null : 64 * 1024,
            MaxBufferedBytes = 4_000_000_000,
            PerMessageDeflate = new PerMessageDeflateOptions(),
        };
        await using WebSocketServer server = new(options.Listen(new IPEndPoint(IPAddress.Loopback, 0)));
        server.MessageReceived += (_, e) =>
        {
            bytes += e.Payload.Length;
            messages++;
        };
        server.OnMessageStream(async (_, message) =>
        {
            byte[] buffer = new byte[64 * 1024];
            int count;
            while ((count = await message.ReadAsync(buffer)) > 0)
                bytes += count;
            messages++;
        });
        await server.StartAsync();
        Console.WriteLine(((IPEndPoint)server.EndPoints[0]).Port);
        while (await Console.In.ReadLineAsync() is not null)
        {
            long peak = Read("VmHWM:");
            // 5 makes the peak start again from what is there now: see proc(5).
            await File.WriteAllTextAsync("/proc/self/clear_refs", "5");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Interlocked.Read(ref messages)} {Interlocked.Read(ref bytes)} {Read("VmRSS:")} {peak}"));
        }
    }

    private static long Read(string field)
    {
        string line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith(field, StringComparison.Ordinal));
        return 1024 * long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }
}
