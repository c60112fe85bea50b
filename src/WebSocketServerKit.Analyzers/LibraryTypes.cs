using Microsoft.CodeAnalysis;

namespace WebSocketServerKit.Analyzers;

/// <summary>The types of WebSocketServerKit in a compilation, and what they say of its code. Immutable.</summary>
internal sealed class LibraryTypes
{
    private readonly IAssemblySymbol _library;
    private readonly HashSet<ISymbol> _awaitables = new(SymbolEqualityComparer.Default);
    private readonly HashSet<ISymbol> _tasks = new(SymbolEqualityComparer.Default);

    private LibraryTypes(Compilation compilation, INamedTypeSymbol server)
    {
        _library = server.ContainingAssembly;
        Server = server;
        Path = TypeOf("WebSocketServerKit.WebSocketPath");
        Client = TypeOf("WebSocketServerKit.WebSocketClient");
        Message = TypeOf("WebSocketServerKit.MessageReceivedEventArgs");
        MessageStream = TypeOf("WebSocketServerKit.MessageStream");
        Handshaking = TypeOf("WebSocketServerKit.HandshakingEventArgs");
        HttpRequest = TypeOf("WebSocketServerKit.HttpRequestReceivedEventArgs");

        foreach (string name in new[] { "Task", "Task`1", "ValueTask", "ValueTask`1" })
        {
            if (compilation.GetTypeByMetadataName("System.Threading.Tasks." + name) is not { } task)
                continue;
            _tasks.Add(task);
            _awaitables.Add(task);
        }

        foreach (string name in new[] { "ConfiguredTaskAwaitable", "ConfiguredTaskAwaitable`1", "ConfiguredValueTaskAwaitable", "ConfiguredValueTaskAwaitable`1" })
        {
            if (compilation.GetTypeByMetadataName("System.Runtime.CompilerServices." + name) is { } configured)
                _awaitables.Add(configured);
        }
    }

    public INamedTypeSymbol Server { get; }

    public INamedTypeSymbol? Path { get; }

    public INamedTypeSymbol? Client { get; }

    public INamedTypeSymbol? Message { get; }

    public INamedTypeSymbol? MessageStream { get; }

    private INamedTypeSymbol? Handshaking { get; }

    private INamedTypeSymbol? HttpRequest { get; }

    /// <summary>Null if the compilation does not use the library.</summary>
    public static LibraryTypes? In(Compilation compilation) =>
        compilation.GetTypeByMetadataName("WebSocketServerKit.WebSocketServer") is { } server ? new LibraryTypes(compilation, server) : null;

    public static bool Same(ISymbol? one, ISymbol? other) => SymbolEqualityComparer.Default.Equals(one, other);

    /// <summary>Whether it belongs to the library.</summary>
    public bool Has(ISymbol? symbol) => Same(symbol?.ContainingAssembly, _library);

    /// <summary>Task and ValueTask, with a result or without.</summary>
    public bool IsTask(ITypeSymbol? type) => type is not null && _tasks.Contains(type.OriginalDefinition);

    /// <summary>The same, and what ConfigureAwait makes of them.</summary>
    public bool IsAwaitable(ITypeSymbol? type) => type is not null && _awaitables.Contains(type.OriginalDefinition);

    /// <summary>An event whose async handlers the library waits for.</summary>
    public bool IsAwaitedEvent(IEventSymbol @event) => Has(@event) && @event.Type is INamedTypeSymbol { Name: "EventHandler", TypeArguments.Length: 1 } type && Has(type.TypeArguments[0]);

    /// <summary>A message, or the stream of one: what is valid only while its handlers run.</summary>
    public bool IsMessage(ITypeSymbol? type) => type is not null && (Same(type, Message) || Same(type, MessageStream));

    /// <summary>
    /// Whether a function has the parameters and the result of a handler: that of an event, or one for On…. There is no other use for such a function.
    /// </summary>
    public bool IsHandler(IMethodSymbol function) => function.Parameters.Length switch
    {
        1 => IsTask(function.ReturnType) && (Same(function.Parameters[0].Type, Handshaking) || Same(function.Parameters[0].Type, HttpRequest)),
        2 => IsArguments(function.Parameters[1].Type)
            && ((function.ReturnsVoid && function.Parameters[0].Type.SpecialType == SpecialType.System_Object)
                || (IsTask(function.ReturnType) && Same(function.Parameters[0].Type, Client))),
        _ => false,
    };

    private bool IsArguments(ITypeSymbol type) => Has(type) && (type.Name.EndsWith("EventArgs", StringComparison.Ordinal) || Same(type, MessageStream));

    private INamedTypeSymbol? TypeOf(string name) => _library.GetTypeByMetadataName(name);
}
