using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace WebSocketServerKit.Analyzers;

public sealed class AsyncHandlerSuppressorTests
{
    private const string Threading = "Microsoft.VisualStudio.Threading.Analyzers.dll";
    private const string Meziantou = "Meziantou.Analyzer.dll";

    [Theory]
    [InlineData("server.MessageReceived += async (_, e) => await HandleAsync(e);")]
    [InlineData("server.ClientConnected += (async (_, e) => { await Task.Yield(); });")]
    [InlineData("server.Path(\"/chat\").MessageReceived += async (_, e) => await HandleAsync(e);")]
    [InlineData("server.MessageReceived += async delegate { await Task.Yield(); };")]
    public async Task The_warning_on_an_async_handler_of_an_event_is_suppressed(string statement) =>
        Assert.True(Assert.Single(await ReportedAsync("VSTHRD101", Threading, statement)).IsSuppressed);

    [Theory]
    [InlineData("Other += async (_, e) => await HandleAsync(e);")]
    [InlineData("Action run = async () => await Task.Yield(); Use(run);")]
    [InlineData("server.MessageReceived += (_, e) => { Action run = async () => await HandleAsync(e); Use(run); };")]
    [InlineData("server.Clients.ToLiveList().PropertyChanged += async (_, e) => await Task.Yield();")]
    public async Task Another_warning_is_not(string statement) =>
        Assert.False(Assert.Single(await ReportedAsync("VSTHRD101", Threading, statement)).IsSuppressed);

    [Theory]
    [InlineData("server.MessageReceived += async (_, e) => await HandleAsync(e);", 0)]
    [InlineData("Action run = async () => await Task.Yield(); Use(run);", 1)]
    public async Task The_like_of_it_in_Meziantou_Analyzer_does_not_warn_of_events(string statement, int warnings) =>
        Assert.Equal(warnings, (await ReportedAsync("MA0147", Meziantou, statement)).Length);

    private static async Task<Diagnostic[]> ReportedAsync(string id, string assembly, string statement)
    {
        string source = CSharpCode.Host(statement, "event EventHandler<MessageReceivedEventArgs> Other;");
        return [.. (await CSharpCode.DiagnosticsAsync(source, AnalyzerFor(id, assembly), new AsyncHandlerSuppressor())).Where(diagnostic => diagnostic.Id == id)];
    }

    private static DiagnosticAnalyzer AnalyzerFor(string id, string assembly) =>
        Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, "others", assembly)).GetTypes()
            .Where(type => typeof(DiagnosticAnalyzer).IsAssignableFrom(type) && !type.IsAbstract && type.GetConstructor(Type.EmptyTypes) is not null)
            .Select(type => (DiagnosticAnalyzer)Activator.CreateInstance(type)!)
            .First(analyzer => analyzer is not DiagnosticSuppressor && analyzer.SupportedDiagnostics.Any(rule => rule.Id == id));
}
