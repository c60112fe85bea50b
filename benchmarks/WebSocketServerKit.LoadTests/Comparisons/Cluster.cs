using System.CommandLine;
using System.Text;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>A message to a group whose members are connected to several servers: what does a delivery cost, and how long does the last one take?</summary>
internal static class Cluster
{
    public static Command Command()
    {
        Option<int> receivers = new("--receivers") { Description = "Clients of each of the three nodes", DefaultValueFactory = _ => 200 };
        Option<int> size = new("--size") { Description = "Bytes of the text in each message", DefaultValueFactory = _ => 128 };
        Option<int[]> rounds = new("--rounds") { Description = "Messages under way at once; a row for each number", DefaultValueFactory = _ => [1, 16], AllowMultipleArgumentsPerToken = true };
        ComparisonOptions options = new(contenders: Contender.Cluster);
        Command command = new("cluster", "Three nodes over one Redis: a client of the first sends to a group that all clients are in. The CPU is that of the three nodes; ours-alone is one node with all clients. Needs redis-server.")
        {
            receivers, size, rounds,
        };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction(async (arguments, _) =>
        {
            using RedisProcess redis = await RedisProcess.StartAsync();
            Comparison comparison = options.Read(arguments) with { Service = Service.Group, Baseline = Contender.SignalR };
            await comparison.RunAsync(
                "cluster",
                [.. arguments.GetValue(rounds)!.Select(rounds => Row(arguments.GetValue(size), Contender.Nodes * arguments.GetValue(receivers), rounds, redis))]);
        });
        return command;
    }

    private static Row Row(int size, int receivers, int rounds, RedisProcess redis) => new(
        $"{size} B to {receivers} receivers on {Contender.Nodes} nodes{(rounds > 1 ? $", {rounds} rounds under way" : "")}", (server, time) =>
        {
            string text = new('A', size);
            Message message = new(Encoding.ASCII.GetBytes(server.Contender == Contender.SignalR ? SignalRServer.Invocation(text) : text), text: true, atOnce: rounds);
            using Broadcast broadcast = new(server, message, receivers, rounds);
            TimeSpan before = redis.ProcessorTime;
            IReadOnlyList<Figure> figures = broadcast.Measure(time, "delivery");
            return [.. figures, new Figure("redis ns/delivery", (redis.ProcessorTime - before).TotalNanoseconds / broadcast.Deliveries, 1)];
        });
}
