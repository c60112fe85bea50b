namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>One figure of one run.</summary>
/// <param name="Name">The heading of its column.</param>
/// <param name="Value">What was measured.</param>
/// <param name="Digits">Behind the decimal point, in the table.</param>
/// <param name="Compared">Whether the table sets it against the same figure of <see cref="Comparison.Baseline"/>.</param>
/// <param name="Highest">Whether the table shows the highest of all runs instead of the middle one.</param>
internal readonly record struct Figure(string Name, double Value, int Digits = 0, bool Compared = false, bool Highest = false);

/// <summary>All runs of one row on one server, in the order in which they were done.</summary>
internal sealed record RowResult(string Row, string Server, IReadOnlyList<IReadOnlyList<Figure>> Runs)
{
    /// <summary>The middle one of each figure, or the highest one.</summary>
    public IReadOnlyList<Figure> Summary =>
        [.. Runs[0].Select((figure, i) => figure with { Value = figure.Highest ? Runs.Max(run => run[i].Value) : MedianOf(Runs.Select(run => run[i].Value)) })];

    /// <summary>The middle one of a figure's ratios to that of another server; both take turns, so that each run has its counterpart.</summary>
    public double RatioTo(RowResult other, int figure) =>
        MedianOf(Runs.Zip(other.Runs, (own, others) => own[figure].Value / others[figure].Value));

    private static double MedianOf(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
