using System.Collections.Immutable;
using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace WebSocketServerKit.Analyzers;

/// <summary>Awaits what was dropped (WSK0001, WSK0002) or blocked on (WSK0004), where the function is async, or can be made so without a change for those who call it.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class AwaitTaskFix : LibraryFix
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ImmutableArray.Create(Rules.DroppedTask.Id, Rules.DroppedCall.Id, Rules.BlockingHandler.Id);

    private protected override string Title => "Await it";

    private protected override Func<SyntaxNode>? Change(Diagnostic diagnostic, SyntaxNode root, SyntaxNode node, SemanticModel model, LibraryTypes types)
    {
        if (node is not ExpressionSyntax expression || TaskOf(expression, diagnostic.Id) is not { } task)
            return null;

        var function = new AsyncFunction(expression, model, types);
        return function.CanAwait() ? () => function.Awaiting(root, expression, task) : null;
    }

    // What is to be awaited in its place. Null where that is not sure, such as behind ?. (null cannot be awaited), or with a timeout.
    private static ExpressionSyntax? TaskOf(ExpressionSyntax expression, string id)
    {
        if (id != Rules.BlockingHandler.Id)
            return expression as InvocationExpressionSyntax;

        return expression switch
        {
            MemberAccessExpressionSyntax { Name.Identifier.Text: "Result" } result => result.Expression,
            InvocationExpressionSyntax { ArgumentList.Arguments.Count: 0, Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "Wait" } wait } => wait.Expression,
            InvocationExpressionSyntax
            {
                Expression: MemberAccessExpressionSyntax
                {
                    Name.Identifier.Text: "GetResult",
                    Expression: InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "GetAwaiter" } awaiter },
                },
            } => awaiter.Expression,
            _ => null,
        };
    }
}
