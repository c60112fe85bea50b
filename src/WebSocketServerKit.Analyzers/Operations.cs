using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace WebSocketServerKit.Analyzers;

/// <summary>Questions about the tree of operations.</summary>
internal static class Operations
{
    /// <summary>The operations around this one, from inside to outside.</summary>
    public static IEnumerable<IOperation> Around(this IOperation operation)
    {
        for (IOperation? outer = operation.Parent; outer is not null; outer = outer.Parent)
            yield return outer;
    }

    /// <summary>The innermost function that contains it: a lambda, a local function, or the method; and the operation that is its body.</summary>
    public static (IMethodSymbol? Function, IOperation Body) Function(this IOperation operation, ISymbol containing)
    {
        IOperation outermost = operation;
        foreach (IOperation outer in operation.Around())
        {
            if (outer is IAnonymousFunctionOperation lambda)
                return (lambda.Symbol, lambda);
            if (outer is ILocalFunctionOperation local)
                return (local.Symbol, local);
            outermost = outer;
        }

        return (containing as IMethodSymbol, outermost);
    }

    /// <summary>Without conversions around it.</summary>
    public static IOperation Bare(this IOperation operation)
    {
        while (true)
        {
            switch (operation)
            {
                case IConversionOperation conversion:
                    operation = conversion.Operand;
                    break;
                case IDelegateCreationOperation creation:
                    operation = creation.Target;
                    break;
                default:
                    return operation;
            }
        }
    }

    /// <summary>The task itself, where it is configured, wrapped, or both.</summary>
    public static IOperation WithoutConfiguration(this IOperation operation)
    {
        while (operation.Bare() is IInvocationOperation { Instance: { } instance, TargetMethod.Name: "ConfigureAwait" or "AsTask" or "Preserve" } call && call.TargetMethod.ContainingType.ContainingNamespace.IsTasks())
            operation = instance;
        return operation.Bare();
    }

    public static bool IsTasks(this INamespaceSymbol name) => name is { Name: "Tasks", ContainingNamespace: { Name: "Threading", ContainingNamespace: { Name: "System", ContainingNamespace.IsGlobalNamespace: true } } };

    /// <summary>What a name or a member access refers to, if it is that.</summary>
    public static ISymbol? Referred(this IOperation? operation) => operation?.Bare() switch
    {
        ILocalReferenceOperation local => local.Local,
        IParameterReferenceOperation parameter => parameter.Parameter,
        IFieldReferenceOperation field => field.Field,
        IPropertyReferenceOperation property => property.Property,
        _ => null,
    };

    /// <summary>As it stands in the source, on one line.</summary>
    public static string Text(this IOperation operation)
    {
        string text = operation.Syntax.ToString();
        int end = text.IndexOf('\n');
        return end < 0 ? text : text.Substring(0, end).TrimEnd('\r') + "…";
    }
}
