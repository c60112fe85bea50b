namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The inner exception of a WebSocketException that a send throws because its client has left or is too slow. It marks the exception as no failure of the handler: where a
/// handler forwards a message to another client, its own client must not be closed because the other one has left.
/// </summary>
internal sealed class NotSentException(string reason) : IOException(reason);
