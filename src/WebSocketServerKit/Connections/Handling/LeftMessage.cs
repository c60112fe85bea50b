namespace WebSocketServerKit.Connections.Handling;

/// <summary>
/// The last event of a connection whose handlers are no longer waited for: they were given up, or the host's context has not begun to run them. They keep the
/// payload.
/// </summary>
/// <param name="Scope">The scope that runs them.</param>
/// <param name="Run">The event's value of <see cref="HandlerScope.Run"/>.</param>
/// <param name="Payload">The payload, if the event is a message.</param>
/// <param name="IsPostponed">Whether they have not begun.</param>
internal sealed record LeftMessage(HandlerScope Scope, long Run, ReadOnlyMemory<byte> Payload, bool IsPostponed);
