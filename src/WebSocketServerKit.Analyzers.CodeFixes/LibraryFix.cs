using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;

namespace WebSocketServerKit.Analyzers;

/// <summary>A fix that changes one document, wherever one of its rules reports.</summary>
public abstract class LibraryFix : CodeFixProvider
{
    /// <summary>What an editor offers.</summary>
    private protected abstract string Title { get; }

    /// <inheritdoc/>
    public sealed override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public sealed override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        SyntaxNode? root = await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false);
        SemanticModel? model = await context.Document.GetSemanticModelAsync(context.CancellationToken).ConfigureAwait(false);
        if (root is null || model is null || LibraryTypes.In(model.Compilation) is not { } types)
            return;

        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            SyntaxNode node = root.FindNode(diagnostic.Location.SourceSpan, getInnermostNodeForTie: true);
            if (Change(diagnostic, root, node, model, types) is { } change)
                context.RegisterCodeFix(CodeAction.Create(Title, _ => Task.FromResult(context.Document.WithSyntaxRoot(change())), GetType().Name), diagnostic);
        }
    }

    /// <summary>Makes the root of the changed document. Null where it is not sure what to change.</summary>
    private protected abstract Func<SyntaxNode>? Change(Diagnostic diagnostic, SyntaxNode root, SyntaxNode node, SemanticModel model, LibraryTypes types);
}
