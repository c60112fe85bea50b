using Spectre.Console;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>One row of a comparison.</summary>
/// <param name="Name">What the load is.</param>
/// <param name="Measure">Loads a server for a while and gives the figures; the same ones in all rows of a comparison.</param>
internal sealed record Row(string Name, Func<ServerProcess, TimeSpan, IReadOnlyList<Figure>> Measure);

/// <summary>Puts every row's load on every server in turn, A B A B: what the machine does meanwhile then meets all of them alike.</summary>
internal sealed record Comparison(IReadOnlyList<Contender> Contenders, int Runs, TimeSpan Time, TimeSpan WarmUp, FileInfo Json)
{
    /// <summary>The server with which the others are compared.</summary>
    public Contender Baseline { get; init; } = Contender.Kestrel;

    /// <summary>What the servers do.</summary>
    public Service Service { get; init; }

    /// <summary>The servers speak TLS with this <see cref="ServerCertificate"/>; null for no TLS.</summary>
    public string? Certificate { get; init; }

    /// <summary>Each run gets a process that has not served anybody yet, and that is the only one.</summary>
    public bool FreshServers { get; init; }

    public async Task RunAsync(string title, params IReadOnlyList<Row> rows)
    {
        Cores.MoveToLoadCore();
        List<RowResult> results = await AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new RemainingTimeColumn())
            .StartAsync(progress => MeasureAsync(rows, progress));
        new Report(Certificate is null ? title : $"{title} over {OpenSsl.Description}, ECDSA P-256", Machine.Describe(), this, results).Write();
    }

    private async Task<List<RowResult>> MeasureAsync(IReadOnlyList<Row> rows, ProgressContext progress)
    {
        ProgressTask[] tasks = [.. rows.Select(row => progress.AddTask(Markup.Escape(row.Name), autoStart: false, Contenders.Count * (Runs + 1)))];
        List<RowResult> results = [];
        using Processes processes = new(this);
        foreach ((Row row, ProgressTask task) in rows.Zip(tasks))
        {
            task.StartTask();
            // A server on one busy core takes seconds until its code is compiled as well as it will be.
            foreach (Contender contender in Contenders)
            {
                if (WarmUp > TimeSpan.Zero && !FreshServers)
                    row.Measure(await processes.GetAsync(contender), WarmUp);
                task.Increment(1);
            }

            List<IReadOnlyList<Figure>>[] runs = [.. Contenders.Select(_ => new List<IReadOnlyList<Figure>>())];
            for (int run = 0; run < Runs; run++)
            {
                for (int i = 0; i < Contenders.Count; i++)
                {
                    runs[i].Add(row.Measure(await processes.GetAsync(Contenders[i]), Time));
                    task.Increment(1);
                }
            }

            results.AddRange(Contenders.Zip(runs, (contender, its) => new RowResult(row.Name, contender.Name, its)));
        }

        return results;
    }

    /// <summary>The servers' processes: all there at once, idle while another one is measured; or one at a time, a new one each time.</summary>
    private sealed class Processes(Comparison comparison) : IDisposable
    {
        private readonly Dictionary<Contender, ServerProcess> _running = [];

        public async Task<ServerProcess> GetAsync(Contender contender)
        {
            if (comparison.FreshServers)
                Dispose();
            if (!_running.TryGetValue(contender, out ServerProcess? process))
                _running.Add(contender, process = await ServerProcess.StartAsync(contender, comparison.Service, comparison.Certificate));
            return process;
        }

        public void Dispose()
        {
            foreach (ServerProcess process in _running.Values)
                process.Dispose();
            _running.Clear();
        }
    }
}
