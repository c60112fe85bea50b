namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Stands inside the WebSocketException of a send to a client that has left, or that is too slow, and so tells it from one of the handler's own sockets. It is no failure of
/// the handler: clients leave and dawdle as they like, and the client whose handler forwards to them must not be closed for that.
/// </summary>
internal sealed class NotSentException(string reason) : IOException(reason);
