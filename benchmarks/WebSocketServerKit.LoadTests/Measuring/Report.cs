using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>What came out: a table of medians for the reader, and every run in a file.</summary>
internal sealed record Report(string Title, Machine Machine, Comparison Comparison, IReadOnlyList<RowResult> Results)
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public void Write()
    {
        // A file or a pipe has no width that lines would have to be broken for.
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 240;
        AnsiConsole.WriteLine(Title);
        AnsiConsole.Write(Table());
        AnsiConsole.WriteLine($"Medians{Exceptions()}; runs: {Comparison.Runs} in turn, {Comparison.Time.TotalSeconds} s each, warm-up: {Comparison.WarmUp.TotalSeconds} s. {Machine}.");
        File.WriteAllText(Comparison.Json.FullName, ToJson());
        AnsiConsole.WriteLine($"Every run: {Comparison.Json.FullName}");
    }

    private string Exceptions()
    {
        string[] highest = [.. Results[0].Runs[0].Where(figure => figure.Highest).Select(figure => figure.Name)];
        return highest.Length == 0 ? "" : $", and the highest of all runs for {string.Join(", ", highest)}";
    }

    private Table Table()
    {
        Table table = new Table().Border(TableBorder.Markdown).AddColumns("load", "server");
        foreach (Figure figure in Results[0].Runs[0])
        {
            table.AddColumn(new TableColumn(Markup.Escape(figure.Name)).RightAligned());
            if (figure.Compared)
                table.AddColumn(new TableColumn($"× {Comparison.Baseline.Name}").RightAligned());
        }

        foreach (RowResult result in Results)
        {
            RowResult? baseline = Results.SingleOrDefault(other => other.Row == result.Row && other.Server == Comparison.Baseline.Name);
            List<string> cells = [result.Row, result.Server];
            foreach ((int i, Figure figure) in result.Summary.Index())
            {
                cells.Add(figure.Value.ToString($"N{figure.Digits}", CultureInfo.InvariantCulture));
                if (figure.Compared)
                    cells.Add(baseline is null ? "" : result.RatioTo(baseline, i).ToString("N2", CultureInfo.InvariantCulture));
            }

            table.AddRow([.. cells.Select(Markup.Escape)]);
        }

        return table;
    }

    private string ToJson() => JsonSerializer.Serialize(
        new
        {
            Title,
            Date = DateTimeOffset.UtcNow,
            Machine,
            Seconds = Comparison.Time.TotalSeconds,
            WarmUpSeconds = Comparison.WarmUp.TotalSeconds,
            Results = Results.Select(result => new { result.Row, result.Server, Summary = ByName(result.Summary), Runs = result.Runs.Select(ByName) }),
        },
        Readable);

    private static Dictionary<string, double> ByName(IReadOnlyList<Figure> figures) => figures.ToDictionary(figure => figure.Name, figure => figure.Value, StringComparer.Ordinal);
}
