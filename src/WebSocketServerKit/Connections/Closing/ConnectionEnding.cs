
namespace WebSocketServerKit.Connections.Closing;

/// <summary>Why a connection ended. <see cref="ClosingHandshake"/> keeps the first one.</summary>
internal sealed record ConnectionEnding(
    DisconnectCause Cause, ConnectionSide ClosedBy, CloseCode Code, string Reason, Exception? Exception = null);
