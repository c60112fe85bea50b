using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Simplification;

namespace WebSocketServerKit.Analyzers;

/// <summary>The function around an expression: whether it can await, and what it looks like when it does.</summary>
internal sealed class AsyncFunction
{
    private readonly ExpressionSyntax _inside;
    private readonly SemanticModel _model;
    private readonly LibraryTypes _types;
    private readonly SyntaxNode? _function; // null for top-level statements
    private readonly IMethodSymbol? _symbol;

    public AsyncFunction(ExpressionSyntax inside, SemanticModel model, LibraryTypes types)
    {
        _inside = inside;
        _model = model;
        _types = types;
        _function = inside.Ancestors().FirstOrDefault(IsFunction);
        _symbol = _function switch
        {
            AnonymousFunctionExpressionSyntax lambda => model.GetSymbolInfo(lambda).Symbol as IMethodSymbol,
            null => null,
            _ => model.GetDeclaredSymbol(_function) as IMethodSymbol,
        };
    }

    // What a member has in place of a method ends the search: an accessor, a constructor, an initializer cannot await.
    private static bool IsFunction(SyntaxNode node) =>
        node is AnonymousFunctionExpressionSyntax or LocalFunctionStatementSyntax or MemberDeclarationSyntax and not GlobalStatementSyntax or AccessorDeclarationSyntax;

    public bool CanAwait()
    {
        if (_inside.Ancestors().TakeWhile(node => node != _function).Any(ForbidsAwait))
            return false;
        if (HasSpans())
            return false;
        return _function is null || (_symbol is not null && (_symbol.IsAsync || CanBecomeAsync()));
    }

    public SyntaxNode Awaiting(SyntaxNode root, ExpressionSyntax old, ExpressionSyntax task)
    {
        if (_function is null || _symbol!.IsAsync)
            return root.ReplaceNode(old, Await(old, task));

        var rewriter = new Rewriter(_function, old, task, Dropped(), returnsTask: !_symbol.ReturnsVoid);
        return root.ReplaceNode(_function, MakeAsync(rewriter.Visit(_function)!));
    }

    private static bool ForbidsAwait(SyntaxNode node) =>
        node is LockStatementSyntax or UnsafeStatementSyntax or FixedStatementSyntax or QueryExpressionSyntax or CatchFilterClauseSyntax or AttributeSyntax or ConditionalAccessExpressionSyntax;

    // A span cannot be kept over an await.
    private bool HasSpans() => Own(_function ?? _inside.SyntaxTree.GetRoot()).Any(node => node switch
    {
        VariableDeclaratorSyntax variable => _model.GetDeclaredSymbol(variable) is ILocalSymbol { Type.IsRefLikeType: true } or ILocalSymbol { IsRef: true },
        SingleVariableDesignationSyntax variable => _model.GetDeclaredSymbol(variable) is ILocalSymbol { Type.IsRefLikeType: true } or ILocalSymbol { IsRef: true },
        ForEachStatementSyntax loop => _model.GetTypeInfo(loop.Expression).Type is { IsRefLikeType: true },
        _ => false,
    });

    private bool CanBecomeAsync()
    {
        if (_symbol!.Parameters.Any(parameter => parameter.RefKind != RefKind.None || parameter.Type.IsRefLikeType) || Own(_function!).Any(node => node is YieldStatementSyntax))
            return false;
        if (_symbol.ReturnsVoid)
            return _function is AnonymousFunctionExpressionSyntax lambda && IsHandlerOfEvent(lambda);

        return _types.IsTask(_symbol.ReturnType) && _symbol.ReturnType is INamedTypeSymbol { IsGenericType: false }
            && (_function is AnonymousFunctionExpressionSyntax or LocalFunctionStatementSyntax or MethodDeclarationSyntax)
            && Own(_function).OfType<ReturnStatementSyntax>().All(statement => IsAwaitable(statement.Expression))
            && (ExpressionBody(_function) is not { } body || IsAwaitable(body));
    }

    private bool IsHandlerOfEvent(AnonymousFunctionExpressionSyntax lambda) =>
        lambda.Parent is AssignmentExpressionSyntax { RawKind: (int)SyntaxKind.AddAssignmentExpression } assignment
        && _model.GetSymbolInfo(assignment.Left).Symbol is IEventSymbol @event && _types.IsAwaitedEvent(@event);

    private bool IsAwaitable(ExpressionSyntax? returned) =>
        returned is not null && (IsCompleted(returned) || (!returned.IsKind(SyntaxKind.NullLiteralExpression) && _types.IsTask(_model.GetTypeInfo(returned).Type)));

    private static bool IsCompleted(ExpressionSyntax returned) => returned switch
    {
        MemberAccessExpressionSyntax { Name.Identifier.Text: "CompletedTask" } => true,
        LiteralExpressionSyntax literal => literal.IsKind(SyntaxKind.DefaultLiteralExpression),
        DefaultExpressionSyntax => true,
        _ => false,
    };

    // Once the function is async the compiler warns of each.
    private HashSet<SyntaxNode> Dropped() => [.. Own(_function!).OfType<ExpressionStatementSyntax>()
        .Select(statement => statement.Expression)
        .Where(expression => expression is InvocationExpressionSyntax && _types.IsAwaitable(_model.GetTypeInfo(expression).Type))];

    private static IEnumerable<SyntaxNode> Own(SyntaxNode function) => function.DescendantNodes(node => node == function || !IsFunction(node));

    private static ExpressionSyntax? ExpressionBody(SyntaxNode function) => function switch
    {
        AnonymousFunctionExpressionSyntax lambda => lambda.ExpressionBody,
        LocalFunctionStatementSyntax local => local.ExpressionBody?.Expression,
        MethodDeclarationSyntax method => method.ExpressionBody?.Expression,
        _ => null,
    };

    private static ExpressionSyntax Await(ExpressionSyntax old, ExpressionSyntax task)
    {
        ExpressionSyntax awaited = SyntaxFactory.AwaitExpression(
            SyntaxFactory.Token(old.GetLeadingTrivia(), SyntaxKind.AwaitKeyword, SyntaxFactory.TriviaList(SyntaxFactory.Space)), task.WithoutTrivia());
        bool needsParentheses = old.Parent is MemberAccessExpressionSyntax or ElementAccessExpressionSyntax or InvocationExpressionSyntax or PostfixUnaryExpressionSyntax;
        if (needsParentheses)
            awaited = SyntaxFactory.ParenthesizedExpression(awaited.WithoutLeadingTrivia()).WithLeadingTrivia(old.GetLeadingTrivia()).WithAdditionalAnnotations(Simplifier.Annotation);
        return awaited.WithTrailingTrivia(old.GetTrailingTrivia());
    }

    private static SyntaxNode MakeAsync(SyntaxNode function)
    {
        SyntaxTriviaList leading = function.GetLeadingTrivia();
        SyntaxNode bare = function.WithoutLeadingTrivia();
        SyntaxToken keyword = SyntaxFactory.Token(SyntaxTriviaList.Empty, SyntaxKind.AsyncKeyword, SyntaxFactory.TriviaList(SyntaxFactory.Space));
        SyntaxNode made = bare switch
        {
            AnonymousFunctionExpressionSyntax lambda => lambda.WithModifiers(lambda.Modifiers.Add(keyword)),
            LocalFunctionStatementSyntax local => local.WithModifiers(local.Modifiers.Add(keyword)),
            MethodDeclarationSyntax method => method.WithModifiers(method.Modifiers.Add(keyword)),
            _ => bare,
        };
        return made.WithLeadingTrivia(leading);
    }

    private sealed class Rewriter(SyntaxNode function, ExpressionSyntax old, ExpressionSyntax task, HashSet<SyntaxNode> dropped, bool returnsTask) : CSharpSyntaxRewriter
    {
        public override SyntaxNode? Visit(SyntaxNode? node)
        {
            if (node is null || (node != function && IsFunction(node)))
                return node;
            if (node == old)
                return Await(old, node == task ? (ExpressionSyntax)base.Visit(node)! : (ExpressionSyntax)Visit(task)!);
            if (dropped.Contains(node) || (returnsTask && node == ExpressionBody(function)))
                return Await((ExpressionSyntax)node, (ExpressionSyntax)base.Visit(node)!);
            return base.Visit(node);
        }

        public override SyntaxNode? VisitBlock(BlockSyntax node)
        {
            if (!returnsTask)
                return base.VisitBlock(node);

            List<StatementSyntax> statements = [];
            foreach (StatementSyntax statement in node.Statements)
            {
                if (statement is not ReturnStatementSyntax { Expression: { } returned } end)
                {
                    statements.Add((StatementSyntax)Visit(statement)!);
                    continue;
                }

                bool isLast = node.Parent == function && statement == node.Statements.Last();
                bool hasComment = statement.GetLeadingTrivia().Concat(statement.GetTrailingTrivia()).Any(trivia => !trivia.IsKind(SyntaxKind.WhitespaceTrivia) && !trivia.IsKind(SyntaxKind.EndOfLineTrivia));
                if (!IsCompleted(returned))
                    statements.Add(Awaited(end));
                if (!isLast || (hasComment && IsCompleted(returned)))
                    statements.Add(Return(end));
            }

            return node.WithStatements(SyntaxFactory.List(statements));
        }

        public override SyntaxNode? VisitReturnStatement(ReturnStatementSyntax node)
        {
            if (!returnsTask || node.Expression is not { } returned)
                return base.VisitReturnStatement(node);
            return IsCompleted(returned)
                ? Return(node)
                : SyntaxFactory.Block(Awaited(node).WithoutTrivia(), Return(node).WithoutTrivia()).WithTriviaFrom(node).WithAdditionalAnnotations(Microsoft.CodeAnalysis.Formatting.Formatter.Annotation);
        }

        private ExpressionStatementSyntax Awaited(ReturnStatementSyntax node)
        {
            ExpressionSyntax returned = node.Expression!.WithoutTrivia();
            var visited = (ExpressionSyntax)Visit(node.Expression)!;
            return SyntaxFactory.ExpressionStatement(Await(returned, visited)).WithTriviaFrom(node);
        }

        private static ReturnStatementSyntax Return(ReturnStatementSyntax node) =>
            node.WithReturnKeyword(node.ReturnKeyword.WithTrailingTrivia()).WithExpression(null);
    }
}
