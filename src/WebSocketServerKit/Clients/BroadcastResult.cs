namespace WebSocketServerKit;

/// <summary>What became of a message that was sent to many.</summary>
/// <param name="Sent">Clients for which it was accepted for transmission.</param>
/// <param name="Dropped">Clients that did not get it because their send queue was full: they read too slowly.</param>
/// <param name="Skipped">Clients that were leaving already.</param>
public readonly record struct BroadcastResult(int Sent, int Dropped, int Skipped);
