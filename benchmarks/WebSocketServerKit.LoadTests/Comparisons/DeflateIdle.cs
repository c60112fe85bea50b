using System.CommandLine;
using System.Net.Sockets;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>Many clients exchange a few compressed messages and fall silent: how much memory does the server hold for each?</summary>
internal static class DeflateIdle
{
    public static Command Command()
    {
        Option<int[]> sizes = new("--sizes") { Description = "Bytes of each message, from 128", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1024, 16 * 1024] };
        Option<int> clients = new("--clients") { Description = "Clients at once; each takes an open file of either process", DefaultValueFactory = _ => 2_000 };
        ComparisonOptions options = new(runs: 3, seconds: 8, warmUp: null, contenders: Contender.Deflating);
        Command command = new("deflate-idle", "Clients exchange compressed JSON and fall silent (for --seconds): what does each cost the server in memory?") { sizes, clients };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction(async (arguments, _) =>
        {
            Comparison comparison = options.Read(arguments) with { Baseline = Contender.KestrelDeflateBoth, FreshServers = true };
            await Deflate.PrintAgreementsAsync(comparison);
            await comparison.RunAsync("deflate-idle", [.. arguments.GetValue(sizes)!.Select(size => Row(size, arguments.GetValue(clients)))]);
        });
        return command;
    }

    private static Row Row(int size, int clients)
    {
        JsonMessageSet messages = new(size, Idle.Messages);
        return new Row($"{clients:N0} silent clients, {Idle.Messages} messages of {size:N0} B each", (server, silence) =>
        {
            int number = 0;
            return Idle.Measure(server, clients, silence, (epoll, received) =>
            {
                Socket socket = JsonEcho.Open(server, messages, number++, out JsonEcho dialogue);
                return new LoadConnection(new ClientTransport(socket), epoll, dialogue, received);
            });
        });
    }
}
