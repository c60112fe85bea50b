using System.CommandLine;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>One of the clients sends a message, the server sends it to all; when the last one has it, the next round begins.</summary>
internal sealed class Broadcast : Load
{
    private readonly List<LoadConnection> _clients = [];
    private int _underWay;

    private Broadcast(ServerProcess server, Message message, int receivers)
        : base(server)
    {
        for (int i = 0; i < receivers; i++)
            _clients.Add(new LoadConnection(server.Port, Epoll, message, Received));
    }

    protected override bool IsIdle => _underWay == 0;

    public static Command Command()
    {
        Option<int> receivers = new("--receivers") { Description = "Clients that get each message", DefaultValueFactory = _ => 200 };
        Option<int> size = new("--size") { Description = "Bytes of each message, up to 4,096", DefaultValueFactory = _ => 128 };
        ComparisonOptions options = new(contenders: Contender.AndBare);
        Command command = new("broadcast", "One message to all clients, round after round: what does each delivery cost? The latency is that of the last delivery of a round.") { receivers, size };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction((arguments, _) =>
        {
            int count = arguments.GetValue(receivers);
            Message message = new(arguments.GetValue(size), text: false, atOnce: 1);
            Comparison comparison = options.Read(arguments) with { Broadcasts = true };
            return comparison.RunAsync("broadcast", new Row($"{message.Payload.Length} B to {count} receivers", (server, time) =>
            {
                using Broadcast broadcast = new(server, message, count);
                return broadcast.Measure(time, "delivery");
            }));
        });
        return command;
    }

    protected override void Begin()
    {
        _underWay = _clients.Count;
        _clients[0].Send(1);
    }

    public override void Dispose()
    {
        foreach (LoadConnection client in _clients)
            client.Dispose();
        base.Dispose();
    }

    private void Received(LoadConnection client, int messages)
    {
        Done += messages;
        _underWay -= messages;
        if (_underWay > 0)
            return;
        _clients[0].RecordLatency(1, Latency);
        if (!IsEnding)
            Begin();
    }
}
