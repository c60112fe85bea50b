namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>What a client of some protocol sends after the opening handshake, if anything, and the last text that it gets before it takes part.</summary>
internal sealed record Greeting(string? Request, string LastAnswer);
