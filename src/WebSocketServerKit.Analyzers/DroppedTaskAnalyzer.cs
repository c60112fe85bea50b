using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace WebSocketServerKit.Analyzers;

/// <summary>Finds tasks that nobody awaits where the compiler does not (CS4014): in functions that are not async, and behind <c>?.</c>.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class DroppedTaskAnalyzer : LibraryAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(Rules.DroppedTask, Rules.DroppedCall);

    private protected override void Register(CompilationStartAnalysisContext start, LibraryTypes types) =>
        start.RegisterOperationAction(operation => Analyze(operation, types), OperationKind.ExpressionStatement);

    private static void Analyze(OperationAnalysisContext context, LibraryTypes types)
    {
        var statement = (IExpressionStatementOperation)context.Operation;
        if (Dropped(statement, types, out bool isConditional) is not { } call)
            return;

        (IMethodSymbol? function, IOperation body) = statement.Function(context.ContainingSymbol);
        if (function is null || (function.IsAsync && !isConditional))
            return;

        if (!function.IsAsync && types.IsHandler(function) && !IsUnsubscribed(body))
            context.ReportDiagnostic(Diagnostic.Create(Rules.DroppedTask, statement.Operation.Syntax.GetLocation(), Name(call)));
        else if (call.WithoutConfiguration() is IInvocationOperation own && (types.Has(own.TargetMethod) || types.Has(own.Instance?.Type)) && !IsUnsubscribed(body))
            context.ReportDiagnostic(Diagnostic.Create(Rules.DroppedCall, statement.Operation.Syntax.GetLocation(), Name(own)));
    }

    private static IInvocationOperation? Dropped(IExpressionStatementOperation statement, LibraryTypes types, out bool isConditional)
    {
        IOperation operation = statement.Operation;
        isConditional = operation is IConditionalAccessOperation;
        while (operation is IConditionalAccessOperation conditional)
            operation = conditional.WhenNotNull;
        return operation is IInvocationOperation call && types.IsAwaitable(call.Type) ? call : null;
    }

    private static bool IsUnsubscribed(IOperation body) =>
        body is IAnonymousFunctionOperation { Parent: IDelegateCreationOperation { Parent: IEventAssignmentOperation { Adds: false } } };

    private static string Name(IInvocationOperation call) => (call.WithoutConfiguration() as IInvocationOperation ?? call).TargetMethod.Name;
}
