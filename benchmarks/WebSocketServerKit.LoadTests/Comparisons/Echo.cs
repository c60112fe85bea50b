using System.CommandLine;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>Every client has some messages under way, and sends one for each that comes back.</summary>
internal sealed class Echo : Load
{
    private readonly List<LoadConnection> _clients = [];
    private readonly int _inFlight;
    private long _underWay;

    private Echo(ServerProcess server, Message message, int clients, int inFlight)
        : base(server)
    {
        _inFlight = inFlight;
        for (int i = 0; i < clients; i++)
            _clients.Add(new LoadConnection(server, Epoll, message, Received));
    }

    protected override bool IsIdle => _underWay == 0;

    public static Command Command()
    {
        Option<int?> size = new("--size") { Description = "Bytes of each message; with this or one of the next three, the one row that they describe is measured" };
        Option<int?> clients = new("--clients") { Description = "Clients at once (64)" };
        Option<int?> inFlight = new("--in-flight") { Description = "Messages that each client has under way; 1 is ping-pong (1)" };
        Option<bool> text = new("--text") { Description = "Text messages instead of binary ones" };
        ComparisonOptions options = new(contenders: Contender.AndBare, tls: true);
        Command command = new("echo", "Messages there and back: how many, at what cost to the server's processor, how fast?") { size, clients, inFlight, text };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction((arguments, _) =>
        {
            Comparison comparison = options.Read(arguments);
            bool any = arguments.GetValue(size) is not null || arguments.GetValue(clients) is not null || arguments.GetValue(inFlight) is not null || arguments.GetValue(text);
            Row[] rows = any
                ? [Row(arguments.GetValue(size) ?? 64, arguments.GetValue(clients) ?? 64, arguments.GetValue(inFlight) ?? 1, arguments.GetValue(text))]
                : comparison.Certificate is null ? StandardRows() : TlsRows();
            return comparison.RunAsync("echo", rows);
        });
        return command;
    }

    protected override void Begin()
    {
        foreach (LoadConnection client in _clients)
        {
            _underWay += _inFlight;
            client.Send(_inFlight);
        }
    }

    public override void Dispose()
    {
        foreach (LoadConnection client in _clients)
            client.Dispose();
        base.Dispose();
    }

    internal static Row[] StandardRows() =>
    [
        Row(64, 64, 1, text: false),
        Row(64, 16, 64, text: false),
        Row(64, 4, 1024, text: false),
        Row(64, 64, 1, text: true),
        Row(64, 16, 64, text: true),
        Row(64, 4, 1024, text: true),
        Row(16 * 1024, 8, 4, text: false),
        Row(1024 * 1024, 2, 1, text: false),
    ];

    private static Row[] TlsRows() =>
    [
        Row(64, 64, 1, text: false),
        Row(64, 16, 64, text: false),
        Row(16 * 1024, 8, 4, text: false),
        Row(1024 * 1024, 2, 1, text: false),
    ];

    private static Row Row(int size, int clients, int inFlight, bool text)
    {
        Message message = new(size, text, inFlight);
        string bytes = size % (1024 * 1024) == 0 ? $"{size / (1024 * 1024)} MiB" : size % 1024 == 0 ? $"{size / 1024} KiB" : $"{size} B";
        return new Row($"{bytes}{(text ? " text" : "")}, {clients} clients, {(inFlight == 1 ? "ping-pong" : $"{inFlight:N0} in flight")}", (server, time) =>
        {
            using Echo echo = new(server, message, clients, inFlight);
            return echo.Measure(time, "msg");
        });
    }

    private void Received(LoadConnection client, int messages)
    {
        Done += messages;
        client.RecordLatency(messages, Latency);
        if (IsEnding)
            _underWay -= messages;
        else
            client.Send(messages);
    }
}
