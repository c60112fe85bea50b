using System.Diagnostics;

namespace WebSocketServerKit.LoadTests.Recovery;

/// <summary>All clients come, exchange messages and leave, round after round; afterwards the server must be where it was before.</summary>
internal static class Churn
{
    private const int AtOnce = 256;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task<int> RunAsync(int clients, int messages, int rounds, WebSocketTransport transport)
    {
        using EchoChild server = await EchoChild.StartAsync(transport);
        // Compiled code, pools and thread stacks are not what is looked for.
        await RoundAsync(server, Math.Min(clients, 500), messages);
        await SettleAsync(server, Math.Min(clients, 500));
        ChildReport before = await server.ReportAsync();
        int handlesBefore = server.Handles;
        Console.WriteLine($"{"",-10} {"connected",10} {"left",10} {"cleanly",10} {"listed",7} {"handles",8} {"heap KiB",9} {"seconds",8}");
        Print("before", before, handlesBefore, default);

        ChildReport after = before;
        int handlesAfter = handlesBefore;
        for (int round = 1; round <= rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            await RoundAsync(server, clients, messages);
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            after = await SettleAsync(server, after.Connected + clients);
            handlesAfter = server.Handles;
            Print($"round {round}", after, handlesAfter, time);
        }

        bool allLeft = after.Connected == after.Disconnected && after.Registered == 0;
        bool cleanly = after.Clean - before.Clean == (long)rounds * ((clients + 1) / 2);
        bool handlesBack = handlesAfter <= handlesBefore;
        Console.WriteLine($"every ClientConnected has its ClientDisconnected, registry empty: {allLeft}");
        Console.WriteLine($"those who closed, and only those, left cleanly: {cleanly}");
        Console.WriteLine($"handles back: {handlesBack}");
        Console.WriteLine($"heap, compared with before: {(after.HeapBytes - before.HeapBytes) / 1024:+#;-#;0} KiB");
        return allLeft && cleanly && handlesBack ? 0 : 1;
    }

    private static async Task RoundAsync(EchoChild server, int count, int messages)
    {
        LoadClient[] clients = new LoadClient[count];
        ParallelOptions atOnce = new() { MaxDegreeOfParallelism = AtOnce };
        await Parallel.ForAsync(0, count, atOnce, async (i, _) => await (clients[i] = new LoadClient()).ConnectAsync(server.Port));
        for (int message = 0; message < messages; message++)
        {
            int number = message;
            await Parallel.ForAsync(0, count, atOnce, async (i, _) => await clients[i].ExchangeAsync(number));
        }

        await Parallel.ForAsync(0, count, atOnce, async (i, _) =>
        {
            using LoadClient client = clients[i];
            if (i % 2 == 0)
                await client.CloseAsync();
            else
                client.Cut();
        });
    }

    // The last resets may still be on their way when the client's process is done.
    private static async Task<ChildReport> SettleAsync(EchoChild server, long expected)
    {
        long start = Stopwatch.GetTimestamp();
        ChildReport report = await server.ReportAsync();
        while ((report.Disconnected < expected || report.Registered > 0) && Stopwatch.GetElapsedTime(start) < Patience)
            report = await server.ReportAsync();
        return report;
    }

    private static void Print(string when, ChildReport report, int handles, TimeSpan time) => Console.WriteLine(
        $"{when,-10} {report.Connected,10:N0} {report.Disconnected,10:N0} {report.Clean,10:N0} {report.Registered,7} {handles,8} {report.HeapBytes / 1024,9:N0} {time.TotalSeconds,8:F1}");
}
