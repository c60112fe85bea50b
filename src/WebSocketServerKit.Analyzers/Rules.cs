using System.Reflection;
using Microsoft.CodeAnalysis;

namespace WebSocketServerKit.Analyzers;

/// <summary>What the analyzers report. Each has a page in docs/analyzers.</summary>
internal static class Rules
{
    public static readonly DiagnosticDescriptor DroppedTask = Rule(
        "WSK0001",
        "Await the tasks of a handler",
        "The handler drops the task of '{0}': nobody waits for it, and its exception is lost. Make the handler async and await it, or write '_ = ' before it to start it on purpose.",
        "A handler that is not async returns at the first await of what it calls. The client's next message is then raised before this one is handled, and an exception is lost.");

    public static readonly DiagnosticDescriptor DroppedCall = Rule(
        "WSK0002",
        "Await the calls of WebSocketServerKit",
        "Nobody awaits '{0}': its exception is lost, and what follows does not wait for it. Await it, or write '_ = ' before it to drop it on purpose.",
        "A task of WebSocketServerKit tells when the call is complete and whether it failed. Awaiting SendAsync is what keeps a sender from being faster than its client.");

    public static readonly DiagnosticDescriptor EscapingPayload = Rule(
        "WSK0003",
        "Copy what is used after the handler",
        "'{0}' is used when the handler may have ended, and throws then. Take a copy before, with ToArray() or Text.",
        "A received message shows the server's receive buffer. It is valid until the handlers of the message have ended. Text and ToArray() make copies that stay valid.");

    public static readonly DiagnosticDescriptor BlockingHandler = Rule(
        "WSK0004",
        "Do not block in a handler",
        "'{0}' blocks the thread that calls the handlers. Make the handler async and await the task.",
        "A handler that blocks keeps a thread from other clients, and waits for ever if the task needs that thread, or a later message of the same client. A handler that awaits does not.");

    public static readonly DiagnosticDescriptor StopInHandler = Rule(
        "WSK0005",
        "Do not wait in a handler for the server's stop",
        "'{0}' waits for the handlers, so for this one too, until the stop's timeout. Start it without waiting: '_ = {0}'.",
        "The stop of a server waits for its handlers to end. A handler that waits for the stop delays it until StopTimeout is over.");

    private static DiagnosticDescriptor Rule(string id, string title, string message, string description) =>
        new(id, title, message, "Usage", DiagnosticSeverity.Warning, isEnabledByDefault: true, $"{description} See docs/analyzers/{id}.md.", PageOf(id));

    // A link only where the build was told where the project is: see ProjectUrl in the project file.
    private static string? PageOf(string id)
    {
        foreach (AssemblyMetadataAttribute data in typeof(Rules).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>())
        {
            if (data.Key == "ProjectUrl")
                return $"{data.Value.TrimEnd('/')}/blob/HEAD/docs/analyzers/{id}.md";
        }

        return null;
    }
}
