using System.CommandLine;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>This library mapped to an endpoint of Kestrel, beside System.Net.WebSockets on the same Kestrel and beside itself on sockets of its own.</summary>
internal static class AspNet
{
    private const int IdleRuns = 3;

    // Less than the silence after which a server sends pings.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(8);

    public static Command Command()
    {
        Option<int> clients = new("--idle-clients") { Description = "Silent clients at once; 0 leaves that row out", DefaultValueFactory = _ => 5_000 };
        Option<bool> idleOnly = new("--idle-only") { Description = "Only that row" };
        ComparisonOptions options = new(contenders: Contender.AspNet);
        Command command = new("aspnet", "Messages there and back, and silent clients, with the server mapped to an endpoint of Kestrel") { clients, idleOnly };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction(async (arguments, _) =>
        {
            Comparison comparison = options.Read(arguments);
            if (!arguments.GetValue(idleOnly))
                await comparison.RunAsync("aspnet", Echo.StandardRows());
            int count = arguments.GetValue(clients);
            if (count == 0)
                return;
            Message message = new(size: 64, text: false, atOnce: Idle.Messages);
            // What a process has had of the system it keeps for the next.
            Comparison idle = comparison with { FreshServers = true, Runs = IdleRuns, Time = Silence, WarmUp = TimeSpan.Zero, Json = new FileInfo(Path.ChangeExtension(comparison.Json.FullName, "idle.json")) };
            await idle.RunAsync("aspnet, idle", new Row($"{count:N0} silent clients", (server, silence) =>
                Idle.Measure(server, count, silence, (epoll, received) => new LoadConnection(server, epoll, message, received))));
        });
        return command;
    }
}
