using System.Collections.Immutable;
using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Simplification;

namespace WebSocketServerKit.Analyzers;

/// <summary>Copies what is used after the handler (WSK0003): where it is stored, or in a variable before the function that uses it later.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class CopyPayloadFix : LibraryFix
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ImmutableArray.Create(Rules.EscapingPayload.Id);

    private protected override string Title => "Copy the payload";

    private protected override Func<SyntaxNode>? Change(Diagnostic diagnostic, SyntaxNode root, SyntaxNode node, SemanticModel model, LibraryTypes types)
    {
        SyntaxNode? changed = diagnostic.Properties.ContainsKey(EscapingPayloadAnalyzer.CalledLater)
            ? CopyBefore(root, node, model, types)
            : CopyInPlace(root, node, model);
        return changed is null ? null : () => changed;
    }

    // Only where memory is asked for: in an object the array would be another thing.
    private static SyntaxNode? CopyInPlace(SyntaxNode root, SyntaxNode use, SemanticModel model)
    {
        if (use is not MemberAccessExpressionSyntax { Name.Identifier.Text: "PayloadMemory" } view || model.GetTypeInfo(view).ConvertedType?.Name != "ReadOnlyMemory")
            return null;
        return root.ReplaceNode(view, Copy(view).WithTriviaFrom(view));
    }

    private static SyntaxNode? CopyBefore(SyntaxNode root, SyntaxNode use, SemanticModel model, LibraryTypes types)
    {
        if (use.FirstAncestorOrSelf<AnonymousFunctionExpressionSyntax>() is null || Message(use, model, types) is not { } message)
            return null;

        // The outermost function that is inside of the one that has the message, and the statement that it is a part of.
        SyntaxNode owner = message.ContainingSymbol.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax() ?? root;
        AnonymousFunctionExpressionSyntax? later = use.Ancestors().TakeWhile(node => node != owner).OfType<AnonymousFunctionExpressionSyntax>().LastOrDefault();
        if (later?.Ancestors().TakeWhile(node => node != owner).OfType<StatementSyntax>().FirstOrDefault() is not { Parent: BlockSyntax } statement)
            return null;

        var copies = new Dictionary<string, StatementSyntax>(StringComparer.Ordinal);
        var uses = new Dictionary<SyntaxNode, string>();
        var taken = new HashSet<string>(model.LookupSymbols(statement.SpanStart).Select(symbol => symbol.Name), StringComparer.Ordinal);
        taken.UnionWith(owner.DescendantTokens().Where(token => token.IsKind(SyntaxKind.IdentifierToken)).Select(token => token.ValueText));
        foreach (IdentifierNameSyntax name in later.DescendantNodes().OfType<IdentifierNameSyntax>())
        {
            if (!LibraryTypes.Same(model.GetSymbolInfo(name).Symbol, message))
                continue;
            if (name.Parent is not MemberAccessExpressionSyntax member || member.Expression != name)
                return null;

            string variable;
            switch (member.Name.Identifier.Text)
            {
                case "Client" or "IsText" or "MessageType":
                    continue;
                case "Text":
                    variable = "text";
                    copies[variable] = Variable("string", variable, member.WithoutTrivia());
                    uses.Add(member, variable);
                    break;
                case "PayloadMemory":
                    variable = "payload";
                    copies[variable] = Variable("global::System.ReadOnlyMemory<byte>", variable, Copy(member));
                    uses.Add(member, variable);
                    break;
                default:
                    return null;
            }

            if (taken.Contains(variable))
                return null;
        }

        if (uses.Count == 0)
            return null;

        // Each copy on a line of its own, indented as the statement is.
        SyntaxTriviaList indentation = SyntaxFactory.TriviaList(statement.GetLeadingTrivia().Reverse().TakeWhile(trivia => trivia.IsKind(SyntaxKind.WhitespaceTrivia)));
        SyntaxTrivia lineEnd = statement.GetTrailingTrivia().LastOrDefault(trivia => trivia.IsKind(SyntaxKind.EndOfLineTrivia));
        if (!lineEnd.IsKind(SyntaxKind.EndOfLineTrivia))
            return null;

        StatementSyntax changed = statement.ReplaceNodes(uses.Keys, (old, _) => SyntaxFactory.IdentifierName(uses[old]).WithTriviaFrom(old));
        List<StatementSyntax> statements = [.. copies.Values.Select(copy => copy.WithLeadingTrivia(indentation).WithTrailingTrivia(lineEnd)), changed.WithLeadingTrivia(indentation)];
        statements[0] = statements[0].WithLeadingTrivia(statement.GetLeadingTrivia());
        return root.ReplaceNode(statement, statements);
    }

    private static IParameterSymbol? Message(SyntaxNode use, SemanticModel model, LibraryTypes types) =>
        use is MemberAccessExpressionSyntax { Expression: IdentifierNameSyntax name } && model.GetSymbolInfo(name).Symbol is IParameterSymbol parameter && LibraryTypes.Same(parameter.Type, types.Message)
            ? parameter
            : null;

    private static InvocationExpressionSyntax Copy(MemberAccessExpressionSyntax view) =>
        SyntaxFactory.InvocationExpression(view.WithoutTrivia().WithName(SyntaxFactory.IdentifierName("ToArray")));

    private static LocalDeclarationStatementSyntax Variable(string type, string name, ExpressionSyntax value) =>
        SyntaxFactory.LocalDeclarationStatement(
            SyntaxFactory.VariableDeclaration(
                SyntaxFactory.ParseTypeName(type).WithAdditionalAnnotations(Simplifier.Annotation).WithTrailingTrivia(SyntaxFactory.Space),
                SyntaxFactory.SingletonSeparatedList(SyntaxFactory.VariableDeclarator(SyntaxFactory.Identifier(name), null, SyntaxFactory.EqualsValueClause(value)))));
}
