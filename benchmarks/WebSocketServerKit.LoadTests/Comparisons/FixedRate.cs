using System.CommandLine;
using System.Diagnostics;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>The clients send at a fixed rate, in turn, whether or not the answers to earlier messages have come.</summary>
internal sealed class FixedRate : Load
{
    private readonly LoadConnection[] _clients;
    private readonly double _interval; // in ticks of the stopwatch
    private long _begun;
    private long _sent;
    private long _underWay;

    private FixedRate(ServerProcess server, Message message, int clients, int rate)
        : base(server)
    {
        _interval = (double)Stopwatch.Frequency / rate;
        _clients = [.. Enumerable.Range(0, clients).Select(_ => new LoadConnection(server, Epoll, message, Received))];
    }

    protected override bool IsIdle => _underWay == 0;

    public static Command Command()
    {
        Option<int> size = new("--size") { Description = "Bytes of each message", DefaultValueFactory = _ => 64 };
        Option<int> clients = new("--clients") { Description = "Clients at once", DefaultValueFactory = _ => 64 };
        Option<int> rate = new("--rate") { Description = "Messages per second of all clients together", DefaultValueFactory = _ => 30_000 };
        ComparisonOptions options = new(contenders: Contender.AndBare, tls: true);
        Command command = new("rate", "Messages at a fixed rate: how long does each take there and back?") { size, clients, rate };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction((arguments, _) =>
        {
            Message message = new(arguments.GetValue(size), text: false, atOnce: 1);
            int count = arguments.GetValue(clients), perSecond = arguments.GetValue(rate);
            return options.Read(arguments).RunAsync("rate", new Row($"{message.Payload.Length:N0} B, {count:N0} clients, {perSecond:N0} msg/s", (server, time) =>
            {
                using FixedRate load = new(server, message, count, perSecond);
                return load.Measure(time, "msg");
            }));
        });
        return command;
    }

    public override void Dispose()
    {
        foreach (LoadConnection client in _clients)
            client.Dispose();
        base.Dispose();
    }

    protected override void Begin() => _begun = Stopwatch.GetTimestamp();

    // It does not sleep between two messages: that would be longer than the time between them.
    protected override void Pump()
    {
        long due = (long)((Stopwatch.GetTimestamp() - _begun) / _interval);
        for (; _sent < due && !IsEnding; _sent++)
        {
            _underWay++;
            _clients[_sent % _clients.Length].Send(1);
        }

        Epoll.Pump(milliseconds: 0);
    }

    private void Received(LoadConnection client, int messages)
    {
        Done += messages;
        _underWay -= messages;
        client.RecordLatency(messages, Latency);
    }
}
