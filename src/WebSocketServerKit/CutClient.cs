namespace WebSocketServerKit;

/// <summary>A client that did not leave cleanly when the server was stopped.</summary>
/// <param name="Client">The client.</param>
/// <param name="Why">Why not.</param>
public sealed record CutClient(WebSocketClient Client, CutReason Why);
