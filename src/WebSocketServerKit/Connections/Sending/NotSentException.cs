namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The inner exception of the WebSocketException that a send throws because its client has left or is too slow. It marks the exception as not being a failure
/// of the handler: a handler that forwards a message to another client must not get its own client closed because the other one has left.
/// </summary>
internal sealed class NotSentException(string reason) : IOException(reason);
