using System.Text.Json;

namespace WebSocketServerKit.Connections.Handling;

/// <summary>
/// A message of a peer was not the JSON that the host asked for. The type marks the exception as the peer's fault: if it comes out of a handler of the same connection, the handler has not failed.
/// </summary>
internal sealed class InvalidJsonException(string message, ConnectionLifetime sender, JsonException cause)
    : JsonException(message, cause.Path, cause.LineNumber, cause.BytePositionInLine, cause)
{
    /// <summary>The connection that the message came from.</summary>
    public ConnectionLifetime Sender => sender;
}
