using WebSocketServerKit.Connections.Opening;

namespace WebSocketServerKit.Connections;

/// <summary>The events of a connection in the order in which they are raised; <see cref="Request"/> once, <see cref="Message"/> any number of times.</summary>
internal enum ConnectionEvent : byte
{
    /// <summary>The host decides about the request: see <see cref="IRequestDecision"/>.</summary>
    Request,
    Connected,
    Message,
    Disconnected,
}
