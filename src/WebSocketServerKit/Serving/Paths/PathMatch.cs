namespace WebSocketServerKit.Serving.Paths;

/// <summary>The path that a client's request matches, with the values of its parameters. Clients of a path without parameters share one.</summary>
internal sealed record PathMatch(WebSocketPath Path, PathValues Values);
