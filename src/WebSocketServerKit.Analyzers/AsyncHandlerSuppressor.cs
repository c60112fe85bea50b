using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace WebSocketServerKit.Analyzers;

/// <summary>
/// Takes back a warning of Microsoft.VisualStudio.Threading.Analyzers on <c>async</c> lambdas that are added to the events of the library: they are awaited. MA0147 of Meziantou.Analyzer, which is
/// like it, leaves events out.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class AsyncHandlerSuppressor : DiagnosticSuppressor
{
    private const string Justification =
        "WebSocketServerKit calls its handlers in a SynchronizationContext that tells when an async one has ended: it waits for it, and handles its exception as that of any handler.";

    private static readonly SuppressionDescriptor Rule = new("WSKS0001", "VSTHRD101", Justification);

    /// <inheritdoc/>
    public override ImmutableArray<SuppressionDescriptor> SupportedSuppressions { get; } = ImmutableArray.Create(Rule);

    /// <inheritdoc/>
    public override void ReportSuppressions(SuppressionAnalysisContext context)
    {
        if (LibraryTypes.In(context.Compilation) is not { } types)
            return;

        foreach (Diagnostic diagnostic in context.ReportedDiagnostics)
        {
            if (diagnostic.Location.SourceTree is not { } tree
                || tree.GetRoot(context.CancellationToken).FindNode(diagnostic.Location.SourceSpan, getInnermostNodeForTie: true).FirstAncestorOrSelf<AnonymousFunctionExpressionSyntax>() is not { } lambda
                || Outermost(lambda).Parent is not AssignmentExpressionSyntax { RawKind: (int)SyntaxKind.AddAssignmentExpression } assignment)
            {
                continue;
            }

            if (context.GetSemanticModel(tree).GetSymbolInfo(assignment.Left, context.CancellationToken).Symbol is IEventSymbol @event && types.IsAwaitedEvent(@event))
                context.ReportSuppression(Suppression.Create(Rule, diagnostic));
        }
    }

    private static ExpressionSyntax Outermost(ExpressionSyntax expression)
    {
        while (expression.Parent is ParenthesizedExpressionSyntax parenthesized)
            expression = parenthesized;
        return expression;
    }
}
