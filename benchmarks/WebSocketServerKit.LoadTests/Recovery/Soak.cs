using System.Diagnostics;
using System.Net.Sockets;

namespace WebSocketServerKit.LoadTests.Recovery;

/// <summary>
/// For a long time clients of every sort come and go: they exchange messages of random sizes, ping, read slowly, fall silent, close, cut in the
/// middle of anything. Afterwards every count must match and nothing may have stayed behind.
/// </summary>
internal static class Soak
{
    private const int Workers = 48;

    // In a quarter of an hour this is about 10 bytes for each client that came.
    private const long HeapAllowance = 2 * 1024 * 1024;

    // Each thread keeps an array of each size that it used, until the collector has found it unused for a minute.
    private static readonly TimeSpan PoolsTrimmed = TimeSpan.FromMinutes(4);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task<int> RunAsync(double minutes, WebSocketTransport transport)
    {
        using EchoChild server = await EchoChild.StartAsync(transport);
        Totals totals = new();
        // Compiled code, pools and thread stacks are not what is looked for.
        await ChurnAsync(server.Port, TimeSpan.FromSeconds(10), totals);
        ChildReport before = await SettleAsync(server, totals);
        int handlesBefore = server.Handles;
        Console.WriteLine($"{"minute",-8} {"connected",10} {"left",10} {"cleanly",9} {"messages",11} {"listed",7} {"handles",8} {"heap KiB",9} {"unobserved",10} {"errors",7}");
        Print("before", before, handlesBefore);

        long start = Stopwatch.GetTimestamp();
        Task churn = ChurnAsync(server.Port, TimeSpan.FromMinutes(minutes), totals);
        for (int minute = 1; minute <= minutes; minute++)
        {
            TimeSpan left = TimeSpan.FromMinutes(minute) - Stopwatch.GetElapsedTime(start);
            if (left > TimeSpan.Zero && await Task.WhenAny(churn, Task.Delay(left)) == churn)
                break;
            Print($"{minute}", await server.ReportAsync(), server.Handles);
        }

        await churn;
        ChildReport after = await SettleAsync(server, totals);
        long idle = Stopwatch.GetTimestamp();
        while (after.HeapBytes - before.HeapBytes > HeapAllowance && Stopwatch.GetElapsedTime(idle) < PoolsTrimmed)
        {
            await Task.Delay(5_000);
            after = await server.ReportAsync();
        }

        int handlesAfter = server.Handles;
        Print("after", after, handlesAfter);

        bool allCame = after.Connected == totals.Connected;
        bool allLeft = after.Disconnected == after.Connected && after.Registered == 0;
        bool cleanly = after.Clean >= totals.Closed;
        bool messages = after.Messages >= totals.Echoed && totals.WrongEchoes == 0;
        bool quiet = after.Unobserved == 0 && after.Errors == 0;
        bool handlesBack = handlesAfter <= handlesBefore;
        bool heapBack = after.HeapBytes - before.HeapBytes <= HeapAllowance;
        Console.WriteLine($"{totals.Connected:N0} clients came, and the server saw each of them: {allCame}");
        Console.WriteLine($"every ClientConnected has its ClientDisconnected, registry empty: {allLeft}");
        Console.WriteLine($"the {totals.Closed:N0} who closed left cleanly: {cleanly}");
        Console.WriteLine($"{totals.Echoed:N0} messages came back as they were sent: {messages}");
        Console.WriteLine($"no unobserved exception, no error in the log: {quiet}");
        Console.WriteLine($"handles back: {handlesBack}");
        Console.WriteLine($"heap back ({(after.HeapBytes - before.HeapBytes) / 1024:+#;-#;0} KiB): {heapBack}");
        if (totals.Surprise is { } surprise)
            Console.WriteLine($"a client met what it should not have: {surprise}");
        return allCame && allLeft && cleanly && messages && quiet && handlesBack && heapBack && totals.Surprise is null ? 0 : 1;
    }

    private static async Task ChurnAsync(int port, TimeSpan time, Totals totals)
    {
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Workers).Select(worker => Task.Run(async () =>
        {
            Random random = new(worker);
            while (Stopwatch.GetElapsedTime(start) < time && totals.Surprise is null)
            {
                try
                {
                    await LiveAsync(port, random, totals);
                }
                catch (Exception surprise) when (surprise is SocketException or IOException)
                {
                    totals.Surprise = surprise;
                }
            }
        })));
    }

    // One client's life.
    private static async Task LiveAsync(int port, Random random, Totals totals)
    {
        using LoadClient client = new();
        if (random.Next(10) == 0)
        {
            await client.CutInHandshakeAsync(port, random);
            return;
        }

        await client.ConnectAsync(port);
        Interlocked.Increment(ref totals.Connected);
        switch (random.Next(8))
        {
            case 0: // cut in the middle of a frame
                await client.SendAsync(new byte[] { 0x82, 0xFE, 0x10 }.AsMemory(0, random.Next(1, 4)));
                client.Cut();
                return;
            case 1: // asks for more than it ever reads
                await client.FloodAsync(random.Next(100), random.Next(1, 32 * 1024));
                client.Cut();
                return;
            case 2: // breaks a rule
                await client.SendAsync(new byte[] { 0x83, 0x80, 0, 0, 0, 0 });
                await client.ReadToEndAsync();
                return;
        }

        bool slowly = random.Next(8) == 0;
        for (int messages = random.Next(1, 40); messages > 0; messages--)
        {
            int size = random.Next(10) switch { 0 => random.Next(300_000), < 4 => random.Next(20_000), _ => random.Next(200) };
            if (!await client.ExchangeAsync(size, ping: random.Next(5) == 0, slowly, random))
                Interlocked.Increment(ref totals.WrongEchoes);
            Interlocked.Increment(ref totals.Echoed);
            if (random.Next(50) == 0)
                await Task.Delay(random.Next(200)); // falls silent for a while
        }

        if (random.Next(3) == 0)
        {
            client.Cut();
            return;
        }

        await client.CloseAsync();
        Interlocked.Increment(ref totals.Closed);
    }

    // The last resets may still be on their way when the clients are done.
    private static async Task<ChildReport> SettleAsync(EchoChild server, Totals totals)
    {
        long start = Stopwatch.GetTimestamp();
        ChildReport report = await server.ReportAsync();
        while ((report.Disconnected < totals.Connected || report.Registered > 0) && Stopwatch.GetElapsedTime(start) < Patience)
        {
            await Task.Delay(100);
            report = await server.ReportAsync();
        }

        // Out of the registry is not yet out of the system: the server waits for the peer's FIN.
        await Task.Delay(1_000);
        return await server.ReportAsync();
    }

    private static void Print(string when, ChildReport report, int handles) => Console.WriteLine(
        $"{when,-8} {report.Connected,10:N0} {report.Disconnected,10:N0} {report.Clean,9:N0} {report.Messages,11:N0} {report.Registered,7} {handles,8} {report.HeapBytes / 1024,9:N0} {report.Unobserved,10} {report.Errors,7}");

    private sealed class Totals
    {
        public long Connected;
        public long Closed;
        public long Echoed;
        public long WrongEchoes;

        public Exception? Surprise { get; set; }
    }
}
