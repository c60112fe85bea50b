using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Testing;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Testing;

namespace WebSocketServerKit.Analyzers;

/// <summary>A program that uses the library, to be analyzed. What is expected to be reported stands between <c>{|WSK0001:</c> and <c>|}</c>.</summary>
internal static class CSharpCode
{
    // The assemblies of the runtime that runs the tests, the library among them: nothing is downloaded.
    private static readonly ImmutableArray<MetadataReference> References = [..
        ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
        .Where(path => Path.GetFileName(path) is string name && (name.StartsWith("System.", StringComparison.Ordinal) || name is "mscorlib.dll" or "netstandard.dll" or "WebSocketServerKit.dll" or "Microsoft.Extensions.Logging.Abstractions.dll"))
        .Select(path => MetadataReference.CreateFromFile(path))];

    private static readonly ReferenceAssemblies NoPackages = new("net10.0");

    /// <summary>A class with a server, and these statements in one of its methods.</summary>
    public static string Host(string statements, string members = "") =>
        $$"""
        using System;
        using System.Collections.Concurrent;
        using System.Collections.Generic;
        using System.Linq;
        using System.Threading;
        using System.Threading.Channels;
        using System.Threading.Tasks;
        using WebSocketServerKit;

        class Host
        {
            private readonly WebSocketServer server = new("http://localhost:8080");

            void Subscribe()
            {
        {{Indented(statements, 8)}}
            }

            static Task HandleAsync(MessageReceivedEventArgs e) => Task.CompletedTask;

            static Task<string> AnswerAsync(string text) => Task.FromResult(text);

            static void Use(object used)
            {
            }

        {{Indented(members, 4)}}
        }
        """;

    public static Task FindsAsync<TAnalyzer>(string source, OutputKind outputKind = OutputKind.DynamicallyLinkedLibrary, CompilerDiagnostics compiler = CompilerDiagnostics.Errors)
        where TAnalyzer : DiagnosticAnalyzer, new() => FixesAsync<TAnalyzer, EmptyCodeFixProvider>(source, source, outputKind, compiler);

    /// <summary>Also that there is no fix, if the source stays the same.</summary>
    public static async Task FixesAsync<TAnalyzer, TFix>(
        string source, string fixedSource, OutputKind outputKind = OutputKind.DynamicallyLinkedLibrary, CompilerDiagnostics compiler = CompilerDiagnostics.Errors)
        where TAnalyzer : DiagnosticAnalyzer, new()
        where TFix : CodeFixProvider, new()
    {
        var test = new CSharpCodeFixTest<TAnalyzer, TFix, DefaultVerifier>
        {
            TestCode = source,
            FixedCode = fixedSource,
            ReferenceAssemblies = NoPackages,
            CompilerDiagnostics = compiler,
        };
        test.TestState.OutputKind = outputKind;
        test.TestState.AdditionalReferences.AddRange(References);
        test.SolutionTransforms.Add(static (solution, project) =>
            solution.WithProjectParseOptions(project, new CSharpParseOptions(LanguageVersion.Latest)));
        await test.RunAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>What analyzers report that are given by their assemblies, with the suppressions of others.</summary>
    public static async Task<ImmutableArray<Diagnostic>> DiagnosticsAsync(string source, params DiagnosticAnalyzer[] analyzers)
    {
        var compilation = CSharpCompilation.Create(
            "Tested", [CSharpSyntaxTree.ParseText(source, new CSharpParseOptions(LanguageVersion.Latest), cancellationToken: TestContext.Current.CancellationToken)], References,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
        Assert.Empty(compilation.GetDiagnostics(TestContext.Current.CancellationToken).Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error));
        CompilationWithAnalyzers analyzed = compilation.WithAnalyzers([.. analyzers], new CompilationWithAnalyzersOptions(new AnalyzerOptions([]), null, true, false, reportSuppressedDiagnostics: true));
        return await analyzed.GetAnalyzerDiagnosticsAsync(TestContext.Current.CancellationToken);
    }

    private static string Indented(string text, int by) =>
        string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(line => line.Length == 0 ? line : new string(' ', by) + line)).TrimEnd();
}
