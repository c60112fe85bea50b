using System.CommandLine;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>Many clients exchange a few messages and fall silent: how much memory does the server hold for each?</summary>
internal static class Idle
{
    /// <summary>What each client sends at once.</summary>
    public const int Messages = 3;

    /// <summary>Opens a client of a load, given whom to tell when messages have come.</summary>
    public delegate LoadConnection Connect(Epoll epoll, Action<LoadConnection, int> received);

    public static Command Command()
    {
        Option<int> clients = new("--clients") { Description = "Clients at once; each takes an open file of either process", DefaultValueFactory = _ => 10_000 };
        // Less than the silence after which a server sends pings.
        ComparisonOptions options = new(runs: 3, seconds: 8, warmUp: null, tls: true);
        Command command = new("idle", "Clients talk a little and fall silent (for --seconds): what does each cost the server in memory?") { clients };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction((arguments, _) =>
        {
            int count = arguments.GetValue(clients);
            Message message = new(size: 64, text: false, atOnce: Messages);
            // What a process has had of the system it keeps for the next.
            Comparison comparison = options.Read(arguments) with { FreshServers = true };
            return comparison.RunAsync("idle", new Row($"{count:N0} silent clients", (server, silence) => Measure(server, count, silence, (epoll, received) => new LoadConnection(server, epoll, message, received))));
        });
        return command;
    }

    /// <summary>Lets clients exchange their messages and fall silent.</summary>
    public static IReadOnlyList<Figure> Measure(ServerProcess server, int clients, TimeSpan silence, Connect connect)
    {
        // Code is loaded and compiled by those who came before.
        using (Crowd few = new(connect, Math.Min(clients, 100)))
            few.Exchange(rounds: 100);
        Thread.Sleep(silence);
        long before = server.ResidentBytes;

        using Crowd all = new(connect, clients);
        all.Exchange(rounds: 1);
        Thread.Sleep(silence);
        long after = server.ResidentBytes;
        all.Exchange(rounds: 1); // they are all there still

        return
        [
            new("bytes/client", (double)(after - before) / clients, Compared: true),
            new("RSS MiB before", before / 1048576.0, 1),
            new("RSS MiB", after / 1048576.0, 1),
        ];
    }

    private sealed class Crowd : IDisposable
    {
        private readonly Epoll _epoll = new();
        private readonly List<LoadConnection> _clients = [];
        private int _underWay;

        public Crowd(Connect connect, int clients)
        {
            for (int i = 0; i < clients; i++)
                _clients.Add(connect(_epoll, (_, messages) => _underWay -= messages));
        }

        public void Exchange(int rounds)
        {
            for (int round = 0; round < rounds; round++)
            {
                foreach (LoadConnection client in _clients)
                {
                    _underWay += Messages;
                    client.Send(Messages);
                }

                while (_underWay > 0)
                    _epoll.Pump();
            }
        }

        public void Dispose()
        {
            foreach (LoadConnection client in _clients)
                client.Dispose();
            _epoll.Dispose();
        }
    }
}
