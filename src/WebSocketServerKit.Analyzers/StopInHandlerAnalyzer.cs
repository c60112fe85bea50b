using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace WebSocketServerKit.Analyzers;

/// <summary>Finds handlers that wait for the stop of their own server. A handler may stop another server, so it is silent unless both are surely the same.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class StopInHandlerAnalyzer : LibraryAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(Rules.StopInHandler);

    private protected override void Register(CompilationStartAnalysisContext start, LibraryTypes types) =>
        start.RegisterOperationAction(operation => Analyze(operation, types), OperationKind.Await, OperationKind.Invocation, OperationKind.PropertyReference);

    private static void Analyze(OperationAnalysisContext context, LibraryTypes types)
    {
        IOperation? task = context.Operation is IAwaitOperation awaited ? awaited.Operation : BlockingHandlerAnalyzer.BlocksFor(context.Operation, types);
        if (task?.WithoutConfiguration() is not IInvocationOperation { TargetMethod.Name: "StopAsync" or "DisposeAsync", Instance: { } stopped } stop
            || !LibraryTypes.Same(stop.TargetMethod.ContainingType, types.Server))
        {
            return;
        }

        (IMethodSymbol? function, IOperation body) = context.Operation.Function(context.ContainingSymbol);
        if (function is not null && types.IsHandler(function) && IsOwn(stopped.Bare(), function, body, types))
            context.ReportDiagnostic(Diagnostic.Create(Rules.StopInHandler, stop.Syntax.GetLocation(), stop.Text()));
    }

    private static bool IsOwn(IOperation stopped, IMethodSymbol function, IOperation body, LibraryTypes types)
    {
        // ((WebSocketServer)sender!).StopAsync()
        if (stopped is IParameterReferenceOperation { Parameter: { Ordinal: 0, Type.SpecialType: SpecialType.System_Object } parameter })
            return LibraryTypes.Same(parameter.ContainingSymbol, function);
        if (stopped.Referred() is not { } server)
            return false;

        return body is IAnonymousFunctionOperation
            ? LibraryTypes.Same(Subscribed(body, types), server)
            : server is IFieldSymbol or IPropertySymbol && IsOnlyServer(server, function.ContainingType, types);
    }

    // The server in server.MessageReceived += lambda, server.OnMessage(lambda), server.OnConnected(…).OnMessage(lambda), server.Path("/chat").OnMessage(lambda).
    private static ISymbol? Subscribed(IOperation lambda, LibraryTypes types)
    {
        IOperation? use = lambda.Around().FirstOrDefault(outer => outer is not (IDelegateCreationOperation or IConversionOperation or IArgumentOperation));
        IOperation? on = use switch
        {
            IEventAssignmentOperation { EventReference: IEventReferenceOperation { Instance: { } instance } } => instance,
            IInvocationOperation call when types.Has(call.TargetMethod) => call.Instance,
            _ => null,
        };
        while (on?.Bare() is IInvocationOperation outer && types.Has(outer.TargetMethod))
            on = outer.Instance;
        return on.Referred();
    }

    // Where a type has one server, its methods that handle events handle those of that server.
    private static bool IsOnlyServer(ISymbol server, INamedTypeSymbol type, LibraryTypes types) =>
        LibraryTypes.Same(server.ContainingType, type)
        && type.GetMembers().Count(member => !member.IsImplicitlyDeclared && LibraryTypes.Same((member as IFieldSymbol)?.Type ?? (member as IPropertySymbol)?.Type, types.Server)) == 1;
}
