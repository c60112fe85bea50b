using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace WebSocketServerKit.Analyzers;

/// <summary>Finds handlers that block until a task is complete. Silent where the task may be complete already.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class BlockingHandlerAnalyzer : LibraryAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(Rules.BlockingHandler);

    private protected override void Register(CompilationStartAnalysisContext start, LibraryTypes types) =>
        start.RegisterOperationAction(operation => Analyze(operation, types), OperationKind.Invocation, OperationKind.PropertyReference);

    /// <summary>The task for which this operation blocks its thread; null if it is something else. For WaitAll and WaitAny the call itself.</summary>
    internal static IOperation? BlocksFor(IOperation operation, LibraryTypes types) => operation switch
    {
        IPropertyReferenceOperation { Property.Name: "Result", Instance: { } task } when types.IsTask(task.Type) => task,
        IInvocationOperation { TargetMethod.Name: "Wait", Instance: { } task } when types.IsTask(task.Type) => task,
        IInvocationOperation { TargetMethod: { Name: "WaitAll" or "WaitAny", IsStatic: true } method } call when types.IsTask(method.ContainingType) => call,
        IInvocationOperation { TargetMethod.Name: "GetResult", Instance: IInvocationOperation { TargetMethod.Name: "GetAwaiter", Instance: { } task } } when types.IsAwaitable(task.Type) => task,
        _ => null,
    };

    private static void Analyze(OperationAnalysisContext context, LibraryTypes types)
    {
        if (BlocksFor(context.Operation, types) is not { } task)
            return;

        (IMethodSymbol? function, IOperation body) = context.Operation.Function(context.ContainingSymbol);
        if (function is not null && types.IsHandler(function) && !MayBeComplete(task.WithoutConfiguration(), body))
            context.ReportDiagnostic(Diagnostic.Create(Rules.BlockingHandler, context.Operation.Syntax.GetLocation(), Name(context.Operation)));
    }

    // A call makes a task that has just begun. Any other may have been awaited before, or asked whether it is complete.
    private static bool MayBeComplete(IOperation task, IOperation body)
    {
        if (task is IAwaitOperation)
            return true;
        if (task is IInvocationOperation)
            return false;
        return body.Descendants().Any(other => other.Syntax.SpanStart < task.Syntax.SpanStart && other switch
        {
            IAwaitOperation => true,
            IPropertyReferenceOperation { Property.Name: "IsCompleted" or "IsCompletedSuccessfully" or "Status" } => true,
            IInvocationOperation { TargetMethod.Name: "WaitAll" or "WaitAny" or "Wait" } => true,
            _ => false,
        });
    }

    private static string Name(IOperation operation) => operation switch
    {
        IPropertyReferenceOperation => "Result",
        IInvocationOperation { TargetMethod.Name: "GetResult" } => "GetAwaiter().GetResult()",
        IInvocationOperation call => call.TargetMethod.Name + "()",
        _ => operation.Text(),
    };
}
