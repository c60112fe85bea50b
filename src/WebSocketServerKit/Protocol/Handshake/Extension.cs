namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>One element of <c>Sec-WebSocket-Extensions</c>: an extension that a client offers.</summary>
/// <param name="Name">As the client wrote it.</param>
/// <param name="Parameters">In the client's order; a value is unquoted, and null where there is none.</param>
internal readonly record struct Extension(string Name, IReadOnlyList<KeyValuePair<string, string?>> Parameters);
