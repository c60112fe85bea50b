using System.CommandLine;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>One of the clients sends messages, the server sends each to all; when the last one has it, that round is over and the next begins.</summary>
internal sealed class Broadcast : Load
{
    private readonly List<LoadConnection> _clients = [];
    private readonly int[] _missing; // how many have not got the message of a round, for each round under way
    private long _ended; // rounds
    private int _underWay;

    public Broadcast(ServerProcess server, Message message, int receivers, int rounds)
        : base(server)
    {
        _missing = new int[rounds];
        for (int i = 0; i < receivers; i++)
        {
            long got = 0;
            _clients.Add(new LoadConnection(server, Epoll, message, (_, messages) => Received(ref got, messages), node: i % server.Nodes));
        }
    }

    /// <summary>All of them so far.</summary>
    public long Deliveries => Done;

    protected override bool IsIdle => _underWay == 0;

    public static Command Command()
    {
        Option<int> receivers = new("--receivers") { Description = "Clients that get each message", DefaultValueFactory = _ => 200 };
        Option<int> size = new("--size") { Description = "Bytes of each message, up to 4,096", DefaultValueFactory = _ => 128 };
        Option<int[]> rounds = new("--rounds") { Description = "Messages under way at once; a row for each number", DefaultValueFactory = _ => [1, 16], AllowMultipleArgumentsPerToken = true };
        ComparisonOptions options = new(contenders: Contender.AndBare);
        Command command = new("broadcast", "Messages to all clients, round after round: what does each delivery cost? The latency is that of the last delivery of a round.") { receivers, size, rounds };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction((arguments, _) =>
        {
            Comparison comparison = options.Read(arguments) with { Service = Service.Broadcast };
            return comparison.RunAsync(
                "broadcast",
                [.. arguments.GetValue(rounds)!.Select(rounds => Row(arguments.GetValue(size), arguments.GetValue(receivers), rounds))]);
        });
        return command;
    }

    protected override void Begin() => Begin(_missing.Length);

    public override void Dispose()
    {
        foreach (LoadConnection client in _clients)
            client.Dispose();
        base.Dispose();
    }

    private static Row Row(int size, int receivers, int rounds)
    {
        Message message = new(size, text: false, atOnce: rounds);
        return new Row($"{size} B to {receivers} receivers{(rounds > 1 ? $", {rounds} rounds under way" : "")}", (server, time) =>
        {
            using Broadcast broadcast = new(server, message, receivers, rounds);
            return broadcast.Measure(time, "delivery");
        });
    }

    private void Begin(int rounds)
    {
        for (int i = 0; i < rounds; i++)
            _missing[(_ended + _underWay + i) % _missing.Length] = _clients.Count;
        _underWay += rounds;
        _clients[0].Send(rounds);
    }

    // Rounds end in the order in which they began, since each client gets them in that order.
    private void Received(ref long got, int messages)
    {
        Done += messages;
        int ended = 0;
        for (long end = got + messages; got < end; got++)
        {
            if (--_missing[got % _missing.Length] == 0)
                ended++;
        }

        if (ended == 0)
            return;
        _clients[0].RecordLatency(ended, Latency);
        _ended += ended;
        _underWay -= ended;
        if (!IsEnding)
            Begin(ended);
    }
}
