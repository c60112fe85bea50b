namespace WebSocketServerKit;

/// <summary>How the clients left when the server was stopped.</summary>
/// <param name="ClosedCleanly">Clients that answered the server's Close frame.</param>
/// <param name="Cut">Clients that did not, or not in time, and clients whose handlers did not end in time.</param>
public readonly record struct StopResult(int ClosedCleanly, int Cut);
