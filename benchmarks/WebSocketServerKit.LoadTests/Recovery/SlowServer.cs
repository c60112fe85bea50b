using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Recovery;

/// <summary>What the server's process says of itself.</summary>
internal sealed record SlowReport(long Sent, long Dropped, long Replaced, long Slow, long MostUnsent, long BufferedBytes, long ResidentBytes)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Sent} {Dropped} {Replaced} {Slow} {MostUnsent} {BufferedBytes} {ResidentBytes}");

    public static SlowReport Parse(string line)
    {
        long[] numbers = [.. line.Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
        return new SlowReport(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]);
    }
}

/// <summary>
/// A server in a process of its own that broadcasts updates of many keys: so many for each message of a client, in which their number is. What a handler broadcasts leaves each client's queue in
/// one write. It prints its port, answers each line on its input with a report, and ends with its input.
/// </summary>
internal sealed class SlowServer : IDisposable
{
    public const int Keys = 500;
    public const int QueueLimit = 256 * 1024;
    public const int PayloadSize = 64;
    public const int FrameSize = 2 + PayloadSize;

    private readonly Process _process;

    private SlowServer(Process process, int port)
    {
        _process = process;
        Port = port;
    }

    public int Port { get; }

    public static async Task<SlowServer> StartAsync(WebSocketTransport transport)
    {
        Process process = Process.Start(OwnProgram.StartInfo("serve-slow", "--transport", transport.ToString()))!;
        string port = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The server's process ended before it listened.");
        return new SlowServer(process, int.Parse(port, CultureInfo.InvariantCulture));
    }

    public async Task<SlowReport> ReportAsync()
    {
        await _process.StandardInput.WriteLineAsync("report");
        return SlowReport.Parse(await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The server's process has ended."));
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    public static async Task ServeAsync(WebSocketTransport transport)
    {
        long sent = 0;
        string[] keys = [.. Enumerable.Range(0, Keys).Select(key => $"key{key}")];
        await using WebSocketServer server = new(new WebSocketServerOptions
        {
            Transport = transport,
            SendQueueLimit = QueueLimit,
            SlowClients = SlowClientPolicy.DropOldest,
            PingInterval = Timeout.InfiniteTimeSpan, // or those who never read would be cut
        }.Listen(new IPEndPoint(IPAddress.Loopback, 0)));
        server.Handshaking += (_, e) => e.Options.SendBufferSize = 16 * 1024;
        server.MessageReceived += (_, e) =>
        {
            byte[] payload = new byte[PayloadSize];
            for (int i = BinaryPrimitives.ReadInt32LittleEndian(e.Payload); i > 0; i--)
            {
                long number = sent++;
                BinaryPrimitives.WriteInt64LittleEndian(payload, number);
                BinaryPrimitives.WriteInt64LittleEndian(payload.AsSpan(8), Stopwatch.GetTimestamp());
                server.Clients.BroadcastLatest(keys[number % Keys], payload);
            }
        };
        await server.StartAsync();
        Console.WriteLine(((IPEndPoint)server.EndPoints[0]).Port);
        while (await Console.In.ReadLineAsync() is not null)
        {
            Console.WriteLine(new SlowReport(
                Volatile.Read(ref sent), server.MessagesDropped, server.MessagesReplaced, server.Clients.Count(client => client.IsSlow),
                server.Clients.Select(client => client.UnsentBytes).DefaultIfEmpty().Max(), server.BufferedBytes, Environment.WorkingSet));
        }
    }
}
