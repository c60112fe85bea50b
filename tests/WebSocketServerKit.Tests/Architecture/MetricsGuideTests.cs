using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Architecture;

/// <summary>docs/metrics.md lists every instrument, and docs/grafana-dashboard.json shows every one, under the name that OpenTelemetry gives it for Prometheus.</summary>
public sealed partial class MetricsGuideTests
{
    [GeneratedRegex("^\\| `(?<name>websocket\\.server\\.[a-z_.]+)` \\| `(?<unit>[^`]+)` \\|", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Row { get; }

    [GeneratedRegex("websocket_server_[a-z_]+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Series { get; }

    private static IReadOnlyList<Instrument> All
    {
        get
        {
            using Instruments instruments = new();
            using WebSocketServer server = new(new WebSocketServerOptions().UseMeterFactory(instruments));
            return [.. instruments.All];
        }
    }

    [Fact]
    public void The_guide_lists_every_instrument_with_its_unit() =>
        Assert.Equal(
            All.Select(instrument => $"{instrument.Name} {instrument.Unit}").Order(StringComparer.Ordinal),
            Row.Matches(Repository.Read("docs/metrics.md")).Select(row => $"{row.Groups["name"]} {row.Groups["unit"]}").Order(StringComparer.Ordinal),
            StringComparer.Ordinal);

    [Fact]
    public void The_dashboard_shows_every_instrument_and_no_other() =>
        Assert.Equal(
            All.Select(SeriesOf).Order(StringComparer.Ordinal),
            Series.Matches(Repository.Read("docs/grafana-dashboard.json")).Select(series => series.Value).Where(series => series != "websocket_server_name").Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
            StringComparer.Ordinal);

    [Fact]
    public void Every_instrument_says_what_it_measures() => Assert.All(All, instrument => Assert.EndsWith(".", instrument.Description, StringComparison.Ordinal));

    // The rules of OpenTelemetry's exporters for Prometheus.
    private static string SeriesOf(Instrument instrument)
    {
        string unit = instrument.Unit switch
        {
            "By" => "_bytes",
            "s" => "_seconds",
            _ => "",
        };
        string kind = instrument.GetType().Name;
        return instrument.Name.Replace('.', '_') + unit + (kind.StartsWith("Histogram", StringComparison.Ordinal) ? "_bucket" : kind.Contains("UpDown", StringComparison.Ordinal) ? "" : "_total");
    }
}
