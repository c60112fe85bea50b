namespace WebSocketServerKit.Connections.Handling;

/// <summary>The last event of a connection, whose handlers are not waited for: they were given up, or the host's context has not got to them. A payload stays theirs.</summary>
/// <param name="Scope">The scope that follows them.</param>
/// <param name="Run">The event.</param>
/// <param name="Payload">Of the message, if it is one.</param>
/// <param name="IsPostponed">Whether they have not begun.</param>
internal sealed record LeftMessage(HandlerScope Scope, long Run, ReadOnlyMemory<byte> Payload, bool IsPostponed);
