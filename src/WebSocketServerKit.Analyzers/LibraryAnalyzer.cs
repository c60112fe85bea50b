using Microsoft.CodeAnalysis.Diagnostics;

namespace WebSocketServerKit.Analyzers;

/// <summary>An analyzer of code that uses the library. It is silent in compilations that do not, and in generated code.</summary>
public abstract class LibraryAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public sealed override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(start =>
        {
            if (LibraryTypes.In(start.Compilation) is { } types)
                Register(start, types);
        });
    }

    /// <summary>Registers what is analyzed in a compilation.</summary>
    private protected abstract void Register(CompilationStartAnalysisContext start, LibraryTypes types);
}
