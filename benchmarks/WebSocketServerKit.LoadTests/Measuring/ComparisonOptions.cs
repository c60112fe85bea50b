using System.CommandLine;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>The options that all comparisons have.</summary>
internal sealed class ComparisonOptions
{
    private readonly Contender[] _contenders;
    private readonly Option<int> _runs;
    private readonly Option<double> _seconds;
    private readonly Option<double>? _warmUp;
    private readonly Option<bool>? _tls;
    private readonly Option<FileInfo> _json = new("--json") { Description = "The file for the figures of every run", DefaultValueFactory = _ => new FileInfo("load-results.json") };
    private readonly Option<string[]> _servers = new("--servers") { Description = "Which servers (default: all)", AllowMultipleArgumentsPerToken = true };

    /// <param name="runs">The default of its option, like the others.</param>
    /// <param name="seconds">Of each run.</param>
    /// <param name="warmUp">Of load before each row, because a server on one busy core takes 5 s and more until its code is compiled as well as it will be; null for no such option.</param>
    /// <param name="contenders">The servers; null for those that do not compress.</param>
    /// <param name="tls">Whether there is an option to compare over TLS.</param>
    public ComparisonOptions(int runs = 5, double seconds = 3, double? warmUp = 6, Contender[]? contenders = null, bool tls = false)
    {
        _contenders = contenders ?? Contender.All;
        _runs = new("--runs") { Description = "How often each server is measured", DefaultValueFactory = _ => runs };
        _seconds = new("--seconds") { Description = "How long each time", DefaultValueFactory = _ => seconds };
        if (warmUp is { } time)
            _warmUp = new("--warm-up") { Description = "Seconds of load on each server before each row, for the compiler", DefaultValueFactory = _ => time };
        if (tls)
            _tls = new("--tls") { Description = "Over TLS 1.3, with the same certificate for all servers and without session resumption" };
        _servers.AcceptOnlyFromAmong([.. _contenders.Select(contender => contender.Name)]);
    }

    public IEnumerable<Option> All => new Option?[] { _runs, _seconds, _warmUp, _json, _servers, _tls }.OfType<Option>();

    public Comparison Read(ParseResult arguments)
    {
        string[] names = arguments.GetValue(_servers) is { Length: > 0 } some ? some : [.. _contenders.Select(contender => contender.Name)];
        return new Comparison(
            [.. _contenders.Where(contender => names.Contains(contender.Name, StringComparer.Ordinal))],
            arguments.GetValue(_runs),
            TimeSpan.FromSeconds(arguments.GetValue(_seconds)),
            TimeSpan.FromSeconds(_warmUp is null ? 0 : arguments.GetValue(_warmUp)),
            arguments.GetValue(_json)!)
        {
            Certificate = _tls is not null && arguments.GetValue(_tls) ? ServerCertificate.Create() : null,
        };
    }
}
