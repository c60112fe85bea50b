
namespace WebSocketServerKit.Connections.Closing;

/// <summary>The first cause of a connection's end. Whatever goes wrong afterwards does not replace it.</summary>
internal sealed record ConnectionEnding(
    DisconnectCause Cause, ConnectionSide ClosedBy, CloseCode Code, string Reason, Exception? Exception = null);
