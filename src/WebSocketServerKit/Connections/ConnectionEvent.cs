using WebSocketServerKit.Connections.Opening;

namespace WebSocketServerKit.Connections;

/// <summary>The events of a connection in the order in which they are raised; <see cref="Request"/> once, <see cref="Message"/> and <see cref="MessageInParts"/> any number of times.</summary>
internal enum ConnectionEvent : byte
{
    /// <summary>The host decides about the request: see <see cref="IRequestDecision"/>.</summary>
    Request,
    Connected,
    Message,

    /// <summary>A message that is handed on in parts has begun. Its handlers get <see cref="Receiving.MessageParts"/>.</summary>
    MessageInParts,
    Disconnected,
}
