using System.CommandLine;
using System.Net.Sockets;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>Echo of JSON messages with permessage-deflate: what does it cost, and what does it save?</summary>
internal sealed class Deflate : Load
{
    private const int InFlight = 8;

    private readonly int _size;
    private readonly List<LoadConnection> _clients = [];
    private readonly List<JsonEcho> _dialogues = [];
    private long _underWay;

    private Deflate(ServerProcess server, JsonMessageSet messages, int clients)
        : base(server)
    {
        _size = messages.Size;
        for (int i = 0; i < clients; i++)
        {
            Socket socket = JsonEcho.Open(server, messages, i, out JsonEcho dialogue);
            _dialogues.Add(dialogue);
            _clients.Add(new LoadConnection(new ClientTransport(socket), Epoll, dialogue, Received));
        }
    }

    protected override bool IsIdle => _underWay == 0;

    public static Command Command()
    {
        Option<int[]> sizes = new("--sizes") { Description = "Bytes of each message, from 128", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [128, 1024, 16 * 1024] };
        Option<int> clients = new("--clients") { Description = "Clients at once", DefaultValueFactory = _ => 16 };
        ComparisonOptions options = new(contenders: Contender.Deflating);
        Command command = new("deflate", "Compressed JSON there and back: at what cost to the server's processor, and how small?") { sizes, clients };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction(async (arguments, _) =>
        {
            Comparison comparison = options.Read(arguments) with { Baseline = Contender.KestrelDeflateBoth };
            await PrintAgreementsAsync(comparison);
            await comparison.RunAsync("deflate", [.. arguments.GetValue(sizes)!.Select(size => Row(size, arguments.GetValue(clients)))]);
        });
        return command;
    }

    /// <summary>Says what each server makes of the offer.</summary>
    public static async Task PrintAgreementsAsync(Comparison comparison)
    {
        foreach (Contender contender in comparison.Contenders)
        {
            using ServerProcess server = await ServerProcess.StartAsync(contender, Service.Echo);
            using Socket socket = Handshake.Open(server.Port, contender.Offer, out string? agreed);
            Console.WriteLine($"{contender.Name}: offered \"{contender.Offer}\", agreed on {(agreed is null ? "nothing" : $"\"{agreed}\"")}");
        }
    }

    protected override void Begin()
    {
        foreach (LoadConnection client in _clients)
        {
            _underWay += InFlight;
            client.Send(InFlight);
        }
    }

    public override void Dispose()
    {
        foreach (LoadConnection client in _clients)
            client.Dispose();
        base.Dispose();
    }

    private static Row Row(int size, int clients)
    {
        JsonMessageSet messages = new(size, InFlight);
        return new Row($"{size:N0} B, {clients} clients, {InFlight} in flight", (server, time) =>
        {
            using Deflate deflate = new(server, messages, clients);
            return deflate.Measure(time);
        });
    }

    private IReadOnlyList<Figure> Measure(TimeSpan time)
    {
        IReadOnlyList<Figure> figures = Measure(time, "msg");
        double onWire = (double)_dialogues.Sum(dialogue => dialogue.Received) / Done;
        return [.. figures, new("wire B/msg", onWire, 1), new("wire %", onWire / _size * 100, 1)];
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
