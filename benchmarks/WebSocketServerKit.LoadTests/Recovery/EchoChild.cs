using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Recovery;

/// <summary>What the server's process says of itself.</summary>
internal sealed record ChildReport(long Connected, long Disconnected, long Clean, int Registered, long HeapBytes, long Messages, long Unobserved, long Errors)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Connected} {Disconnected} {Clean} {Registered} {HeapBytes} {Messages} {Unobserved} {Errors}");

    public static ChildReport Parse(string line)
    {
        long[] numbers = [.. line.Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
        return new ChildReport(numbers[0], numbers[1], numbers[2], (int)numbers[3], numbers[4], numbers[5], numbers[6], numbers[7]);
    }
}

/// <summary>An echo server in a process of its own; the handler of a text message first sleeps for as many milliseconds as it says. It prints its port, answers each line on its input with a report, and ends with its input.</summary>
internal sealed class EchoChild : IDisposable
{
    private readonly Process _process;

    private EchoChild(Process process, int port)
    {
        _process = process;
        Port = port;
    }

    public int Port { get; }

    /// <summary>Open file descriptors of the server's process; its own pipes and libraries included.</summary>
    public int Handles => Directory.GetFiles($"/proc/{_process.Id}/fd").Length;

    /// <param name="transport">How it waits for sockets.</param>
    /// <param name="loops">The number of its event loops; null for one for each processor.</param>
    public static async Task<EchoChild> StartAsync(WebSocketTransport transport, int? loops = null)
    {
        ProcessStartInfo start = OwnProgram.StartInfo("serve", "--transport", transport.ToString());
        if (loops is { } count)
        {
            start.ArgumentList.Add("--loops");
            start.ArgumentList.Add(count.ToString(CultureInfo.InvariantCulture));
        }

        // One array of each size, or what the pool keeps would hide what is lost.
        start.Environment["DOTNET_SYSTEM_BUFFERS_SHAREDARRAYPOOL_MAXARRAYSPERPARTITION"] = "1";
        Process process = Process.Start(start)!;
        string port = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The server's process ended before it listened.");
        return new EchoChild(process, int.Parse(port, CultureInfo.InvariantCulture));
    }

    /// <summary>A report after a full garbage collection.</summary>
    public async Task<ChildReport> ReportAsync()
    {
        await _process.StandardInput.WriteLineAsync("report");
        string line = await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The server's process has ended.");
        return ChildReport.Parse(line);
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    public static async Task ServeAsync(WebSocketTransport transport, int? loops)
    {
        long connected = 0, disconnected = 0, clean = 0, messages = 0, unobserved = 0;
        TaskScheduler.UnobservedTaskException += (_, e) =>
        {
            Interlocked.Increment(ref unobserved);
            Console.Error.WriteLine(e.Exception);
        };
        using ErrorCounter errors = new();
        await using WebSocketServer server = new(new WebSocketServerOptions { Transport = transport, EventLoops = loops }.Listen(new IPEndPoint(IPAddress.Loopback, 0)), errors);
        server.ClientConnected += (_, _) => Interlocked.Increment(ref connected);
        server.MessageReceived += async (_, e) =>
        {
            Interlocked.Increment(ref messages);
            if (e.MessageType == WebSocketMessageType.Text)
                Thread.Sleep(int.Parse(e.Text, CultureInfo.InvariantCulture)); // milliseconds
            await e.Client.SendAsync(e.Payload, e.MessageType);
        };
        server.ClientDisconnected += (_, e) =>
        {
            Interlocked.Increment(ref disconnected);
            if (e.WasClean)
                Interlocked.Increment(ref clean);
        };
        await server.StartAsync();
        Console.WriteLine(((IPEndPoint)server.EndPoints[0]).Port);

        while (await Console.In.ReadLineAsync() is not null)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            Console.WriteLine(new ChildReport(
                Interlocked.Read(ref connected),
                Interlocked.Read(ref disconnected),
                Interlocked.Read(ref clean),
                server.Clients.Count,
                GC.GetTotalMemory(forceFullCollection: true),
                Interlocked.Read(ref messages),
                Interlocked.Read(ref unobserved),
                errors.Count));
        }
    }

    /// <summary>A log that counts errors and shows them.</summary>
    private sealed class ErrorCounter : ILoggerFactory, ILogger
    {
        private long _count;

        public long Count => Interlocked.Read(ref _count);

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
                return;
            Interlocked.Increment(ref _count);
            Console.Error.WriteLine($"{formatter(state, exception)} {exception}");
        }

        public void Dispose()
        {
        }
    }
}
