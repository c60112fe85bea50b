namespace WebSocketServerKit.Connections;

/// <summary>
/// Stands inside the WebSocketException of a send to a client that has left, and so tells it from one of the handler's own sockets. It is no failure of
/// the handler: clients leave whenever they like, and the client whose handler forwards to them must not be closed for that.
/// </summary>
internal sealed class ClientHasLeftException() : IOException("The client has left.");
