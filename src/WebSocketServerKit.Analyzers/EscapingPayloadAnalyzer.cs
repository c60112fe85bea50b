using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace WebSocketServerKit.Analyzers;

/// <summary>Finds messages, and views of their payload, that outlive the handler: in work that nobody waits for, and in places that last.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class EscapingPayloadAnalyzer : LibraryAnalyzer
{
    /// <summary>The property of a diagnostic that is there if the use is in a function that is called later; else the place of the use is where it is stored.</summary>
    internal const string CalledLater = "CalledLater";

    private static readonly ImmutableDictionary<string, string?> Later = ImmutableDictionary<string, string?>.Empty.Add(CalledLater, null);

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(Rules.EscapingPayload);

    private protected override void Register(CompilationStartAnalysisContext start, LibraryTypes types)
    {
        if (types.Message is null)
            return;
        start.RegisterOperationAction(operation => AnalyzeCall(operation, types), OperationKind.Invocation);
        start.RegisterOperationAction(operation => AnalyzeCreation(operation, types), OperationKind.ObjectCreation);
        start.RegisterOperationAction(operation => AnalyzeAssignment(operation, types), OperationKind.SimpleAssignment);
    }

    private static void AnalyzeCall(OperationAnalysisContext context, LibraryTypes types)
    {
        var call = (IInvocationOperation)context.Operation;
        IMethodSymbol method = call.TargetMethod;
        bool runsLater = (method.ContainingType.Name, method.Name) switch
        {
            ("Task", "Run") or ("TaskFactory", "StartNew") => method.ContainingType.ContainingNamespace.IsTasks() && IsDropped(call),
            ("ThreadPool", "QueueUserWorkItem" or "UnsafeQueueUserWorkItem") => IsThreading(method.ContainingType),
            _ => false,
        };
        if (runsLater)
            ReportUseIn(context, call.Arguments, types);
        else if (call.Instance is { } store && IsCollection(method.ContainingType) && Stores(method.Name))
            ReportStored(context, store, call.Arguments, types);
    }

    private static void AnalyzeCreation(OperationAnalysisContext context, LibraryTypes types)
    {
        var creation = (IObjectCreationOperation)context.Operation;
        if (creation.Type is not INamedTypeSymbol { Name: "Thread" or "Timer" } type || !IsThreading(type) || IsEndedHere(creation, context.ContainingSymbol))
            return;
        ReportUseIn(context, creation.Arguments, types);
    }

    private static void AnalyzeAssignment(OperationAnalysisContext context, LibraryTypes types)
    {
        var assignment = (ISimpleAssignmentOperation)context.Operation;
        if (assignment.Target is not (IFieldReferenceOperation or IPropertyReferenceOperation or ILocalReferenceOperation)
            || ViewedMessage(assignment.Value, types) is not { } message
            || !OutlivesHandlerOf(message, assignment.Target, types)
            || IsAssignedAgain(assignment, context.ContainingSymbol)
            || (assignment.Target is IPropertyReferenceOperation { Property.IsIndexer: true, Instance: { } store } && IsTakenOut(store, assignment, context.ContainingSymbol)))
        {
            return;
        }

        Report(context, assignment.Value.Bare());
    }

    private static void ReportStored(OperationAnalysisContext context, IOperation store, ImmutableArray<IArgumentOperation> arguments, LibraryTypes types)
    {
        foreach (IArgumentOperation argument in arguments)
        {
            if (ViewedMessage(argument.Value, types) is not { } message || !OutlivesHandlerOf(message, store, types) || IsTakenOut(store, argument, context.ContainingSymbol))
                continue;
            Report(context, argument.Value.Bare());
            return;
        }
    }

    // The first use of a message in a function that is called later.
    private static void ReportUseIn(OperationAnalysisContext context, ImmutableArray<IArgumentOperation> arguments, LibraryTypes types)
    {
        foreach (IArgumentOperation argument in arguments)
        {
            if (argument.Value.Bare() is not IAnonymousFunctionOperation lambda || lambda.Descendants().Any(TellsThatItIsDone))
                continue;
            foreach (IOperation inside in lambda.Descendants())
            {
                if (Use(inside, lambda, types) is not { } use)
                    continue;
                Report(context, use, Later);
                return;
            }
        }
    }

    private static void Report(OperationAnalysisContext context, IOperation use, ImmutableDictionary<string, string?>? properties = null) =>
        context.ReportDiagnostic(Diagnostic.Create(Rules.EscapingPayload, use.Syntax.GetLocation(), properties, use.Text()));

    // What is used there of a message from outside: the member, or the whole message. Null for members that stay valid.
    private static IOperation? Use(IOperation operation, IAnonymousFunctionOperation lambda, LibraryTypes types)
    {
        switch (operation)
        {
            case IParameterReferenceOperation { Parameter: { } parameter } when types.IsMessage(parameter.Type) && !IsDeclaredIn(parameter, lambda):
                return operation.Parent switch
                {
                    IPropertyReferenceOperation { Property.Name: "Client" or "IsText" or "MessageType" } => null,
                    IPropertyReferenceOperation property => property,
                    IInvocationOperation { TargetMethod.Name: "ContinueReceiving" or "Equals" or "GetHashCode" or "Dispose" or "DisposeAsync" } call when call.Instance == operation => null,
                    IInvocationOperation call when call.Instance == operation => call,
                    INameOfOperation => null,
                    _ => operation,
                };
            case ILocalReferenceOperation { Local: { } local } when !IsDeclaredIn(local, lambda) && ViewedMessage(operation, types) is not null:
                return operation.Parent is IPropertyReferenceOperation { Property.Name: "Length" or "IsEmpty" or "Client" or "IsText" or "MessageType" } or INameOfOperation ? null : operation;
            default:
                return null;
        }
    }

    // The parameter whose message this is, or shows: e, e.PayloadMemory, a slice of it, a local variable that was made of one of these.
    private static IParameterSymbol? ViewedMessage(IOperation value, LibraryTypes types) => value.Bare() switch
    {
        IParameterReferenceOperation { Parameter: { } parameter } when types.IsMessage(parameter.Type) => parameter,
        IPropertyReferenceOperation { Property.Name: "PayloadMemory", Instance: { } message } when LibraryTypes.Same(message.Type, types.Message) => ViewedMessage(message, types),
        IInvocationOperation { TargetMethod: { Name: "Slice", ContainingType.Name: "ReadOnlyMemory" }, Instance: { } memory } => ViewedMessage(memory, types),
        IImplicitIndexerReferenceOperation { Instance: { } memory } => ViewedMessage(memory, types),
        ILocalReferenceOperation local when types.IsMessage(local.Type) || local.Type?.Name == "ReadOnlyMemory" => Initializer(local) is { } initial ? ViewedMessage(initial, types) : null,
        _ => null,
    };

    // Of a variable that is assigned nothing else.
    private static IOperation? Initializer(ILocalReferenceOperation local)
    {
        IOperation root = local.Around().LastOrDefault() ?? local;
        IVariableDeclaratorOperation? declarator = null;
        foreach (IOperation operation in root.Descendants())
        {
            if (operation is IVariableDeclaratorOperation found && LibraryTypes.Same(found.Symbol, local.Local))
                declarator = found;
            else if (operation is IAssignmentOperation { Target: ILocalReferenceOperation target } && LibraryTypes.Same(target.Local, local.Local))
                return null;
        }

        return declarator?.GetVariableInitializer()?.Value;
    }

    // Whether the place is there after the handler of the message: a member of the object that has the handler, of the client, or a variable outside.
    private static bool OutlivesHandlerOf(IParameterSymbol message, IOperation place, LibraryTypes types) =>
        message.ContainingSymbol is IMethodSymbol handler && types.IsHandler(handler) && Lasts(place, handler, types);

    private static bool Lasts(IOperation? place, IMethodSymbol handler, LibraryTypes types) => place?.Bare() switch
    {
        // A static member.
        null => true,
        IInstanceReferenceOperation { ReferenceKind: InstanceReferenceKind.ContainingTypeInstance } instance => instance.Type is { IsRefLikeType: false },
        IFieldReferenceOperation field => Lasts(field.Instance, handler, types),
        IPropertyReferenceOperation property => Lasts(property.Instance, handler, types),
        ILocalReferenceOperation local => IsDeclaredOutside(local.Local, handler),
        IParameterReferenceOperation { Parameter: { } parameter } => types.IsMessage(parameter.Type) || LibraryTypes.Same(parameter.Type, types.Client) || IsDeclaredOutside(parameter, handler),
        IInvocationOperation { TargetMethod.Name: "GetState" } call => types.Has(call.TargetMethod),
        _ => false,
    };

    private static bool IsDeclaredOutside(ISymbol variable, IMethodSymbol handler)
    {
        // A lambda in the handler is a part of it.
        for (ISymbol? owner = variable.ContainingSymbol; owner is not null; owner = owner.ContainingSymbol)
        {
            if (LibraryTypes.Same(owner, handler))
                return false;
        }

        return true;
    }

    private static bool IsDeclaredIn(ISymbol variable, IAnonymousFunctionOperation lambda) => !IsDeclaredOutside(variable, lambda.Symbol);

    // A place that the handler fills and clears.
    private static bool IsAssignedAgain(ISimpleAssignmentOperation assignment, ISymbol containing)
    {
        ISymbol? place = assignment.Target.Referred();
        return assignment.Function(containing).Body.Descendants().Any(
            other => other is IAssignmentOperation again && again != assignment && LibraryTypes.Same(again.Target.Referred(), place));
    }

    // A collection that the handler fills and empties.
    private static bool IsTakenOut(IOperation store, IOperation stored, ISymbol containing)
    {
        ISymbol? place = store.Referred();
        return stored.Function(containing).Body.Descendants().Any(
            other => other is IInvocationOperation { TargetMethod.Name: "Clear" or "Remove" or "RemoveAt" or "TryRemove" or "Dequeue" or "TryDequeue" or "Pop" or "TryPop" or "TryTake" } call
                && LibraryTypes.Same(call.Instance.Referred(), place));
    }

    // In (_, e) => _ = … the discard is the parameter, and the task is converted to its type.
    private static bool IsDropped(IInvocationOperation call)
    {
        IOperation? use = call.Around().FirstOrDefault(outer => outer is not IConversionOperation);
        return use is IExpressionStatementOperation or ISimpleAssignmentOperation { Target: IDiscardOperation or IParameterReferenceOperation { Parameter.Name: "_" } };
    }

    // A thread that is joined, a timer that is disposed of.
    private static bool IsEndedHere(IObjectCreationOperation creation, ISymbol containing) =>
        creation.Around().Any(outer => outer is IUsingOperation or IUsingDeclarationOperation)
        || creation.Function(containing).Body.Descendants().Any(other => other is IInvocationOperation { TargetMethod.Name: "Join" or "Dispose" or "DisposeAsync" });

    // The handler may wait for it by a TaskCompletionSource, an event, a semaphore, a channel.
    private static bool TellsThatItIsDone(IOperation operation) => operation is IInvocationOperation
    {
        TargetMethod.Name: "SetResult" or "TrySetResult" or "SetException" or "TrySetException" or "Set" or "Signal" or "SignalAndWait" or "Release" or "Complete" or "TryComplete",
    };

    private static bool IsThreading(INamedTypeSymbol type) =>
        type.ContainingNamespace is { Name: "Threading", ContainingNamespace: { Name: "System", ContainingNamespace.IsGlobalNamespace: true } };

    private static bool IsCollection(INamedTypeSymbol type)
    {
        string name = type.ContainingNamespace.ToDisplayString();
        return name == "System.Threading.Channels" || name == "System.Collections" || name.StartsWith("System.Collections.", StringComparison.Ordinal);
    }

    private static bool Stores(string method) =>
        method is "Add" or "TryAdd" or "AddFirst" or "AddLast" or "Enqueue" or "Push" or "Insert" or "TryWrite" or "WriteAsync";
}
